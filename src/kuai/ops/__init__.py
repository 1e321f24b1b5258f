"""Operations: pure functions of arrays, one family a file; `table` brings them together."""

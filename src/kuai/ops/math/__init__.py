"""Mathematics: operations on numbers, from sums to factorizations."""

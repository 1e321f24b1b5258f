"""Control flow as operations: `cond`, `while_loop`, `scan`."""

"""Autograd: running operations, the tape, walking it, and what is built on it."""

from kuai.engine.late import late

__getattr__, __dir__ = late(
    __name__, ("batching", "constants", "function_batching", "function_rules", "looking"), {}
)

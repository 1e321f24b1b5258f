"""How large and how nested a file's objects may be.

Saving and loading keep to the same limits, so that whatever was saved can be loaded.
"""

__all__ = ["MAX_DEPTH", "MAX_INSTRUCTIONS", "MAX_PICKLE_BYTES", "VIEW_BYTES"]

MAX_DEPTH = 100
MAX_PICKLE_BYTES = 64 << 20
MAX_INSTRUCTIONS = 4_000_000  # about 100,000 tensors
VIEW_BYTES = 64 << 20  # and 16 times the file: what all views together may take up when read out

"""How large and how nested a file's objects may be.

Saving and loading keep to the same limits, so that whatever was saved can be loaded.
"""

__all__ = [
    "DESCRIPTION_BYTES",
    "DESCRIPTION_MULTIPLE",
    "LONGEST_INTEGER",
    "MAX_DEPTH",
    "MAX_DIMENSIONS",
    "MAX_INSTRUCTIONS",
    "MAX_NAMES",
    "MAX_PICKLE_BYTES",
    "MAX_SIZE",
    "MAX_VALUES",
    "VIEW_BYTES",
]

DESCRIPTION_BYTES = 64 << 20  # and
DESCRIPTION_MULTIPLE = 128  # times the pickle: what the objects besides tensor data take up
LONGEST_INTEGER = 255  # bytes: Python prints no integer of more than 4300 digits
MAX_DEPTH = 100
MAX_DIMENSIONS = 64  # as NumPy
MAX_SIZE = 1 << 48  # elements, whatever dimensions of 0 make of them
MAX_PICKLE_BYTES = 64 << 20
MAX_INSTRUCTIONS = 4_000_000  # about 100,000 tensors
MAX_NAMES = 32 << 20  # characters of all the names under which values stand
MAX_VALUES = 4 * MAX_INSTRUCTIONS  # counted as often as they would be printed
VIEW_BYTES = 64 << 20  # and 16 times the file: what all views together may take up when read out

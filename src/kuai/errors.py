"""Errors of Kuai's own, each explaining its cause, the values seen and the way out.

Where PyTorch raises an error, Kuai raises the same type with the same text; the classes here are
for what PyTorch does not have. Each is a subclass of the built-in type a PyTorch user would catch.
"""

import pickle

__all__ = [
    "BrokenFileError",
    "CompileError",
    "DataDependentError",
    "FileFormatError",
    "KuaiError",
    "LeakedTensorError",
    "drop_jax_note",
    "UnsafeFileError",
    "UnsavableObjectError",
]


class KuaiError(Exception):
    """Base of every error that only Kuai knows."""


class CompileError(KuaiError, RuntimeError):
    """A function cannot be compiled as one program, and `fullgraph=True` forbids running it
    eagerly."""


class DataDependentError(CompileError):
    """A compiled function asked for a concrete value while it was being traced."""

    def __init__(self, what: str):
        self.what = what
        super().__init__(
            f"{what} needs the value of a tensor, which is not known while a step is being "
            "compiled. Keep the decision on the device (kuai.where), move it out of the compiled "
            "function, or compile without fullgraph=True to run the function eagerly."
        )


class LeakedTensorError(KuaiError, RuntimeError):
    """A tensor made inside a compiled function was kept outside of it and then used."""

    def __init__(self):
        super().__init__(
            "This tensor was made inside a compiled function and kept after the function had "
            "returned (appended to a list, stored on an object, ...), so it never got a value. "
            "Return it from the function, or write it into an existing tensor with copy_()."
        )


class FileFormatError(KuaiError, RuntimeError):
    """A file is of a kind that Kuai does not read; the message names the file and the way out."""


class BrokenFileError(FileFormatError, ValueError):
    """A file is not what its name says: cut off, changed, or something else altogether."""


class UnsafeFileError(FileFormatError, pickle.UnpicklingError):
    """A file asks for more than tensors and plain Python values; nothing of it was done."""


class UnsavableObjectError(KuaiError, TypeError):
    """An object holds a value that could not be read back; the message says where it stands."""


def drop_jax_note(error: Exception) -> None:
    """Take away JAX's note about frames that it has removed from an error's traceback."""
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [note for note in notes if "JAX has removed its internal frames" not in note]

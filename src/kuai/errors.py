"""Errors of Kuai's own, each explaining its cause, the values seen and the way out.

Where PyTorch raises an error, Kuai raises the same type with the same text; the classes here are
for what PyTorch does not have. Each is a subclass of the built-in type a PyTorch user would catch.
"""

import pickle
from typing import Any

__all__ = [
    "BrokenFileError",
    "CheckpointError",
    "CheckpointWarning",
    "CheckpointWriteError",
    "CompileError",
    "ControlFlowError",
    "DataDependentError",
    "ExportError",
    "FileFormatError",
    "KuaiError",
    "LeakedTensorError",
    "LinAlgError",
    "LoopBackwardError",
    "OccupiedFolderError",
    "AcceleratorError",
    "OutOfMemoryError",
    "NonFiniteError",
    "PaddingError",
    "drop_jax_note",
    "printable",
    "RecomputationError",
    "StandInError",
    "UnavailableError",
    "UnsafeFileError",
    "UnsavableObjectError",
    "UnsendableError",
]


_LONGEST_MESSAGE = 2000


def printable(text: Any, longest: int = 200) -> str:
    """A text of a stranger's for people: no control characters, its middle left out if it is long.

    Example:
        >>> printable("red: \\x1b[31m"), printable("k" * 1000, 9)
        ('red: \\\\x1b[31m', 'kkkkkk…kk')
    """
    text = str(text)
    if len(text) > longest:
        kept = longest - 1
        text = f"{text[: kept - kept // 4]}…{text[len(text) - kept // 4 :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class KuaiError(Exception):
    """Base of every error that only Kuai knows."""


class _FileError(KuaiError):
    """An error whose message may quote a file, which may quote anything: escaped and cut."""

    def __init__(self, message: Any):
        super().__init__(printable(message, _LONGEST_MESSAGE))


class UnsendableError(KuaiError, TypeError):
    """What a loader's workers need cannot be sent to them."""

    def __init__(self, what: str, attribute: str | None, cause: BaseException):
        place = f", in its attribute {attribute!r}" if attribute else ""
        super().__init__(
            f"The {what} cannot be sent to the worker processes{place}: {cause}. Each worker gets "
            "a copy of it. Open files, locks and connections in the worker when they are first "
            "needed (in `__getitem__`, `__iter__` or `worker_init_fn`), or use num_workers=0."
        )


class CompileError(KuaiError, RuntimeError):
    """A function cannot be one program, and `fullgraph=True` forbids to make several of it."""


class DataDependentError(CompileError):
    """Something that is traced, such as the body of a loop, asked for a concrete value."""

    def __init__(self, what: str):
        self.what = what
        super().__init__(
            f"{what} needs the value of a tensor, which is not known while a program is being "
            "traced. Keep the decision on the device (kuai.where), move it out of what is traced, "
            "or compile without fullgraph=True."
        )


class ExportError(KuaiError, RuntimeError):
    """A network cannot become an exported program; the message names the line and the way out."""


class ControlFlowError(KuaiError, RuntimeError):
    """A branch or a loop does what cannot be a part of a compiled program."""


class LoopBackwardError(DataDependentError):
    """The backward pass of a loop whose number of iterations is not known while compiling."""

    def __init__(self):
        self.what = "the backward pass of while_loop"
        RuntimeError.__init__(
            self,
            "kuai.while_loop inside a compiled function has no backward pass, because the number "
            "of iterations, and so what has to be kept of each, is not known. Pass "
            "max_iterations=, which keeps room for that many, or call it under kuai.no_grad().",
        )


class NonFiniteError(KuaiError, RuntimeError, FloatingPointError):
    """Under `kuai.debug` an operation made NaN, or an infinity; the message says which and
    where."""


class _LinAlgError(RuntimeError):
    """A matrix that an algorithm of linear algebra cannot use; `torch.linalg.LinAlgError`."""


LinAlgError = _LinAlgError


class LeakedTensorError(KuaiError, RuntimeError):
    """A tensor made inside a compiled function was kept outside of it and then used."""

    def __init__(self):
        super().__init__(
            "This tensor was made inside a compiled function and kept after the function had "
            "returned (appended to a list, stored on an object, ...), so it never got a value. "
            "Return it from the function, or write it into an existing tensor with copy_()."
        )


class RecomputationError(KuaiError, RuntimeError):
    """A checkpointed function gave something else when it was run again in the backward pass."""

    def __init__(self, what):
        super().__init__(
            f"torch.utils.checkpoint: {what}\n\nThe function has to compute the same every time: "
            "look for a counter, a changed attribute, or a random choice in Python."
        )


class StandInError(KuaiError, ImportError):
    """Kuai cannot stand in for PyTorch: the real one is there, or somebody needs it."""


class UnavailableError(KuaiError, NotImplementedError):
    """Something of PyTorch's that Kuai or XLA does not have was used."""

    def __init__(self, name: str, reason: str, instead: str):
        super().__init__(f"{name} does not exist in Kuai: {reason}. {instead}")


class AcceleratorError(RuntimeError):
    """Something went wrong on a GPU; PyTorch's name for it, which nothing here raises."""


class OutOfMemoryError(RuntimeError):
    """A device has not enough memory; PyTorch's name for it."""


class PaddingError(CompileError):
    """A function compiled with `dynamic_batch` cannot run on a padded batch."""


class FileFormatError(_FileError, RuntimeError):
    """A file is of a kind that Kuai does not read; the message names the file and the way out."""


class NoTorchFileError(FileFormatError, pickle.UnpicklingError):
    """A file that PyTorch would take for a pickle is of another kind."""


class EmptyFileError(FileFormatError, EOFError):
    """A file of tensors is empty, or a file object stands at its end."""


class BrokenFileError(FileFormatError, ValueError):
    """A file is not what its name says: cut off, changed, or something else altogether."""


class UnsafeFileError(FileFormatError, pickle.UnpicklingError):
    """A file asks for more than tensors and plain Python values; nothing of it was done."""


class UnsavableObjectError(_FileError, TypeError):
    """An object holds a value that could not be read back; the message says where it stands."""


class CheckpointError(_FileError, RuntimeError):
    """A checkpoint cannot be made of, or put into, the given objects; the message says which."""


class CheckpointWarning(UserWarning):
    """A checkpoint is broken; the message says why, and which one was taken in its place."""


class CheckpointWriteError(KuaiError, OSError):
    """The disk did not take a checkpoint; the message says what is there all the same."""


class OccupiedFolderError(_FileError, FileExistsError):
    """A run is to be put into a folder that has one; the message says which, and the ways out."""


def drop_jax_note(error: Exception) -> None:
    """Take away JAX's note about frames that it has removed from an error's traceback."""
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [note for note in notes if "JAX has removed its internal frames" not in note]

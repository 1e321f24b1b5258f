"""Checks: who made the first NaN, or the first infinity.

`Checks` looks at the result of every operation, forward and backward, as soon as it is there, and
raises an error that names the operation and its block. As every result is looked at, the first one
found is the one that made it. Each look waits for the values and reads all of them: slow, and
meant for the moment when something is wrong.
"""

import pathlib
import traceback
import warnings

import jax
import jax.core
import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.placeholder import INEXACT
from kuai.engine.tensor.views import value
from kuai.errors import NonFiniteError

__all__ = ["Anomalies", "Checks"]

_OURS = str(pathlib.Path(__file__).parents[2])  # the folder of the package


class Checks:
    """Looks for NaN, and if asked for infinities, in all results."""

    def __init__(self, nans: bool = True, infs: bool = False):
        self.nans, self.infs = nans, infs

    def forward(self, block, operation, values, results) -> None:
        """Look at what an operation made of some tensors and numbers."""
        for number, array in enumerate(results):
            found = self._found(array, values)
            if found is not None:
                place = f"{operation.name} in {block}"
                raise NonFiniteError(_text(found, place, array, number, results, values))

    def recorded(self, node) -> None:
        """Nothing: a check of results needs no line of the forward pass."""

    def updated(self, name, before, after) -> None:
        """Look at the new values of tensors that an optimizer has changed."""
        for number, array in enumerate(after):
            found = self._found(array, before)
            if found is not None:
                place = f"an update by {name}"
                raise NonFiniteError(_text(found, place, array, number, after, before))

    def backward(self, node, cotangents, made) -> None:
        """Look at the gradients a node sends back."""
        results = [m for m in made if m is not None]
        for number, tensor in enumerate(results):
            array = value(tensor)
            found = self._found(array, cotangents)
            if found is not None:
                entry = getattr(node, "entry", None)
                name = node.name() if entry is None else entry.name
                where = node.block or "no block"
                place = f"the backward of {name} in {where}"
                raise NonFiniteError(_text(found, place, array, number, results, cotangents))

    def _found(self, array, values):
        """`nan` or `inf`, if there is one to be reported."""
        if self.nans and _holds(np.isnan, array):
            return "nan"
        if self.infs and _holds(np.isinf, array) and not any(_holds(np.isinf, v) for v in values):
            return "inf"
        return None


class Anomalies:
    """Looks for NaN in gradients, and says so in PyTorch's words; knows where nodes were made."""

    def __init__(self, check_nan: bool = True):
        self.check_nan = check_nan

    def forward(self, block, operation, values, results) -> None:
        """Nothing: PyTorch looks at gradients only."""

    def recorded(self, node) -> None:
        """Keep the lines of the program that an operation was called from."""
        if node is not None:
            frames = traceback.extract_stack()
            node.made_at = "".join(traceback.format_list([f for f in frames if not _is_ours(f)]))

    def updated(self, name, before, after) -> None:
        """Nothing: PyTorch looks at gradients only."""

    def backward(self, node, cotangents, made) -> None:
        """Look at the gradients a node sends back."""
        for number, tensor in enumerate(made if self.check_nan else ()):
            if tensor is not None and _holds(np.isnan, tensor):
                error = RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {number}th output."
                )
                if node.block is not None and node.block.kind is not None:
                    error.add_note(f"in {node.block}")
                _warn_of(node)
                raise error


def _is_ours(frame) -> bool:
    return frame.filename.startswith(_OURS)


def _warn_of(node) -> None:
    """PyTorch's warning: which operation it was, and the lines that called it."""
    lines = vars(node).get("made_at")
    where = (
        "No forward pass information available. Enable detect anomaly during forward pass for more "
        "information."
        if lines is None
        else f"Traceback of forward call that caused the error:\n{lines}"
    )
    warnings.warn(f"Error detected in {node.name()}. {where}", stacklevel=2)


def _known(thing):
    """The values of a tensor, an array or a number; None if there are none to look at."""
    if isinstance(thing, Tensor):
        thing = value(thing)
    if thing is None or isinstance(thing, jax.core.Tracer):
        return None
    kind = np.dtype(getattr(thing, "dtype", type(thing)))
    return np.asarray(thing) if kind.kind in INEXACT else None


def _holds(test, thing) -> bool:
    array = _known(thing)
    return array is not None and bool(test(array).any())


_WORDS = {"nan": ("NaN", np.isnan), "inf": ("infinity", np.isinf)}


def _text(found, place, array, number, results, values):
    word, test = _WORDS[found]
    bad = test(_known(array))
    which = f"result {number}, " if len(results) > 1 else ""
    text = f"{word} in the result of {place}: {which}{_describe(array)}, has {bad.sum()} of them"
    if array.ndim:
        text += f", the first at {[int(i) for i in np.argwhere(bad)[0]]}"
    given = [_summary(array) for array in map(_known, values) if array is not None]
    already = any(_holds(test, v) for v in values)
    verb = f"was given {word} already" if already else "was given"
    return f"{text}. It {verb}: {'; '.join(given) or 'nothing'}"


def _describe(array):
    return f"{array.dtype}{list(array.shape)}"


def _summary(array):
    if array.ndim == 0:
        return f"{array}"
    wide = array.astype(np.float64) if array.dtype.kind != "c" else np.abs(array)
    finite = wide[np.isfinite(wide)]
    text = _describe(array)
    if finite.size:
        text += f" from {finite.min():.4g} to {finite.max():.4g}"
    for word, test in _WORDS.values():
        if test(array).any():
            text += f" with {word}"
    return text

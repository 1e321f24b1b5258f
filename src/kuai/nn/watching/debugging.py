"""kuai.debug: who made the NaN, and what shapes go through the network."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from kuai.engine.autograd import blocks
from kuai.engine.autograd.checks import Anomalies, Checks
from kuai.engine.tensor import modes
from kuai.nn.base.blame import describe_arguments
from kuai.nn.base.hooks import GlobalHook, add_hook, global_hooks

__all__ = [
    "debug",
    "detect_anomaly",
    "followed",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]


@contextlib.contextmanager
def followed(**options: Any) -> Iterator[None]:
    """Have this thread's operations and calls of blocks followed; options as for `blocks.Block`."""
    entry = GlobalHook("followed", lambda: None)  # so that calls of modules go the way of hooks
    with add_hook(global_hooks, entry), blocks.watching(**options):
        yield


class debug(contextlib.ContextDecorator):
    """Look for NaN, and print shapes, while the code inside runs; a context manager.

    The first operation whose result holds NaN, forward or backward or in an optimizer's update,
    raises `kuai.errors.NonFiniteError`, a `RuntimeError` that names the operation and the block.
    Compiled functions run step by step inside, so that this is as exact for them; it is slow.

    Args:
        nans: look for NaN.
        infs: look for infinities too, where all inputs were finite: a mask of -inf is no mistake.
        shapes: print a line for every call of a block; they are also kept in `.lines`.

    Example:
        >>> with kuai.debug():
        ...     kuai.tensor([1.0, -1.0]).sqrt()
        Traceback (most recent call last):
        ...
        kuai.errors.NonFiniteError: NaN in the result of sqrt in no block: float32[2], has 1 of them, the first at [1]. It was given: float32[2] from -1 to 1
        >>> with kuai.debug(shapes=True):
        ...     _ = kuai.nn.Linear(2, 3)(kuai.ones(4, 2))
        block Linear: Tensor[4, 2] float32 -> Tensor[4, 3] float32
    """  # noqa: E501 (the text of the error is one line)

    def __init__(self, nans: bool = True, infs: bool = False, shapes: bool = False):
        self.nans, self.infs, self.shapes = nans, infs, shapes
        self.lines: list[str] = []
        self._open: list[contextlib.AbstractContextManager] = []

    def __enter__(self) -> debug:
        checks = Checks(self.nans, self.infs) if self.nans or self.infs else None
        context = followed(checks=checks, shapes=self._note if self.shapes else None, steps=True)
        context.__enter__()
        self._open.append(context)
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.pop().__exit__(*error)

    def _note(self, block: Any, args: tuple, kwargs: dict, result: Any) -> None:
        line = f"{block}: {describe_arguments(args, kwargs)} -> {describe_arguments((result,), {})}"
        self.lines.append(line)
        print(line)


# PyTorch's names ----------------------------------------------------------------------------------


class detect_anomaly:
    """Raise an error when a gradient that `backward()` computes is NaN; a context manager.

    Example:
        >>> x = kuai.tensor([-1.0], requires_grad=True)
        >>> with warnings.catch_warnings(action="ignore"), kuai.autograd.set_detect_anomaly(True):
        ...     x.sqrt().backward()  # warns of the line, too
        Traceback (most recent call last):
        ...
        RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.

    Differs from PyTorch: compiled functions run step by step inside. `kuai.debug` says more.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._contexts: list[set_detect_anomaly] = []
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._contexts.append(set_detect_anomaly(True, self.check_nan))

    def __exit__(self, *error: Any) -> None:
        self._contexts.pop().__exit__(*error)


class set_detect_anomaly:
    """Switch the detection of NaN gradients on or off, at once; also a context manager.

    Example:
        >>> _ = kuai.autograd.set_detect_anomaly(True)
        >>> kuai.is_anomaly_enabled()
        True
        >>> _ = kuai.autograd.set_detect_anomaly(False)
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = block = modes.state.block
        while block is not None and isinstance(block.checks, Anomalies):
            block = block.outer
        if mode:
            block = blocks.Block(None, block, checks=Anomalies(check_nan), steps=True)
        modes.state.block = block

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        modes.state.block = self.before


def is_anomaly_enabled() -> bool:
    """Whether `detect_anomaly` is on in this thread."""
    block = modes.state.block
    return block is not None and isinstance(block.checks, Anomalies)


def is_anomaly_check_nan_enabled() -> bool:
    """Whether gradients are looked at for NaN while `detect_anomaly` is on; so they are at first.

    Example:
        >>> with kuai.autograd.set_detect_anomaly(True, check_nan=False):
        ...     kuai.is_anomaly_check_nan_enabled()
        False
    """
    block = modes.state.block
    return not is_anomaly_enabled() or block is None or block.checks.check_nan

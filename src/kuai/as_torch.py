"""Kuai under PyTorch's name, in this process: `kuai.as_torch()`, `pytest -p kuai.as_torch`.

From then on `import torch` and every `torch.x.y` mean Kuai: the same module objects under both
names. It never happens by itself. `kuai run` does it for a script.
"""

import functools
import logging
import multiprocessing.spawn
import sys
import types

import kuai
import kuai.export
import kuai.library
from kuai import nn, version
from kuai.data.worker import at_start
from kuai.engine import late
from kuai.engine.tensor.attributes import TensorType
from kuai.errors import StandInError
from kuai.standin import distribution, extensions, paths

__all__ = ["as_torch", "is_on", "pytest_addoption"]

_SHOWN = {
    "kuai.engine.tensor.tensor.Tensor": "torch.Tensor",
    **dict.fromkeys(
        [
            "kuai.sparse.coo.CooTensor",
            *[f"kuai.sparse.compressed.{k}Tensor" for k in ("Csr", "Csc")],
        ],
        "torch.Tensor",
    ),
    **{f"kuai.nn.parameter.{name}": f"torch.nn.parameter.{name}" for name in nn.parameter.__all__},
}


def as_torch() -> None:
    """Have `import torch` mean Kuai in this process; call it before anything imports PyTorch.

    The version is then PyTorch's, the one that Kuai follows, for `torch.__version__` and for
    whoever asks `importlib.metadata`.

    Raises:
        StandInError: the real PyTorch has been imported.

    Example:
        import kuai
        kuai.as_torch()
        import torch  # is kuai
    """
    if is_on():
        return
    _refuse_two()
    sys.meta_path[:0] = [
        paths.TorchPaths(),
        distribution.DistributionFinder(),
        extensions.ExtensionFinder(),
    ]
    sys.meta_path.append(paths.RefusedPaths())
    late.asked_last.append(paths.refused_part)
    kuai.__version__ = version.__version__
    TensorType.shown = _SHOWN  # programs print classes, and packages look for `torch` in the text
    kuai.__name__ = "torch"  # packages compare it with the first part of a path
    sys.modules["torch"] = kuai
    paths.show_what_is_loaded()
    kuai.__dict__["torch"] = (
        kuai  # PyTorch has its own name in it, and some write torch.torch.Tensor
    )
    at_start(as_torch)  # in the processes of a data loader, too
    _have_processes_follow()
    _leave_the_log_to_the_program()


def is_on() -> bool:
    """Whether `torch` is Kuai in this process.

    Example:
        >>> kuai.as_torch.is_on()
        False
    """
    return sys.modules.get("torch") is kuai


def _have_processes_follow() -> None:
    """Have processes that this one starts, by spawn or from a fork server, do the same first."""
    prepared = multiprocessing.spawn.get_preparation_data

    @functools.wraps(prepared)
    def with_kuai(name):
        return {**prepared(name), "kuai": _Following()}

    multiprocessing.spawn.get_preparation_data = with_kuai


class _Following:
    """What is sent to a process before anything else: reading it calls `as_torch`."""

    def __reduce__(self):
        return _follow, ()


def _follow() -> None:
    as_torch()


def _leave_the_log_to_the_program() -> None:
    """A program that logs at level INFO would be told of JAX's affairs, too.

    Who wants to be told of them sets `JAX_LOGGING_LEVEL`.
    """
    told = logging.getLogger("jax")
    if told.level == logging.NOTSET:
        told.setLevel(logging.WARNING)


def _refuse_two() -> None:
    real = sys.modules.get("torch")
    if real is None:
        return
    where = getattr(real, "__file__", None) or "a module without a file"
    raise StandInError(
        f"The real PyTorch has been imported already ({where}), and its tensors and Kuai's cannot "
        "take each other's place. Call kuai.as_torch() as the first line of the program, or start "
        "it with `kuai run`.",
        name="torch",
    )


def pytest_addoption(parser) -> None:
    """What pytest calls first of a plugin: with `-p kuai.as_torch` all tests run on Kuai."""
    as_torch()


class _Callable(types.ModuleType):
    """A module that is called like the function that it is about."""

    def __call__(self) -> None:
        as_torch()


sys.modules[__name__].__class__ = _Callable

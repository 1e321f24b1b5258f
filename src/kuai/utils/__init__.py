"""PyTorch's import paths for what stands around a network: `kuai.utils.data`, `.checkpoint`, …"""

import importlib

from kuai.utils import checkpoint as checkpoint, data as data

#: Modules that are loaded when they are first asked for.
_LATE = frozenset(
    {
        "_device", "_python_dispatch", "_pytree", "collect_env", "cpp_extension", "dlpack", "hooks",
        "model_zoo", "tensorboard",
    }
)  # fmt: skip


def __getattr__(name):
    if name in _LATE:
        return importlib.import_module(f"kuai.utils.{name}")
    raise AttributeError(f"module 'kuai.utils' has no attribute {name!r}")


def swap_tensors(t1, t2) -> None:
    """Exchange what two tensors are, with values, gradients and history.

    Example:
        >>> a, b = kuai.zeros(1), kuai.ones(1)
        >>> kuai.utils.swap_tensors(a, b)
        >>> a, b
        (tensor([1.]), tensor([0.]))
    """
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    first, second = dict(t1.__dict__), dict(t2.__dict__)
    t1.__dict__.clear()
    t2.__dict__.clear()
    t1.__dict__.update(second)
    t2.__dict__.update(first)

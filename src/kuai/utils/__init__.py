"""PyTorch's import paths for what stands around a network: `kuai.utils.data`, `.checkpoint`, …"""

import typing

from kuai.engine.late import late
from kuai.engine.tensor.attributes import own

if typing.TYPE_CHECKING:
    from kuai.utils import checkpoint as checkpoint, data as data

__all__ = ["checkpoint", "data", "swap_tensors"]

#: Modules that are loaded when they are first asked for.
_LATE = frozenset(
    {
        "_contextlib", "_device", "_foreach_utils", "_python_dispatch", "_pytree", "_typing_utils",
        "benchmark", "checkpoint", "collect_env", "cpp_extension", "data", "deterministic",
        "dlpack", "flop_counter", "hooks", "model_zoo", "module_tracker", "weak",
    }
)  # fmt: skip
__getattr__, __dir__ = late("kuai.utils", _LATE, {})


def swap_tensors(t1, t2) -> None:
    """Exchange what two tensors are, with values, gradients and history.

    Example:
        >>> a, b = kuai.zeros(1), kuai.ones(1)
        >>> kuai.utils.swap_tensors(a, b)
        >>> a, b
        (tensor([1.]), tensor([0.]))
    """
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    first, second = dict(own(t1)), dict(own(t2))
    for tensor, state in ((t1, second), (t2, first)):
        own(tensor).clear()
        own(tensor).update(state)

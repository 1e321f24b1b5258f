"""`kuai.autograd.Variable`: the name that tensors had when only some of them had gradients."""

import warnings
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.ops.array.creation import tensor

__all__ = ["Variable"]


class _VariableKind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableKind):
    """A tensor that shares the memory of `data`; `isinstance(x, Variable)` is true of all tensors.

    Example:
        >>> kuai.autograd.Variable(kuai.ones(2), requires_grad=True)
        tensor([1., 1.], requires_grad=True)

    Raises:
        TypeError: `data` is no tensor.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                stacklevel=2,
            )
        if data is None:
            return tensor([], requires_grad=requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)

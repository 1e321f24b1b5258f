"""What functions and types are called in graphs and in their code."""

import builtins
import operator
import types
import typing
from typing import Any

import kuai
from kuai.overrides import resolve_name

__all__ = ["printed_name", "qualified_name", "type_name"]


#: What PyTorch has in `torch.functional`.
_FUNCTIONAL = frozenset(
    "align_tensors atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors "
    "cartesian_prod cdist chain_matmul einsum istft lu meshgrid norm pca_lowrank split stft "
    "svd_lowrank tensordot unique unique_consecutive unravel_index".split()
)
#: What `torch.nn.functional` has from elsewhere, where PyTorch's graphs say it comes from.
_COMPILED = {
    name: f"torch._C._nn.{name}"
    for name in "avg_pool2d avg_pool3d elu_ gelu hardtanh_ leaky_relu_ linear one_hot "
    "scaled_dot_product_attention softplus".split()
}
_COMPILED["logsigmoid"] = "torch._C._nn.log_sigmoid"


def qualified_name(function: Any) -> str:
    """A function's dotted name; one of Kuai's has PyTorch's.

    Example:
        >>> qualified_name(kuai.nn.functional.gelu), qualified_name(operator.add)
        ('torch._C._nn.gelu', '_operator.add')
    """
    name = getattr(function, "__name__", type(function).__name__)
    if getattr(builtins, name, None) is function:
        return name
    known = resolve_name(function)
    if known == f"torch.{name}" and name in _FUNCTIONAL:
        return f"torch.functional.{name}"
    if known is not None:
        return _COMPILED.get(name, known) if known.startswith("torch.nn.functional.") else known
    if getattr(kuai, name, None) is function:
        return f"torch.{name}"
    module = getattr(function, "__module__", None) or ""
    return f"{_theirs(module)}.{name}" if module else name


def _theirs(module: str) -> str:
    first, dot, rest = module.partition(".")
    return f"torch{dot}{rest}" if first == "kuai" else module


def printed_name(target: Any) -> str:
    """What a graph prints of a target."""
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", None)
    if name is not None and getattr(builtins, name, None) is target:
        return f"builtins.{name}"
    if name is not None and getattr(operator, name, None) is target:
        return f"operator.{name}"
    return qualified_name(target)


def type_name(kind: Any) -> str:
    """What an annotation is printed as.

    Example:
        >>> type_name(kuai.Tensor), type_name(int), type_name(typing.List[int])
        ('torch.Tensor', 'int', 'typing.List[int]')
    """
    if kind is kuai.Tensor:
        return "torch.Tensor"
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias):
        if kind.__module__ == "builtins":
            return kind.__qualname__
        return f"{_theirs(kind.__module__)}.{kind.__qualname__}"
    if kind is ...:
        return "..."
    if isinstance(kind, types.FunctionType):
        return kind.__name__
    if typing.get_origin(kind) is not None:
        return repr(kind).replace("kuai.engine.tensor.tensor.Tensor", "torch.Tensor")
    return repr(kind)

"""Changing a tensor's own shape: `squeeze_`, `t_`, `set_` and the like.

The tensor becomes what the view operation of the same name would give. Where gradients are
recorded it gets a storage of its own with that, because the views that were taken of it follow
its old shape.
"""

import inspect

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import composite
from kuai.engine.tensor import Tensor, changes
from kuai.engine.tensor.promotion import c_name
from kuai.ops.array import creation, joining, shaping, transposing
from kuai.ops.array.shaping import shape_of
from kuai.ops.math import products

__all__ = ["become"]


def become(target: Tensor, made: Tensor) -> Tensor:
    """Let a tensor be another one from now on, and return it."""
    if target._requires_grad and target.grad_fn is None and made.grad_fn is not None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    if made.grad_fn is not None:
        made = joining.clone(made)
        target._node, target._output, target._base = made.grad_fn, made._output, None
    target._storage, target._steps, target._cache = made._storage, made._steps, None
    changes.touch()
    return target


def _in_place(operation, *names):
    def change(self, *args, **kwargs):
        return become(self, operation(self, *args, **kwargs))

    change.__name__ = change.__qualname__ = names[0]
    change.__signature__ = inspect.signature(operation)
    change.__doc__ = f"Let this tensor be its own `{names[0].removesuffix('_')}`."
    composite(export=[f"Tensor.{name}" for name in names])(change)


_in_place(shaping.squeeze, "squeeze_")
_in_place(shaping.unsqueeze, "unsqueeze_")
_in_place(transposing.t, "t_")
_in_place(transposing.transpose, "transpose_", "swapaxes_", "swapdims_")


@composite(function=False)
def set_(self, source=None):
    """Let this tensor share the storage, size and strides of another one.

    Example:
        >>> kuai.zeros(2).set_(kuai.ones(3))
        tensor([1., 1., 1.])
    """
    if isinstance(source, Tensor) and source.dtype is not self.dtype:
        kinds = [c_name(each.dtype) for each in (source, self)]
        raise RuntimeError("Could not set tensor of type {} to a tensor of type {}".format(*kinds))
    empty = creation.empty(0, dtype=self.dtype, device=self.device)
    return become(self, empty if source is None else Tensor._share(source))


@composite(export=("addbmm_", "Tensor.addbmm_"))
def addbmm_(input, batch1, batch2, *, beta=1, alpha=1):
    """In-place version of `addbmm`; a smaller input grows to the size of the products.

    Example:
        >>> kuai.zeros(1).addbmm_(kuai.ones(1, 2, 3), kuai.ones(1, 3, 2))
        tensor([[3., 3.],
                [3., 3.]])
    """
    made = products.addbmm(input, batch1, batch2, beta=beta, alpha=alpha)
    return (overwrite if shape_of(made) == shape_of(input) else become)(input, made)

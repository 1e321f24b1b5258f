"""Small questions to a tensor, and a Python function applied to each of its elements."""

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import composite
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.formats import memory_format
from kuai.engine.tensor.layouts import layout_of
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.creation import tensor
from kuai.ops.array.transposing import conj
from kuai.ops.math.powers import float_power


@composite
def is_conj(input):
    """False: conjugation is never put off here.

    Example:
        >>> kuai.is_conj(kuai.tensor([1j]).conj())
        False
    """
    return False


@composite
def is_neg(input):
    """False: negation is never put off here.

    Example:
        >>> kuai.is_neg(kuai.ones(2))
        False
    """
    return False


@composite
def conj_physical_(input):
    """Replace the elements by their complex conjugates.

    Example:
        >>> kuai.conj_physical_(kuai.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    return overwrite(input, conj(input)) if input.dtype.is_complex else input


@composite(export="Tensor.float_power_")
def float_power_(self, exponent):
    """Raise the elements, of float64 or complex128, to a power.

    Example:
        >>> kuai.tensor([2.0], dtype=kuai.float64).float_power_(3)
        tensor([8.], dtype=torch.float64)
    """
    made = float_power(self, exponent)
    if made.dtype is not self.dtype:
        found, wanted = scalar_name(self.dtype.jax), scalar_name(made.dtype.jax)
        raise RuntimeError(
            f"the base given to float_power_ has dtype {found} but the operation's result requires "
            f"dtype {wanted}"
        )
    return overwrite(self, made)


@composite(export="Tensor.dim_order")
def dim_order(self, *, ambiguity_check=False):
    """The dimensions from the outermost to the innermost, by the strides.

    Args:
        ambiguity_check: refuse a tensor with a dimension that could as well stand elsewhere; or
            memory formats, of which exactly one has to fit.

    Example:
        >>> kuai.ones(2, 3).t().dim_order()
        (1, 0)
    """
    formats = ambiguity_check if isinstance(ambiguity_check, list) else None
    known = all(isinstance(one, memory_format) for one in formats or ())
    if not (isinstance(ambiguity_check, bool) or (formats is not None and known)):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    layout = layout_of(self)
    if formats:  # rows are always contiguous, so the question is whether another format fits, too
        flat = 1 in layout.shape[1:2] or set(layout.shape[2:]) == {1}
        unclear = len(formats) > 1 and flat
    else:
        unclear = 1 in layout.shape
    if ambiguity_check and unclear:
        raise RuntimeError(
            "The tensor does not have unique dim order, or cannot map to exact one of the given "
            "memory formats."
        )
    return tuple(sorted(range(len(layout.shape)), key=lambda dim: -layout.strides[dim]))


@composite(export="Tensor.is_set_to")
def is_set_to(self, tensor):
    """Whether the other tensor has the same storage, size and strides.

    Example:
        >>> x = kuai.ones(2)
        >>> x.is_set_to(x.detach()), x.is_set_to(kuai.ones(2))
        (True, False)
    """
    return self._storage is tensor._storage and layout_of(self) == layout_of(tensor)


# A Python function of each element ----------------------------------------------------------------


def _applied(target, function, *others):
    for place, other in enumerate(others):
        if other.dtype is not target.dtype:
            name = "map_" if len(others) == 1 else "map2_"
            label = "'other'" if len(others) == 1 else f"argument '{'xy'[place]}'"
            raise TypeError(f"{name}: expected {target.type()} for {label} (got {other.type()})")
    columns = [part.expand_as(target).reshape(-1).tolist() for part in (target, *others)]
    made = [function(*numbers) for numbers in zip(*columns, strict=True)]
    for each in made:
        if not isinstance(each, (int, float, complex, Tensor)):
            raise TypeError(f"must be real number, not {type(each).__name__}")
    return overwrite(target, tensor(made, dtype=target.dtype).reshape(target.shape))


@composite(export="Tensor.apply_")
def apply_(self, callable):
    """Replace each element by what a Python function of it gives; slow, and for the CPU.

    Example:
        >>> kuai.tensor([1.0, 2.0]).apply_(lambda x: 10 * x)
        tensor([10., 20.])
    """
    return _applied(self, callable)


@composite(export="Tensor.map_")
def map_(self, other, callable):
    """Replace each element by what a Python function of it and another tensor's gives.

    Example:
        >>> kuai.tensor([1.0, 2.0]).map_(kuai.tensor([3.0, 4.0]), lambda x, y: x * y)
        tensor([3., 8.])
    """
    return _applied(self, callable, other)


@composite(export="Tensor.map2_")
def map2_(self, x, y, callable):
    """Replace each element by what a Python function of it and two other tensors' gives.

    Example:
        >>> kuai.ones(1).map2_(kuai.ones(1), kuai.ones(1), lambda a, b, c: a + b + c)
        tensor([3.])
    """
    return _applied(self, callable, x, y)

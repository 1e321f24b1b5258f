"""Sums of products named by indices: einsum, tensordot, Kronecker and cross products, distances."""

import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Sequence, composite, op
from kuai.engine.op.exact_out import SAME, TENSORDOT
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.overriding import named
from kuai.engine.tensor.promotion import promote, scalar_name
from kuai.ops import math as room, outdated
from kuai.ops.accumulation import widened
from kuai.ops.dimensions import broadcast_shapes, normalize_dim
from kuai.ops.elementwise import BOOL, FLOATING, call, kind_of, refuse, together
from kuai.ops.math.norms import safe_sqrt, vector_norm_of
from kuai.ops.math.products import contract

# Einstein summation -------------------------------------------------------------------------------


def _of_einsum(equation, operands):
    return room.equations.precision(equation, operands)


@op(
    function=False,
    method=False,
    name="einsum",
    grad="EinsumBackward0",
    autocast={"cpu": _of_einsum, "cuda": "lower"},
)
def sum_of_products(equation: str, operands: Sequence[Array]):
    """The sum of products an equation describes."""
    _check_one_dtype(equation, [operand.dtype for operand in operands])
    operands = promote(*operands) if len(operands) > 1 else operands
    return jnp.einsum(equation, *operands, preferred_element_type=operands[0].dtype)


@composite(method=False)
def einsum(*args):
    """Sums of products of elements, named by one letter per dimension.

    Args:
        args: the equation and the tensors, or tensors and lists of dimension numbers in turn.

    Example:
        >>> kuai.einsum("ij,kj->ik", kuai.ones(2, 3), kuai.ones(1, 3))
        tensor([[3.],
                [3.]])
    """
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, "
                         "or at least one operand and its subscripts list")  # fmt: skip
    if isinstance(args[0], Tensor):
        args = room.equations.from_sublists(args)
    equation, *operands = _one_by_one(args)
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum(): argument 'equation' (position 1) must be str, not {named(type(equation))}"
        )
    equation = equation.replace(" ", "")
    room.equations.check(equation, operands)
    if len(operands) == 1 and room.equations.sums(equation) and operands[0].dtype.jax.kind in "iub":
        operands = (operands[0].long(),)  # as a sum does
    return sum_of_products(equation, operands)


def _one_by_one(args):
    """The arguments of `einsum` where the operands may have come as one list."""
    if len(args) == 2 and isinstance(args[1], (list, tuple)):
        return (args[0], *args[1])
    return args


einsum.as_told = _one_by_one  # that is how `__torch_function__` sees them


def _check_one_dtype(equation: str, kinds) -> None:
    """PyTorch's error for a contraction of different dtypes; other products promote."""
    other = next((kind for kind in kinds if kind != kinds[0]), None)
    if other is None:
        return
    left, arrow, right = equation.partition("->")
    letters = set(left) - set(",.") - set(right)
    if any(sum(letter in term for term in left.split(",")) > 1 for letter in letters):
        names = scalar_name(kinds[0]), scalar_name(other)
        raise RuntimeError("expected scalar type {} but found {}".format(*names))


# Contractions by dimension ------------------------------------------------------------------------


def _of_tensordot(a, b, dims_a, dims_b):
    """A sum over all there is is no product of matrices."""
    return None if len(dims_a) == a.ndim == b.ndim and dims_a else "lower"


@op(
    function=False,
    method=False,
    name="tensordot",
    grad="TensordotBackward0",
    exact_out=TENSORDOT,
    autocast={"cpu": _of_tensordot, "cuda": "widest"},
)
def contract_dims(a: Array, b: Array, dims_a: tuple[int, ...], dims_b: tuple[int, ...]):
    """The sums of products over paired dimensions."""
    first = tuple(normalize_dim(dim, a.ndim) for dim in dims_a)
    second = tuple(normalize_dim(dim, b.ndim) for dim in dims_b)
    for i, j, given_i, given_j in zip(first, second, dims_a, dims_b, strict=True):
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim "
                f"{given_i} and second has size {b.shape[j]} in dim {given_j}"
            )
    return contract(a, b, (first, second))


def _without_stretched(tensor, other, dims, other_dims):
    """The tensor summed over the dimensions for which the other one has a single element."""
    pairs = zip(dims, other_dims, strict=True)
    summed = [d for d, e in pairs if other.shape[e] == 1 and tensor.shape[d] != 1]
    return tensor.sum(summed, keepdim=True, dtype=tensor.dtype) if summed else tensor


@composite(method=False)
def tensordot(a, b, dims=2, out=None):
    """The sums of products over the last `dims` of `a` and first of `b`, or over two lists of them.

    Example:
        >>> kuai.tensordot(kuai.ones(2, 3, 4), kuai.ones(3, 4, 5)).shape
        torch.Size([2, 5])
    """
    if isinstance(dims, Tensor):
        dims = concrete(dims, "tensordot()").tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(len(a.shape), len(b.shape)):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = (tuple(range(-dims, 0)), tuple(range(dims)))
    dims_a, dims_b = (tuple(d) if isinstance(d, (list, tuple)) else (d,) for d in dims)
    if len(dims_a) != len(dims_b):
        raise RuntimeError("both dimension lists should have same length")
    a, b = _without_stretched(a, b, dims_a, dims_b), _without_stretched(b, a, dims_b, dims_a)
    return call(contract_dims, out, a, b, dims_a, dims_b)


@op
def kron(input: Array, other: Array):
    """The Kronecker product: every element of `input` times the whole of `other`.

    Example:
        >>> kuai.kron(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 10.0]))
        tensor([ 1., 10.,  2., 20.])
    """
    first, second = promote(input, other)
    if kind_of(first) == BOOL:
        return jnp.kron(first.astype(jnp.uint8), second.astype(jnp.uint8)) != 0
    return jnp.kron(widened(first), widened(second)).astype(first.dtype)


@composite
def cross(input, other, dim=None, *, out=None):
    """The cross product of vectors of three elements.

    Args:
        dim: The dimension of the vectors; by default the first of size 3.

    Example:
        >>> kuai.cross(kuai.tensor([1.0, 0.0, 0.0]), kuai.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    result = call(_cross, out, input, other, dim)
    if dim is None:
        outdated.tell("cross")
    return result


@op(
    function=False,
    method=False,
    name="cross",
    grad="LinalgCrossBackward0",
    autocast={"cuda": "widest"},
    exact_out=SAME,
)
def _cross(input: Array, other: Array, dim: int | None):
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = input.shape.index(3)
    return vector_cross(input, other, dim)


def vector_cross(input, other, dim: int):
    """The cross product along a dimension of size 3."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = normalize_dim(dim, input.ndim)
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    sizes = input.shape[axis], other.shape[normalize_dim(dim, other.ndim)]
    if sizes != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. "
            f"Got {sizes[0]} and {sizes[1]}"
        )
    broadcast_shapes(input.shape, other.shape)
    first, second = jnp.broadcast_arrays(*together(input, other))
    refuse("cross", first, BOOL)
    return jnp.cross(first, second, axis=axis)


# Distances ----------------------------------------------------------------------------------------


@op(function=False, method=False, name="cdist", grad="CdistBackward0", autocast="float32")
def pair_distances(x1: Array, x2: Array, p: float):
    """The p-norms of the differences of all pairs of rows."""
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    difference = widened(x1)[..., :, None, :] - widened(x2)[..., None, :, :]
    return _lengths(difference, p).astype(jnp.promote_types(x1.dtype, x2.dtype))


def _lengths(difference, p):
    """The p-norms of the last dimension; in the largest norm all that are largest count in full."""
    if p == math.inf and difference.shape[-1]:
        return _largest(difference)
    return vector_norm_of(difference, p, -1, False)


@jax.custom_jvp
def _largest(difference):
    return jnp.max(jnp.abs(difference), -1)


@_largest.defjvp
def _change_of_largest(primals, tangents):
    (difference,), (change,) = primals, tangents
    length = _largest(difference)
    decides = jnp.abs(difference) == length[..., None]
    return length, jnp.sum(jnp.where(decides, jnp.sign(difference) * change, 0), -1)


@op(function=False, method=False, name="cdist", grad="CdistBackward0", autocast="float32")
def pair_distances_by_product(x1: Array, x2: Array):
    """Euclidean distances by |a|² + |b|² - 2 a·b: faster for many rows, less exact if near."""
    kind = jnp.promote_types(x1.dtype, x2.dtype)
    x1, x2 = widened(x1), widened(x2)
    squares = jnp.sum(x1 * x1, -1)[..., :, None] + jnp.sum(x2 * x2, -1)[..., None, :]
    products = jnp.einsum("...ik,...jk->...ij", x1, x2)
    return safe_sqrt(jax.nn.relu(squares - 2 * products)).astype(kind)


IF_NECESSARY = "use_mm_for_euclid_dist_if_necessary"


@composite(method=False)
def cdist(x1, x2, p=2.0, compute_mode=IF_NECESSARY):
    """The p-norm distances of all pairs of rows, (…, n, k) and (…, m, k) → (…, n, m).

    Example:
        >>> kuai.cdist(kuai.tensor([[0.0, 0.0]]), kuai.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    for name, each in (("X1", x1), ("X2", x2)):
        if not each.dtype.is_floating_point:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: "
                f"{scalar_name(each.dtype.jax)}"
            )
        if each.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {each.ndim}D")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    modes = (IF_NECESSARY, "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    many = max(x1.shape[-2], x2.shape[-2]) > 25 and compute_mode == IF_NECESSARY
    if p == 2 and (many or compute_mode == "use_mm_for_euclid_dist"):
        return pair_distances_by_product(x1, x2)
    return pair_distances(x1, x2, p)


@op(method=False, functional=True, autocast={"cuda": "float32"})
def pdist(input: Array, p: float = 2.0):
    """The p-norm distances of all pairs of different rows, in one row.

    Example:
        >>> kuai.pdist(kuai.tensor([[0.0], [1.0], [3.0]]))
        tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if kind_of(input) != FLOATING:
        raise RuntimeError("pdist only supports floating-point dtypes")
    first, second = jnp.triu_indices(input.shape[0], 1)
    return _lengths(input[first] - input[second], p)

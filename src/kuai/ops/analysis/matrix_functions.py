"""Functions of matrices: the exponential, condition numbers, equations of tensors.

Products of Householder reflections, H = I - τ v vᴴ, stand for orthogonal matrices: `geqrf` gives a
QR decomposition in this form, the others multiply it out.

Reference: G. H. Golub and C. F. Van Loan, Matrix Computations, 2.6, 5.1 and 9.3.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import castable
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.shaping import reshape
from kuai.ops.elementwise import BOOL, FLOATING, kind_of
from kuai.ops.math.factorization import svdvals
from kuai.ops.math.linalg import matrix_norm
from kuai.ops.math.matrix_checks import matrices
from kuai.ops.math.matrix_factors import adjoint, inv_ex
from kuai.ops.math.solutions import checked_inverse, solve
from kuai.ops.return_types import return_type

_GEQRF = return_type("geqrf", "a", "tau")


@op(aliases=("linalg.matrix_exp",), grad="LinalgMatrixExpBackward0")
def matrix_exp(A: Array):
    """exp(A) = Σₖ Aᵏ / k! of square matrices, by scaling and squaring a Padé approximant.

    Example:
        >>> kuai.linalg.matrix_exp(kuai.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])

    Reference: N. J. Higham, The scaling and squaring method for the matrix exponential revisited,
    SIAM Journal on Matrix Analysis and Applications 26, 2005.
    """
    matrices("linalg.matrix_exp", A, low_precision=True)
    if A.size == 0:
        return A
    wide = jnp.promote_types(A.dtype, jnp.float32)
    return jax.scipy.linalg.expm(A.astype(wide), max_squarings=48).astype(A.dtype)


@composite(export="linalg.diagonal")
def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """`kuai.diagonal`, of the last two dimensions by default.

    Example:
        >>> kuai.linalg.diagonal(kuai.ones(3, 2, 2)).shape
        torch.Size([3, 2])
    """
    return A.diagonal(offset, dim1, dim2)


# Condition numbers --------------------------------------------------------------------------------


@composite(export="linalg.cond", autocast={"cpu": "float32"})
def cond(A, p=None, *, out=None):
    """‖A‖ ‖A⁻¹‖: how much a solution may move when the right side does; inf for a singular A.

    Args:
        p: the norm, of those of `matrix_norm`; by default 2, the largest singular value over the
            smallest one, which any matrix has.

    Example:
        >>> kuai.linalg.cond(kuai.tensor([[4.0, 0.0], [0.0, 2.0]]))
        tensor(2.)
    """
    made = _condition(A, p)
    return made if out is None else out.resize_(made.shape).copy_(made)


def _condition(A, p):
    if len(A.shape) < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        values = svdvals(A)
        if not values.shape[-1]:
            return values.sum(-1)
        large, small = values[..., 0], values[..., -1]
        return small / large if p == -2 else large / small
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond(ord={p}): A must be batches of square matrices, "
            f"but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if p == "nuc":
        values = svdvals(A)
        return values.sum(-1) * values.reciprocal().sum(-1)
    product = matrix_norm(A, p) * matrix_norm(inv_ex(A).inverse, p)
    return product.masked_fill(product.isnan(), math.inf)


# Equations of tensors -----------------------------------------------------------------------------


def _refuse_sizes(name, first, second):
    raise RuntimeError(
        f"Expected self to satisfy the requirement prod(self.shape[{name}:]) == "
        f"prod(self.shape[:{name}]), but got {first} != {second}"
    )


@composite(export="linalg.tensorinv", autocast={"cpu": "float32"})
def tensorinv(A, ind=2, *, out=None):
    """The inverse of `tensordot` with A over its last dimensions, those from `ind` on.

    Example:
        >>> kuai.linalg.tensorinv(kuai.eye(6).reshape(2, 3, 6)).shape
        torch.Size([6, 2, 3])
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    front, back = A.shape[:ind], A.shape[ind:]
    if math.prod(front) != math.prod(back):
        _refuse_sizes("ind", math.prod(back), math.prod(front))
    square = reshape(A, (math.prod(back), -1) if A.numel() else (0, 0))
    inverse = checked_inverse(square, "inv")
    made = reshape(inverse, (*back, *front))
    return made if out is None else out.resize_(made.shape).copy_(made)


@composite(export="linalg.tensorsolve", autocast={"cpu": "float32"})
def tensorsolve(A, B, dims=None, *, out=None):
    """The X with `tensordot(A, X, X.ndim) = B`.

    Args:
        dims: dimensions of A that are moved to its end first.

    Example:
        >>> kuai.linalg.tensorsolve(kuai.eye(6).reshape(2, 3, 6), kuai.ones(2, 3)).shape
        torch.Size([6])
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    count = len(B.shape)
    wanted, size = A.shape[count:], math.prod(A.shape[:count])
    if math.prod(wanted) != size:
        _refuse_sizes("other.ndim", math.prod(wanted), size)
    square = reshape(A, (size, size))
    made = reshape(solve(square, reshape(B, (size,))), tuple(wanted))
    return made if out is None else out.resize_(made.shape).copy_(made)


# Powers of vectors --------------------------------------------------------------------------------


@op(export="linalg.vander", name="linalg.vander")
def linalg_vander(x: Array, N: int | None = None):
    """1, x, x², … of each element, in a new last dimension of N numbers.

    Example:
        >>> kuai.linalg.vander(kuai.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [1, 2, 4],
                [1, 3, 9]])
    """
    x = x if x.ndim else x[None]
    size = x.shape[-1] if N is None else N
    if size <= 1:
        raise RuntimeError("N must be greater than 1.")
    if kind_of(x) == BOOL:
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got Bool"
        )
    return _powers(x, size)


def _powers(x, size):
    kind = jnp.int64 if kind_of(x) < FLOATING else x.dtype
    x = x.astype(kind)
    steps = [jnp.ones_like(x), *[x] * (size - 1)][:size]
    if not steps:
        return jnp.zeros((*x.shape, 0), kind)
    return jnp.cumprod(jnp.stack(steps, -1), -1, dtype=kind)


@op(method=False)
def vander(x: Array, N: int | None = None, increasing: bool = False):
    """Powers of each element of a vector, the highest first.

    Example:
        >>> kuai.vander(kuai.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [4, 2, 1],
                [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    size = x.shape[0] if N is None else N
    if size < 0:
        raise RuntimeError("N must be non-negative.")
    powers = _powers(x, size)
    return powers if increasing else jnp.flip(powers, 1)


# Householder reflections --------------------------------------------------------------------------


def reflected(vectors, tau, other, forward: bool, conjugated: bool):
    """Reflections applied to the left of a matrix, one after the other.

    Args:
        vectors: reflection i has the part of column i below the diagonal, and 1 on it.
        forward: whether the first reflection is applied first, which makes Qᴴ of `conjugated` ones.
    """
    rows, count = vectors.shape[-2], tau.shape[-1]
    low = jnp.tril(vectors[..., :count], -1) + jnp.eye(rows, count, dtype=vectors.dtype)
    scale = jnp.conj(tau) if conjugated else tau

    def step(result, parts):
        v, factor = parts
        product = jnp.einsum("...i,...ij->...j", jnp.conj(v), result)
        return result - factor[..., None, None] * v[..., :, None] * product[..., None, :], None

    parts = jnp.moveaxis(low, -1, 0), jnp.moveaxis(scale, -1, 0)
    return lax.scan(step, other, parts, reverse=not forward)[0]


@op(
    export="linalg.householder_product",
    grad="LinalgHouseholderProductBackward0",
    autocast={"cpu": "float32"},
    exact_out=castable("torch.linalg.householder_product"),
)
def householder_product(A: Array, tau: Array):
    """The first columns of the product of Householder reflections, those of an orthogonal matrix.

    Example:
        >>> kuai.linalg.householder_product(*kuai.geqrf(kuai.eye(2)))
        tensor([[1., 0.],
                [0., 1.]])
    """
    name = "torch.linalg.householder_product"
    input = A
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    rows, columns = input.shape[-2:]
    if rows < columns:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if columns < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    if input.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if input.dtype != tau.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {scalar_name(tau.dtype)} does not match input dtype "
            f"{scalar_name(input.dtype)}"
        )
    matrices(name, input, square=False, kernel="orgqr_cpu", looks=False)
    identity = jnp.broadcast_to(jnp.eye(rows, columns, dtype=input.dtype), input.shape)
    return reflected(input, tau, identity, forward=False, conjugated=False)


@composite(autocast={"cpu": "float32"})
def orgqr(input, input2):
    """`linalg.householder_product`.

    Example:
        >>> kuai.orgqr(*kuai.geqrf(kuai.eye(2)))
        tensor([[1., 0.],
                [0., 1.]])
    """
    return householder_product(input, input2)


_OF_ORMQR = (
    "torch.ormqr: Expected input and result to have the same dtype, but input has dtype{wanted} "
    "and result has dtype {found}"
)


@op(autocast={"cpu": "float32"}, exact_out=_OF_ORMQR)
def ormqr(input: Array, input2: Array, input3: Array, left: bool = True, transpose: bool = False):
    """A matrix multiplied by the orthogonal matrix Q that Householder reflections stand for.

    Args:
        input, input2: the reflections and their τ, as `geqrf` gives them.
        input3: the matrix.
        left: Q stands on the left of the matrix, or else on its right.
        transpose: Qᴴ instead of Q.

    Example:
        >>> kuai.ormqr(*kuai.geqrf(kuai.eye(2)), kuai.ones(2, 1))
        tensor([[1.],
                [1.]])
    """
    tau, other = input2, input3
    _check_ormqr(input, tau, other, left)
    if left:
        return reflected(input, tau, other, forward=transpose, conjugated=transpose)
    turned = reflected(input, tau, adjoint(other), forward=not transpose, conjugated=not transpose)
    return adjoint(turned)


def _check_ormqr(input, tau, other, left):
    for name, array in (("input", input), ("other", other)):
        if array.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]"
        )
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(input.shape[-1], other.shape[side]):
        raise RuntimeError(
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            "torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim "
            f"equal to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    for name, array in (("tau", tau), ("other", other)):
        if array.dtype != input.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has "
                f"dtype{scalar_name(input.dtype)} and {name} has dtype {scalar_name(array.dtype)}"
            )
    matrices("torch.ormqr", input, square=False, kernel="ormqr_cpu", looks=False)


@op(
    result=_GEQRF,
    autocast={"cpu": "float32"},
    exact_out=tuple(castable("torch.geqrf", each) for each in ("a", "tau")),
)
def geqrf(input: Array):
    """A QR decomposition: R in the upper triangle, below it the Householder reflections of Q.

    Example:
        >>> kuai.geqrf(kuai.eye(2)).tau
        tensor([0., 0.])
    """
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    matrices("torch.geqrf", input, square=False, kernel="geqrf_cpu", looks=False)
    compact, tau = jnp.linalg.qr(lax.stop_gradient(input), mode="raw")
    return jnp.swapaxes(compact, -1, -2), tau

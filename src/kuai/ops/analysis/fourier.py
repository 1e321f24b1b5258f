"""Fourier transforms: `kuai.fft`.

Along one dimension of N elements the transform is

    X[k] = Σₙ x[n] exp(-2πi kn / N)            and back    x[n] = 1/N Σₖ X[k] exp(2πi kn / N),

along several dimensions one after the other. Of a real signal half of X is enough (`rfft`), for the
rest are complex conjugates; a signal whose transform is real is given by its half (`hfft`).

Three numbers of arguments are the same in all: `n` or `s`, the number of elements that are
transformed (a signal is cut or filled up with zeros at its end, -1 leaves it alone), `dim`, and
`norm`: which way is divided by N, "backward" (the default), "forward", or each by √N: "ortho".

Reference: J. W. Cooley and J. W. Tukey, An algorithm for the machine calculation of complex Fourier
series, Mathematics of Computation 19, 1965.
"""

import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import complex_out, real_out
from kuai.engine.tensor import dtypes
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.creation import tensor
from kuai.ops.array.rearranging import roll
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.elementwise import COMPLEX, floating, kind_of

_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
_UNSUPPORTED = ("float16", "bfloat16")

# What all have in common --------------------------------------------------------------------------


def _prepared(input, norm):
    if norm not in _OPPOSITE:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if input.dtype.name in _UNSUPPORTED:
        raise RuntimeError(f"Unsupported dtype {scalar_name(input.dtype)}")
    return floating(input)


def _refuse_complex(name, input, text):
    if kind_of(input) == COMPLEX:
        raise RuntimeError(text.format(name=name, kind=scalar_name(input.dtype)))


_REAL = "{name} expects a real input tensor, but got {kind}"
_REAL_VALUED = "{name} expects a real-valued input tensor, but got {kind}"
_FLOATING = "Only supports floating-point dtypes, but found: {kind}"


def _one(input, n, dim):
    """The size and dimension of a transform along one dimension."""
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = normalize_dim(dim, input.ndim)
    return (input.shape[dim],) if n is None else _checked((n,)), (dim,)


def _several(input, s, dim):
    """Sizes and dimensions of a transform along several dimensions."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    if dim is None:
        count = input.ndim if s is None else len(s)
        if count > input.ndim:
            raise RuntimeError(
                f"Got shape with {count} values but input tensor only has {input.ndim} dimensions."
            )
        dims = tuple(range(input.ndim - count, input.ndim))
    else:
        if dim and not input.ndim:
            raise IndexError(f"Dimension specified as {dim[0]} but tensor has no dimensions")
        dims = tuple(normalize_dim(d, input.ndim) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    sizes = [-1] * len(dims) if s is None else s
    return tuple(
        input.shape[d] if size == -1 else size for size, d in zip(sizes, dims, strict=True)
    ), dims


def _checked(sizes):
    for size in sizes:
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return sizes


def _needs_dims(name, dims):
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")


def _to_complex(input, plan, norm, back=False):
    """Complex to complex; `back` is the inverse transform."""
    sizes, dims = plan
    if kind_of(input) != COMPLEX:
        input = input + jnp.zeros((), jnp.result_type(input.dtype, jnp.complex64))
    if not dims:
        return input
    return (jnp.fft.ifftn if back else jnp.fft.fftn)(input, _checked(sizes), dims, norm)


def _to_half(name, input, plan, norm):
    """Real to complex: the first half of the last of the dimensions."""
    _needs_dims(name, plan[1])
    return jnp.fft.rfftn(input, _checked(plan[0]), plan[1], norm)


def _to_real(name, input, given, plan, norm):
    """Complex to real, from the first half of the last of the dimensions."""
    sizes, dims = plan
    _needs_dims(name, dims)
    if given is None or given == -1:
        sizes = (*sizes[:-1], 2 * (input.shape[dims[-1]] - 1))
    _checked(sizes)
    if kind_of(input) != COMPLEX:
        input = input.astype(jnp.result_type(input.dtype, jnp.complex64))
    return jnp.fft.irfftn(input, sizes, dims, norm)


def _last(s):
    return s if s is None or isinstance(s, int) else s[-1]


# Along one dimension ------------------------------------------------------------------------------


def _name_of_gradient(input, *rest):
    return "FftC2CBackward0" if input.dtype.kind == "c" else "FftR2CBackward0"


@op(
    export="fft.fft",
    grad=_name_of_gradient,
    autocast={"cpu": "float32"},
    exact_out=complex_out("fft"),
)
def fft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The transform along one dimension: X[k] = Σₙ x[n] exp(-2πi kn / N).

    Example:
        >>> kuai.fft.fft(kuai.tensor([1.0, 2.0]))
        tensor([ 3.+0.j, -1.+0.j])
    """
    input = _prepared(input, norm)
    return _to_complex(input, _one(input, n, dim), norm)


@op(
    export="fft.ifft",
    grad="FftC2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("ifft"),
)
def ifft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The inverse of `fft`.

    Example:
        >>> kuai.fft.ifft(kuai.tensor([3.0, -1.0]))
        tensor([1.+0.j, 2.+0.j])
    """
    input = _prepared(input, norm)
    return _to_complex(input, _one(input, n, dim), norm, back=True)


@op(
    export="fft.rfft",
    grad="FftR2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("rfft"),
)
def rfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The first N // 2 + 1 elements of `fft` of a real signal; the rest are their conjugates.

    Example:
        >>> kuai.fft.rfft(kuai.tensor([1.0, 2.0, 3.0])).shape
        torch.Size([2])
    """
    _refuse_complex("rfft", input, _REAL)
    input = _prepared(input, norm)
    return _to_half("rfft", input, _one(input, n, dim), norm)


@op(
    export="fft.irfft",
    grad="FftC2RBackward0",
    autocast={"cpu": "float32"},
    exact_out=real_out("irfft"),
)
def irfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The inverse of `rfft`; `n` is the length of the real signal, 2 (N - 1) by default.

    Example:
        >>> kuai.fft.irfft(kuai.tensor([3.0, -1.0]))
        tensor([1., 2.])
    """
    input = _prepared(input, norm)
    return _to_real("irfft", input, n, _one(input, n, dim), norm)


@op(
    export="fft.hfft",
    grad="FftC2RBackward0",
    autocast={"cpu": "float32"},
    exact_out=real_out("hfft"),
)
def hfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The real transform of a signal that is given by its first half, `irfft` of the conjugate.

    Example:
        >>> kuai.fft.hfft(kuai.tensor([3.0, -1.0]))
        tensor([2., 4.])
    """
    input = jnp.conj(_prepared(input, norm))
    return _to_real("hfft", input, n, _one(input, n, dim), _OPPOSITE[norm])


@op(
    export="fft.ihfft",
    grad="FftR2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("ihfft"),
)
def ihfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The inverse of `hfft`: the conjugate of `rfft`, divided by N.

    Example:
        >>> kuai.fft.ihfft(kuai.tensor([1.0, 3.0]))
        tensor([ 2.-0.j, -1.-0.j])
    """
    _refuse_complex("ihfft", input, _REAL)
    input = _prepared(input, norm)
    return jnp.conj(_to_half("ihfft", input, _one(input, n, dim), _OPPOSITE[norm]))


# Along several dimensions -------------------------------------------------------------------------


@op(
    export="fft.fftn",
    grad="FftC2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("fftn"),
)
def fftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """`fft` along several dimensions, all of them by default.

    Example:
        >>> kuai.fft.fftn(kuai.eye(2))
        tensor([[2.+0.j, 0.+0.j],
                [0.+0.j, 2.+0.j]])
    """
    input = _prepared(input, norm)
    return _to_complex(input, _several(input, s, dim), norm)


@op(
    export="fft.ifftn",
    grad="FftC2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("ifftn"),
)
def ifftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """The inverse of `fftn`.

    Example:
        >>> kuai.fft.ifftn(2 * kuai.eye(2)).real
        tensor([[1., 0.],
                [0., 1.]])
    """
    input = _prepared(input, norm)
    return _to_complex(input, _several(input, s, dim), norm, back=True)


@op(
    export="fft.rfftn",
    grad="FftR2CBackward0",
    autocast={"cpu": "float32"},
    exact_out=complex_out("rfftn"),
)
def rfftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """`fftn` of a real signal: the first half along the last of the dimensions.

    Example:
        >>> kuai.fft.rfftn(kuai.ones(2, 4)).shape
        torch.Size([2, 3])
    """
    _refuse_complex("rfftn", input, _REAL_VALUED)
    input = _prepared(input, norm)
    return _to_half("rfftn", input, _several(input, s, dim), norm)


@op(
    export="fft.irfftn",
    grad="FftC2RBackward0",
    autocast={"cpu": "float32"},
    exact_out=real_out("irfftn"),
)
def irfftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """The inverse of `rfftn`.

    Example:
        >>> kuai.fft.irfftn(kuai.ones(2, 3)).shape
        torch.Size([2, 4])
    """
    input = _prepared(input, norm)
    return _to_real("irfftn", input, _last(s), _several(input, s, dim), norm)


@op(export="fft.hfftn", grad="FftC2RBackward0", exact_out=real_out("hfftn"))
def hfftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """`hfft` along the last of several dimensions, after `fftn` along the others.

    Example:
        >>> kuai.fft.hfftn(kuai.ones(2, 3)).shape
        torch.Size([2, 4])
    """
    input = jnp.conj(_prepared(input, norm))
    plan = _several(input, s, dim)
    return _to_real("hfftn", input, _last(s), plan, _OPPOSITE[norm])


@op(export="fft.ihfftn", grad="FftC2CBackward0", exact_out=complex_out("ihfftn"))
def ihfftn(
    input: Array,
    s: tuple[int, ...] | None = None,
    dim: tuple[int, ...] | None = None,
    norm: str | None = None,
):
    """The inverse of `hfftn`.

    Example:
        >>> kuai.fft.ihfftn(kuai.ones(2, 4)).shape
        torch.Size([2, 3])
    """
    _refuse_complex("ihfftn", input, _FLOATING)
    input = _prepared(input, norm)
    return jnp.conj(_to_half("ihfftn", input, _several(input, s, dim), _OPPOSITE[norm]))


@composite(export="fft.fft2")
def fft2(input, s=None, dim=(-2, -1), norm=None):
    """`fftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.fft2(kuai.eye(2))
        tensor([[2.+0.j, 0.+0.j],
                [0.+0.j, 2.+0.j]])
    """
    return fftn(input, s, dim, norm)


@composite(export="fft.ifft2")
def ifft2(input, s=None, dim=(-2, -1), norm=None):
    """`ifftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.ifft2(2 * kuai.eye(2)).real
        tensor([[1., 0.],
                [0., 1.]])
    """
    return ifftn(input, s, dim, norm)


@composite(export="fft.rfft2")
def rfft2(input, s=None, dim=(-2, -1), norm=None):
    """`rfftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.rfft2(kuai.ones(2, 4)).shape
        torch.Size([2, 3])
    """
    return rfftn(input, s, dim, norm)


@composite(export="fft.irfft2")
def irfft2(input, s=None, dim=(-2, -1), norm=None):
    """`irfftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.irfft2(kuai.ones(2, 3)).shape
        torch.Size([2, 4])
    """
    return irfftn(input, s, dim, norm)


@composite(export="fft.hfft2")
def hfft2(input, s=None, dim=(-2, -1), norm=None):
    """`hfftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.hfft2(kuai.ones(2, 3)).shape
        torch.Size([2, 4])
    """
    return hfftn(input, s, dim, norm)


@composite(export="fft.ihfft2")
def ihfft2(input, s=None, dim=(-2, -1), norm=None):
    """`ihfftn` along two dimensions, the last ones by default.

    Example:
        >>> kuai.fft.ihfft2(kuai.ones(2, 4)).shape
        torch.Size([2, 3])
    """
    return ihfftn(input, s, dim, norm)


# Frequencies and shifts ---------------------------------------------------------------------------


def _frequencies(name, places, dtype, device, requires_grad):
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    return tensor(places, dtype=kind, device=device, requires_grad=requires_grad)


def _count(n):
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return max(n, 1)


@composite(export="fft.fftfreq")
def fftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of `fft`'s results in cycles per unit, `d` being the distance of samples.

    Example:
        >>> kuai.fft.fftfreq(4)
        tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    places = np.fft.fftfreq(_count(n), d)[:n]
    return _written(out, _frequencies("fftfreq", places, dtype, device, requires_grad))


@composite(export="fft.rfftfreq")
def rfftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of `rfft`'s results.

    Example:
        >>> kuai.fft.rfftfreq(4)
        tensor([0.0000, 0.2500, 0.5000])
    """
    places = np.fft.rfftfreq(_count(n), d)[: n // 2 + 1]
    return _written(out, _frequencies("rfftfreq", places, dtype, device, requires_grad))


def _written(out, made):
    return made if out is None else out.resize_(made.shape).copy_(made)


def _shifted(input, dim, steps):
    ndim = len(input.shape)
    if dim is None or isinstance(dim, int):
        dims = normalize_dims(dim, ndim)
    else:
        dims = [normalize_dim(each, ndim) for each in dim]  # one may come twice
    return roll(input, [steps(input.shape[d]) for d in dims], dims)


@composite(export="fft.fftshift")
def fftshift(input, dim=None):
    """The elements in the order of rising frequencies: 0 comes to the middle.

    Example:
        >>> kuai.fft.fftshift(kuai.fft.fftfreq(4))
        tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return _shifted(input, dim, lambda size: size // 2)


@composite(export="fft.ifftshift")
def ifftshift(input, dim=None):
    """The inverse of `fftshift`.

    Example:
        >>> kuai.fft.ifftshift(kuai.tensor([-0.5, -0.25, 0.0, 0.25]))
        tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _shifted(input, dim, lambda size: (size + 1) // 2)

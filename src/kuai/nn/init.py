"""Initialization: the distributions that weights start from, written into tensors in place.

A layer's fan is how many numbers one unit reads (fan in) or feeds (fan out); Xavier and Kaiming
initialization choose the variance so that signals keep their size through a layer.
"""

import functools
import math
import warnings

import numpy as np

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.late import elsewhere
from kuai.engine.tensor import from_array
from kuai.engine.tensor.modes import no_grad
from kuai.nn.deferred import deferring
from kuai.ops.nn import initial

_LINEAR = ("linear", "sigmoid")
_CONVOLUTIONS = tuple(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))


def calculate_gain(nonlinearity, param=None):
    """How much a nonlinearity shrinks a signal, to be made up for by the weights.

    Example:
        >>> kuai.nn.init.calculate_gain("leaky_relu", 1.0)
        1.0
    """
    if nonlinearity in _LINEAR or nonlinearity in _CONVOLUTIONS:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + _negative_slope(param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _negative_slope(param):
    if param is None:
        return 0.01
    if isinstance(param, bool) or not isinstance(param, (int, float)):
        raise ValueError(f"negative_slope {param} not a valid number")
    return param


# Plain distributions and constants ----------------------------------------------------------------


@deferring
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Fill with numbers drawn uniformly from [a, b).

    Example:
        >>> kuai.nn.init.uniform_(kuai.empty(3)).shape
        torch.Size([3])
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@deferring
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Fill with numbers drawn from a normal distribution.

    Example:
        >>> kuai.nn.init.normal_(kuai.empty(3), std=0.01).shape
        torch.Size([3])
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@deferring
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Fill with numbers drawn from a normal distribution cut off at a and b.

    Example:
        >>> bool((kuai.nn.init.trunc_normal_(kuai.empty(9)).abs() <= 2).all())
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    with no_grad():
        drawn = initial.truncated_normal(tensor, mean, std, a, b, generator=generator)
        return overwrite(tensor, drawn)


@deferring
def constant_(tensor, val):
    """Fill with one number.

    Example:
        >>> kuai.nn.init.constant_(kuai.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    with no_grad():
        return tensor.fill_(val)


@deferring
def ones_(tensor):
    """Fill with ones.

    Example:
        >>> kuai.nn.init.ones_(kuai.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


@deferring
def zeros_(tensor):
    """Fill with zeros.

    Example:
        >>> kuai.nn.init.zeros_(kuai.empty(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


# Structured weights -------------------------------------------------------------------------------


def _write(tensor, values):
    """Write NumPy values into a tensor of any dtype."""
    with no_grad():
        return tensor.copy_(from_array(values, tensor.device))


@deferring
def eye_(tensor):
    """Make a matrix the identity, so that a linear layer passes on its inputs.

    Example:
        >>> kuai.nn.init.eye_(kuai.empty(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _write(tensor, np.eye(*tensor.shape, dtype=np.float32))


@deferring
def dirac_(tensor, groups=1):
    """Make a convolution's weight pass on as many input channels as possible.

    Example:
        >>> kuai.nn.init.dirac_(kuai.empty(1, 1, 3))
        tensor([[[0., 1., 0.]]])
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    channels = tensor.shape[0]
    if channels % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tuple(tensor.shape), np.float32)
    size = channels // groups
    center = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(size, tensor.shape[1])):
            values[(group * size + channel, channel, *center)] = 1
    return _write(tensor, values)


@deferring
def orthogonal_(tensor, gain=1, generator=None):
    """Make a matrix (or the rows of a larger tensor) orthogonal.

    Example:
        >>> w = kuai.nn.init.orthogonal_(kuai.empty(2, 3))
        >>> bool(kuai.allclose(w @ w.T, kuai.eye(2), atol=1e-6))
        True

    Reference: Saxe et al., Exact solutions to the nonlinear dynamics of learning, 2013.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.shape.numel() == 0:
        return tensor
    with no_grad():
        return overwrite(tensor, initial.orthogonal(tensor, gain, generator=generator))


@deferring
def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Fill with normally distributed numbers, a share `sparsity` of each column with zeros.

    Example:
        >>> int((kuai.nn.init.sparse_(kuai.empty(4, 2), 0.5) == 0).sum())
        4

    Reference: Martens, Deep learning via Hessian-free optimization, 2010.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    zeros = math.ceil(sparsity * tensor.shape[0])
    with no_grad():
        return overwrite(tensor, initial.sparse_columns(tensor, zeros, std, generator=generator))


# Variance kept through a layer --------------------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor):
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


@deferring
def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform in [-a, a), a = gain·sqrt(6 / (fan in + fan out)).

    Example:
        >>> bool((kuai.nn.init.xavier_uniform_(kuai.empty(3, 3)).abs() <= 1).all())
        True

    Reference: Glorot, Bengio, Understanding the difficulty of training deep networks, 2010.
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


@deferring
def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with standard deviation gain·sqrt(2 / (fan in + fan out)).

    Example:
        >>> kuai.nn.init.xavier_normal_(kuai.empty(3, 3)).shape
        torch.Size([3, 3])
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor, gain):
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


@deferring
def kaiming_uniform_(
    tensor, a: float = 0, mode="fan_in", nonlinearity="leaky_relu", generator=None
):
    """Uniform in [-b, b), b = gain·sqrt(3 / fan).

    Args:
        a: the negative slope of the leaky rectifier that follows.
        mode: `'fan_in'` keeps the variance forward, `'fan_out'` backward.

    Example:
        >>> bool((kuai.nn.init.kaiming_uniform_(kuai.empty(3, 6)).abs() <= 1).all())
        True

    Reference: He et al., Delving deep into rectifiers, 2015.
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


@deferring
def kaiming_normal_(tensor, a: float = 0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with standard deviation gain / sqrt(fan).

    Example:
        >>> kuai.nn.init.kaiming_normal_(kuai.empty(3, 6), nonlinearity="relu").shape
        torch.Size([3, 6])
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


# Names without underscore -------------------------------------------------------------------------


def _deprecated(function):
    new_name, old_name = function.__name__, function.__name__[:-1]

    @functools.wraps(function)
    def old(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    old.__name__ = old_name
    old.__doc__ = f"Deprecated name of `{new_name}`."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)


# what code copied from PyTorch's calls
_COPIED = "_no_grad_uniform_ _no_grad_normal_ _no_grad_trunc_normal_ _no_grad_fill_ _no_grad_zero_"
__getattr__ = elsewhere(__name__, "kuai.nn.copied_code", _COPIED.split())

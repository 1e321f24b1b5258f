"""Small functions that many distributions share; the names are those of
`torch.distributions.utils`."""

import contextlib
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from kuai.distributions.functions import (
    as_tensor,
    broadcast_tensors,
    rand,
    randn,
    tensor,
)
from kuai.engine.compile import expectations
from kuai.engine.tensor import Tensor, modes, views
from kuai.engine.tensor.calls import recorder
from kuai.engine.tensor.concrete import is_concrete
from kuai.engine.tensor.dtypes import finfo, get_default_dtype, int64 as _INDEX
from kuai.engine.tensor.placeholder import Placeholder
from kuai.engine.tensor.size import Size

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060
_NUMBERS = (int, float, bool)
_T = TypeVar("_T")


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape; numbers take the first tensor's dtype.

    Raises:
        ValueError: one is neither a number nor a tensor.

    Example:
        >>> from kuai.distributions.utils import broadcast_all
        >>> broadcast_all(0.5, kuai.ones(2))
        (tensor([0.5000, 0.5000]), tensor([1., 1.]))
    """
    if not all(isinstance(value, (Tensor, *_NUMBERS)) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, "
            "torch.Tensor or objects implementing __torch_function__."
        )
    first = next((value for value in values if isinstance(value, Tensor)), None)
    options = {"dtype": get_default_dtype()}
    if first is not None:
        options = {"dtype": first.dtype, "device": first.device}
    tensors = [v if isinstance(v, Tensor) else tensor(v, **options) for v in values]
    return tuple(broadcast_tensors(*tensors))


def is_number(value) -> bool:
    """Whether a parameter was given as a plain number."""
    return isinstance(value, _NUMBERS)


def like(value, other):
    """A number or an array as a tensor of another tensor's dtype and device; tensors stay."""
    if isinstance(value, Tensor):
        return value
    return as_tensor(value, dtype=other.dtype, device=other.device)


def _standard_normal(shape, dtype, device):
    return randn(tuple(shape), dtype=dtype, device=device)


def standard_uniform(shape, other):
    """Uniform numbers in [0, 1) of another tensor's dtype and device."""
    return rand(tuple(shape), dtype=other.dtype, device=other.device)


def _sum_rightmost(value, dim):
    """The sum over the last `dim` dimensions."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


def all_rightmost(value, dim):
    """Whether all is true over the last `dim` dimensions."""
    return value.reshape(*value.shape[: value.dim() - dim], -1).all(-1) if dim else value


def may_be_checked() -> bool:
    """Whether values may be looked at: while a program is recorded or traced, that would cut it."""
    return recorder() is None and modes.state.capture is None


def may_be_refused() -> bool:
    """The same, or what is wrong can be said later: `kuai.fused` records a whole program."""
    active = recorder()
    return may_be_checked() or (active is not None and active.eagerly)


def made_at_once(init):
    """A constructor that `kuai.fused` does not record where its arguments are known.

    What is wrong with them is then said at once, as in PyTorch.
    """

    @functools.wraps(init)
    def initialize(self, *args, **kwargs):
        active = recorder()
        known = active is not None and active.eagerly
        if known and all(map(_is_known, args)) and all(map(_is_known, kwargs.values())):
            with modes.outside():
                return init(self, *args, **kwargs)
        return init(self, *args, **kwargs)

    return initialize


def _is_known(argument) -> bool:
    if isinstance(argument, Tensor):
        return not argument.requires_grad and not is_computed_later(argument)
    return argument is None or isinstance(argument, (*_NUMBERS, Size))


def is_computed_later(tensor) -> bool:
    """Whether somebody who records has to compute the values, or may write into their memory."""
    return recorder() is not None and type(tensor._storage.held) is Placeholder


def at_once_if_known(tensor):
    """A context that records nothing, where a value is there or was made of constants only."""
    active = recorder()
    if active is None:
        return contextlib.nullcontext()
    if not is_computed_later(tensor):
        return modes.outside()
    if expectations.has_constants_only(active):
        return modes.unrecorded("a check of constants")
    return contextlib.nullcontext()


def expect(valid, error: Callable[[], Exception]) -> None:
    """Have the recorder raise an error if truth values turn out to say that something is wrong."""
    active = recorder()
    assert active is not None and active.eagerly  # as `may_be_refused` has seen
    truth = views.held(valid.all())
    if type(truth) is Placeholder:
        expectations.expect(active, truth, error)


def is_refused(valid) -> bool:
    """Whether known truth values say that something is wrong."""
    return not is_computed_later(valid) and is_concrete(valid) and not bool(valid.all())


def logits_to_probs(logits, is_binary=False):
    """Probabilities of log odds, or (over the last dimension) of log probabilities."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def clamp_probs(probs):
    """Probabilities kept away from 0 and 1 by the dtype's `eps`.

    Example:
        >>> from kuai.distributions.utils import clamp_probs
        >>> clamp_probs(kuai.tensor([0.0, 0.5, 1.0]))
        tensor([1.1921e-07, 5.0000e-01, 1.0000e+00])
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Log odds of probabilities, or their logarithms."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


def left_to_subclasses(summary: str) -> property:
    """A property that subclasses replace, by one of their own or by an attribute."""

    def missing(self):
        raise NotImplementedError

    return property(missing, doc=summary)


class lazy_property(Generic[_T]):
    """A property that is computed when it is first asked for, and then kept.

    An instance's own attribute goes before it, so a parameter that was given is never computed.
    """

    def __init__(self, wrapped: Callable[[Any], _T]):
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    if TYPE_CHECKING:  # for the interpreter it has none: an instance's attribute takes its place

        def __set__(self, instance: Any, value: _T) -> None: ...

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> _T: ...
    def __get__(self, instance, owner=None) -> Any:
        if instance is None:
            return self
        with modes.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value


def _places(size, diag):
    """The positions, row by row, of a matrix's elements on and below a diagonal."""
    return [
        row * size + column
        for row in range(size)
        for column in range(max(min(row + diag + 1, size), 0))
    ]


def tril_matrix_to_vec(mat, diag=0):
    """The lower triangle of matrices, row by row, as vectors.

    Example:
        >>> from kuai.distributions.utils import tril_matrix_to_vec
        >>> tril_matrix_to_vec(kuai.tensor([[1.0, 0.0], [2.0, 3.0]]))
        tensor([1., 2., 3.])
    """
    size = mat.shape[-1]
    if diag < -size or diag >= size:
        raise ValueError(f"diag ({diag}) provided is outside [{-size}, {size - 1}].")
    flat = mat.reshape(*mat.shape[:-2], size * size)
    return flat.index_select(-1, tensor(_places(size, diag), device=mat.device, dtype=_INDEX))


def vec_to_tril_matrix(vec, diag=0):
    """Vectors as lower triangular matrices, filled row by row.

    Raises:
        ValueError: no triangle has so many elements.
    """
    length = vec.shape[-1]
    root = ((1 + 2 * diag) ** 2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5
    exact = (root - (1 + 2 * diag)) / 2
    size = round(exact)
    if abs(size - exact) > finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    places = tensor(_places(size, diag), device=vec.device, dtype=_INDEX)
    flat = vec.new_zeros(*vec.shape[:-1], size * size).index_copy(-1, places, vec)
    return flat.reshape(*vec.shape[:-1], size, size)


def multivariate_lgamma(input, p):
    """log Γₚ(x) = p(p-1)/4 log π + Σⱼ log Γ(x - j/2), j = 0, …, p-1."""
    return _shifted(input, p).lgamma().sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


def multivariate_digamma(input, p):
    """The derivative of `multivariate_lgamma`."""
    return _shifted(input, p).digamma().sum(-1)


def _shifted(input, p):
    halves = tensor([j / 2 for j in range(p)], dtype=input.dtype, device=input.device)
    return input.unsqueeze(-1) - halves

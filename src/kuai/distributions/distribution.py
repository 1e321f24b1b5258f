"""Distribution: what all distributions have in common.

A distribution holds its parameters as tensors that begin with the batch dimensions. Because that
holds for every attribute that is a tensor or a distribution, `expand` is written once, here, and
not in every class.

    sample_shape + batch_shape + event_shape        the shape of a sample
    sample_shape + batch_shape                      the shape of its log probability
"""

import warnings
from collections.abc import Sequence

from kuai.distributions.constraints import is_dependent
from kuai.distributions.functions import arange
from kuai.distributions.utils import (
    at_once_if_known,
    expect,
    is_computed_later,
    is_refused,
    lazy_property,
    left_to_subclasses,
    made_at_once,
    may_be_refused,
)
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.size import Size

__all__ = ["Distribution"]


class Distribution:
    """The base of all distributions.

    Args:
        batch_shape: the shape of the parameters, each of which stands for one distribution.
        event_shape: the shape of a sample of one distribution.
        validate_args: whether parameters and values are checked; default: yes, unless Python runs
            with `-O` or `set_default_validate_args(False)` was called. In compiled functions
            nothing is checked: looking at values would cut the program in two. Under `kuai.fused`
            what is computed is refused when the next value is asked for.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    #: attributes that are the same for all batches and are not expanded
    _shared = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = made_at_once(cls.__init__)

    @staticmethod
    def set_default_validate_args(value):
        """Switch the checks of parameters and values on or off, for all distributions."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = Size(),
        event_shape: Sequence[int] = Size(),
        validate_args: bool | None = None,
    ):
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and may_be_refused():
            self._check_parameters()
        super().__init__()

    def _check_parameters(self):
        for name, constraint in self._known_constraints().items():
            is_computed = isinstance(getattr(type(self), name, None), lazy_property)
            if is_dependent(constraint) or (is_computed and name not in self.__dict__):
                continue
            value = getattr(self, name)
            what = (
                f"Expected parameter {name} "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                "of distribution {} "
                f"to satisfy the constraint {constraint!r}, but found invalid values:"
            )
            self._refuse_unless(constraint, value, what)

    def _refuse_unless(self, constraint, value, what):
        """A ValueError if a value is not within a constraint: now, or once its values are there."""
        with modes.no_grad(), at_once_if_known(value):
            valid = constraint.check(value)
            wrong = is_refused(valid)
        if wrong:
            raise ValueError(f"{what.format(repr(self))}\n{value}")
        if is_computed_later(valid):
            expect(valid, lambda: ValueError(f"{what.format(repr(self))}\n{value}"))

    def _known_constraints(self):
        try:
            return self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. "
                "Please set `arg_constraints = {}` or initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return {}

    # Shapes ---------------------------------------------------------------------------------------

    @property
    def batch_shape(self):
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one sample."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Sequence[int] = Size()):
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def expand(self, batch_shape, _instance=None):
        """The same distribution with another batch shape, which the old one broadcasts to.

        Example:
            >>> kuai.distributions.Normal(kuai.zeros(1), 1.0).expand((2, 3)).batch_shape
            torch.Size([2, 3])
        """
        new = self._to_fill(_instance)
        batch_shape = Size(batch_shape)
        for name, value in self.__dict__.items():
            if name not in new.__dict__:
                new.__dict__[name] = self._expanded(name, value, batch_shape)
        new._batch_shape, new._event_shape = batch_shape, self._event_shape
        return new

    def _expanded(self, name, value, batch_shape):
        if name in self._shared:
            return value
        if isinstance(value, Tensor):
            return value.expand(batch_shape + value.shape[len(self._batch_shape) :])
        if isinstance(value, Distribution):
            return value.expand(batch_shape + value.batch_shape[len(self._batch_shape) :])
        return value

    def _to_fill(self, _instance):
        """The instance that `expand` fills: a new one, or that of a subclass."""
        ours = next(c for c in type(self).__mro__ if c.__module__.startswith(f"{__package__}."))
        return self._get_checked_instance(ours, _instance)

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom "
                "__init__ method must also define a custom .expand() method."
            )
        return self.__new__(type(self))

    # What subclasses say --------------------------------------------------------------------------

    arg_constraints = left_to_subclasses(
        "The constraint of each parameter that is a tensor, by its name."
    )
    support = left_to_subclasses("The constraint that samples satisfy.")
    mean = left_to_subclasses("The mean.")
    variance = left_to_subclasses("The variance.")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = Size()) -> Tensor:
        """Random numbers that no gradient flows through."""
        with modes.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = Size()) -> Tensor:
        """Random numbers that are differentiable functions of the parameters."""
        raise NotImplementedError

    def sample_n(self, n) -> Tensor:
        """`sample((n,))`, as it was once called."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(Size((n,)))

    def log_prob(self, value) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError

    def cdf(self, value) -> Tensor:
        """The probability of a sample of at most `value`."""
        raise NotImplementedError

    def icdf(self, value) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand=True) -> Tensor:
        """All values of a discrete distribution, along a new first dimension.

        Args:
            expand: whether the values are repeated for every batch.
        """
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    # For subclasses -------------------------------------------------------------------------------

    def _enumerated(self, count, expand, dtype, device):
        """The numbers from 0 to count - 1, as `enumerate_support` gives them."""
        values = arange(count, dtype=dtype, device=device)
        values = values.reshape(-1, *(1,) * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    def _validate_sample(self, value):
        """Refuse a value that no sample can be."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        self._check_shape(value.shape)
        if may_be_refused():
            self._check_support(value)

    def _check_shape(self, shape):
        start = len(shape) - len(self._event_shape)
        if shape[max(start, 0) :] != self._event_shape or start < 0:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{shape} vs {self._event_shape}."
            )
        expected = self._batch_shape + self._event_shape
        pairs = zip(reversed(shape), reversed(expected), strict=False)
        if any(1 not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(
                f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}."
            )

    def _check_support(self, value):
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable "
                "sample validation. Please initialize the distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        what = (
            "Expected value argument "
            f"({type(value).__name__} of shape {tuple(value.shape)}) "
            f"to be within the support ({support!r}) of the distribution "
            "{}, but found invalid values:"
        )
        self._refuse_unless(support, value, what)

    def __repr__(self):
        given = {n: self.__dict__[n] for n in self.arg_constraints if n in self.__dict__}
        texts = [f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in given.items()]
        return f"{self.__class__.__name__}({', '.join(texts)})"

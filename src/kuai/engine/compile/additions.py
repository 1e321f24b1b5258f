"""What is put into compiled programs besides the operations that were traced.

Nothing, unless a library for the machine at hand knows better than XLA and says so (see
`ops.native.additions`).
"""

from collections.abc import Callable

from kuai.engine.compile.binding import bound

__all__ = ["Additions", "Deferred", "additions", "use"]


class Deferred:
    """An array (N, *sizes, C) that is not computed yet: what follows may be computed with it.

    Each of the methods, but for `array`, gives what is deferred after one more operation, or None
    where that has to be an operation of its own.
    """

    #: Of the array.
    shape: tuple[int, ...] = ()
    #: Whether the array is written down by what computes it, whoever reads it.
    is_written = False

    def array(self):
        """The array, computed once."""
        raise NotImplementedError

    def scaled(self, factors) -> "Deferred | None":
        """Times a number for each channel, (C,)."""
        return None

    def shifted(self, numbers) -> "Deferred | None":
        """Plus a number for each channel, (C,)."""
        return None

    def added(self, other) -> "Deferred | None":
        """Plus the array that a function gives, of the same shape."""
        return None

    def clamped(self, least=None, most=None) -> "Deferred | None":
        """At least one number, or at most one."""
        return None


class Additions:
    """No additions; the base of those that are some."""

    #: Names of primitives that read and write arrays (N, *sizes, C); see `layouts`.
    channels_last: frozenset[str] = frozenset()

    def computes(self, equation) -> bool:
        """Whether something other than its primitive computes an equation."""
        return False

    def results(self, equation, arrays) -> list:
        """The results of an equation."""
        return bound(equation, arrays)

    def deferring(self) -> "Callable[..., Deferred | None]":
        """For one program, a function of an equation that gives its result as `Deferred`, or None.

        Its arguments are the equation and the arrays that it reads.
        """
        return lambda equation, arrays: None

    def kept(self, equations) -> frozenset:
        """The variables whose values are kept."""
        return frozenset()

    def keep(self, array):
        """A traced array (N, *sizes, C) that is written down, whoever reads it."""
        return array


_used = [Additions()]


def additions() -> Additions:
    """The additions in use."""
    return _used[-1]


def use(added: Additions) -> None:
    """Use these additions from now on."""
    _used.append(added)

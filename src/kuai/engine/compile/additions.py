"""What is put into compiled programs besides the operations that were traced.

Nothing, unless a library for the machine at hand knows better than XLA and says so (see
`ops.native.additions`).
"""

from kuai.engine.compile.binding import bound

__all__ = ["Additions", "additions", "use"]


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

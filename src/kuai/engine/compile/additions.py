"""What is put into compiled programs besides the operations that were traced.

Nothing, unless a library for the machine at hand knows better than XLA and says so (see
`ops.native.memory`).
"""

__all__ = ["Additions", "additions", "use"]


class Additions:
    """No additions; the base of those that are some."""

    def begin(self, arrays, largest: int):
        """Begin a program that needs much memory; the traced inputs to go on with.

        `largest` is the size in bytes of the largest result.
        """
        return arrays

    def kept(self, equations) -> dict:
        """By variable, a function to call with its traced value, which gives the one to use."""
        return {}


_used = [Additions()]


def additions() -> Additions:
    """The additions in use."""
    return _used[-1]


def use(added: Additions) -> None:
    """Use these additions from now on."""
    _used.append(added)

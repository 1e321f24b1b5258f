"""Questions about sizes that may be unknown in PyTorch; here they are numbers."""

from kuai.standin.refusing import refused_class
from kuai.symbolic import SymBool, SymFloat, SymInt

__all__ = [
    "GuardOnDataDependentSymNode",
    "ShapeEnv",
    "SymBool",
    "SymFloat",
    "SymInt",
    "free_symbols",
    "free_unbacked_symbols",
    "guard_or_false",
    "guard_or_true",
    "guard_size_oblivious",
    "is_concrete_bool",
    "is_concrete_int",
    "statically_known_true",
]


def guard_or_false(a):
    """The truth of a condition on sizes, which is known.

    Example:
        >>> from kuai.fx.experimental.symbolic_shapes import guard_or_false
        >>> guard_or_false(2 > 1)
        True
    """
    return bool(a)


guard_or_true = guard_size_oblivious = statically_known_true = guard_or_false


class GuardOnDataDependentSymNode(RuntimeError):
    """An error about an unknown size in PyTorch; never raised here."""


def free_symbols(val) -> set:
    """The unknown sizes in something: none."""
    return set()


free_unbacked_symbols = free_symbols


def is_concrete_int(a) -> bool:
    """Whether a size is known: yes."""
    return True


is_concrete_bool = is_concrete_int
ShapeEnv = refused_class(
    "torch.fx.experimental.symbolic_shapes.ShapeEnv", "all sizes are known", "Leave it out"
)

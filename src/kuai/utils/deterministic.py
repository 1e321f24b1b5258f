"""`kuai.utils.deterministic`: whether memory without values is filled."""

__all__ = ["fill_uninitialized_memory"]

#: Memory never is without values here: `kuai.empty` gives zeros.
fill_uninitialized_memory: bool = True

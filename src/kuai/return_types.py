"""`kuai.return_types`: the named tuples that operations with several results give."""

from kuai.ops import return_types as _types

__all__ = [name for name in vars(_types) if not name.startswith("_")]

globals().update({name: getattr(_types, name) for name in __all__})

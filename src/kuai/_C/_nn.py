"""`kuai._C._nn`: what `Module.to` has been asked for."""

from kuai.nn.base.conversion import parse_to as _parse_to

__all__ = []
_parse_to = _parse_to

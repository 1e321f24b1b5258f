"""`kuai.backends.mha`: a switch for PyTorch's fast path of attention; XLA needs none."""

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

_chosen = [True]


def get_fastpath_enabled() -> bool:
    """The choice that was noted."""
    return _chosen[0]


def set_fastpath_enabled(value: bool) -> None:
    """Note the choice; results are the same either way."""
    _chosen[0] = value

"""Whether sparse tensors are looked at when they are made."""

__all__ = ["check_sparse_tensor_invariants", "wants_checks"]


class check_sparse_tensor_invariants:
    """Whether the places of sparse tensors are checked when these are made; a context, too.

    Example:
        >>> with kuai.sparse.check_sparse_tensor_invariants():
        ...     kuai.sparse_coo_tensor([[2]], [1.0], (2,))
        Traceback (most recent call last):
        ...
        RuntimeError: size is inconsistent with indices: for dim 0, size is 2 but found index 2
    """

    _is_on = False

    def __init__(self, enable: bool = True):
        self.state, self.saved_state = enable, None

    @staticmethod
    def is_enabled() -> bool:
        """Whether every sparse tensor is checked."""
        return check_sparse_tensor_invariants._is_on

    @staticmethod
    def enable() -> None:
        """Check every sparse tensor from now on."""
        check_sparse_tensor_invariants._is_on = True

    @staticmethod
    def disable() -> None:
        """Leave it to who makes one."""
        check_sparse_tensor_invariants._is_on = False

    def __enter__(self):
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context "
                "manager instance for context nesting."
            )
        self.saved_state = self.is_enabled()
        check_sparse_tensor_invariants._is_on = self.state

    def __exit__(self, *_):
        check_sparse_tensor_invariants._is_on = bool(self.saved_state)
        self.saved_state = None

    def __call__(self, function):
        def called(*args, **kwargs):
            with type(self)(self.state):
                return function(*args, **kwargs)

        return called


def wants_checks(asked: bool | None) -> bool:
    """Whether a tensor is to be checked: as its maker says, or as all are."""
    return check_sparse_tensor_invariants._is_on if asked is None else bool(asked)

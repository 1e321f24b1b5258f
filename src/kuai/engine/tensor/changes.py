"""How often Python state of modules and tensors was changed through Kuai.

Every setter Kuai owns (a module's attribute or hook, a tensor's `requires_grad`) counts up, so that
what was worked out from that state (see `nn.base.pytrees`) is looked at again only when the count
has moved.
"""

__all__ = ["counter", "touch"]


class _Counter:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


counter = _Counter()


def touch() -> None:
    """Note that the state of a module or a tensor has changed."""
    counter.count += 1

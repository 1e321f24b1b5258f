"""How often Python state that compiled programs may depend on was changed through Kuai.

Every setter Kuai owns (a module's attribute or hook, a tensor's `requires_grad`) counts up; a
program compares what it depended on only when the count has moved.
"""

__all__ = ["counter", "touch"]


class _Counter:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


counter = _Counter()


def touch() -> None:
    """Note that Python state which a compiled program may depend on has changed."""
    counter.count += 1

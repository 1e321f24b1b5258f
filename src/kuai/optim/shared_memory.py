"""Parameters that share memory: `b.data = a.data[:2]`, with both in one optimizer.

PyTorch changes one parameter after the other, so each update is computed of what the last one has
left in the memory that both have. One program that computes all of them at once would keep only the
last one; such parameters come in rounds, one after the other.
"""

from collections.abc import Iterable

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.layouts import layout_of

__all__ = ["rounds", "share_memory"]


def share_memory(params: Iterable[Tensor]) -> bool:
    """Whether several tensors may have elements in the same memory."""
    storages = [param._storage for param in params]
    return len(set(map(id, storages))) < len(storages)


def rounds(params: Iterable[Tensor]) -> list[list[int]]:
    """The numbers of tensors in rounds: no two of one share memory, and the order stays.

    Example:
        >>> a = kuai.zeros(4)
        >>> rounds([a[:2], a[1:], a[2:]])
        [[0], [1], [2]]
        >>> rounds([a[:2], a[2:]])
        [[0, 1]]
    """
    found: list[list[int]] = []
    placed: dict[int, list] = {}  # id of a storage -> (first element, last element, round)
    for number, param in enumerate(params):
        first, last = _span(param)
        before = placed.setdefault(id(param._storage), [])
        later = [n + 1 for start, end, n in before if start <= last and first <= end]
        turn = max(later, default=0)
        before.append((first, last, turn))
        if turn == len(found):
            found.append([])
        found[turn].append(number)
    return found


def _span(tensor: Tensor) -> tuple[int, int]:
    """The first and the last place that a tensor has in its storage."""
    shape, strides, offset = layout_of(tensor)
    reach = [stride * (size - 1) for size, stride in zip(shape, strides, strict=True)]
    return offset, offset + sum(reach)

"""The bounded store of compiled programs.

It knows functions and how many programs each has. Where there are too many, those functions forget
theirs that have not got a new one for longest.
"""

import collections
import weakref

__all__ = ["used"]

_MOST = 1024  # programs
_kept: collections.OrderedDict[int, tuple] = collections.OrderedDict()


def used(tiered) -> None:
    """Note that a function has one more program, and have others forget theirs."""
    key = id(tiered)
    known = _kept.pop(key, None)
    count = 1 if known is None else known[1] + 1
    reference = weakref.ref(tiered, lambda _: _kept.pop(key, None)) if known is None else known[0]
    _kept[key] = reference, count
    # a copy each time: other threads, and whatever garbage goes meanwhile, change what is kept
    while sum(n for _, n in list(_kept.values())) > _MOST and len(_kept) > 1:
        _, (reference, _) = _kept.popitem(last=False)
        oldest = reference()
        if oldest is not None:
            oldest.forget()

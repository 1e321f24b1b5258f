"""Who is asked where a tensor lies when it is saved, and to move it there when it is loaded.

`kuai.serialization.register_package` puts functions here. Until then nobody is asked.
"""

from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor

__all__ = ["restored", "taggers_and_restorers", "tagged"]

#: (priority, gives the tag of a tensor or None, gives a tensor for a tensor and a tag or None), the
#: lowest priority first. The priority of the CPU is 10, that of GPUs 20.
taggers_and_restorers: list[tuple[int, Callable[[Tensor], Any], Callable[[Tensor, str], Any]]] = []


def tagged(tensor: Tensor, own: str) -> str:
    """The tag that stands in a file for where a tensor lies."""
    for priority, tag, _ in taggers_and_restorers:
        if priority > _priority(own):
            break
        if found := tag(tensor):
            return found
    return own


def restored(tensor: Tensor, location: str) -> Tensor | None:
    """The tensor where a tag says, or None if nobody knows better than Kuai."""
    for priority, _, restore in taggers_and_restorers:
        if priority > _priority(location):
            break
        made = restore(tensor, location)
        if made is not None:
            return made
    return None


def _priority(location: str) -> float:
    return {"cpu": 10, "cuda": 20}.get(location.partition(":")[0], float("inf"))

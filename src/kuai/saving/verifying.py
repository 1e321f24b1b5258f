"""Comparing all tensors of a file with their checksums.

PyTorch's files have one for each storage, those of a `Checkpointer` one for each tensor and one
for the header. Other safetensors files have none: of them it is known only that they are whole.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from kuai.errors import BrokenFileError
from kuai.saving.listing import quoted, walk
from kuai.saving.outlines import Outline, open_outlines

__all__ = ["Verified", "verify"]


class Verified(NamedTuple):
    """How many tensors have their checksum, and how many have none in the file."""

    intact: int
    unknown: int


def verify(path: str | os.PathLike) -> Verified:
    """Read all tensors of a file and compare them with their checksums.

    Raises:
        BrokenFileError: naming those that have been changed.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/x-file"
        >>> kuai.save({"w": kuai.ones(2)}, path)
        >>> verify(path)
        Verified(intact=1, unknown=0)
    """
    with open_outlines(path) as found:
        outlines = [(n, value) for n, value in walk(found.tree) if isinstance(value, Outline)]
        storages = {outline.storage: outline.bytes for _, outline in outlines}
        answers = {storage: content.is_intact() for storage, content in storages.items()}
    states = [answers[outline.storage] for _, outline in outlines]
    broken = [name for (name, _), state in zip(outlines, states, strict=True) if state is False]
    if broken:
        have = "does not have its checksum" if len(broken) == 1 else "do not have their checksums"
        raise BrokenFileError(f"{os.fspath(path)} has been changed: {quoted(broken)} {have}")
    return Verified(states.count(True), states.count(None))

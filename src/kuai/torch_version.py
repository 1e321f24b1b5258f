"""`kuai.torch_version`: a version that compares with strings and tuples as versions do."""

import re
from typing import Any

__all__ = ["TorchVersion"]


class TorchVersion(str):
    """A version as text that compares by its numbers.

    Example:
        >>> version = kuai.torch_version.TorchVersion("2.13.0")
        >>> version > "2.9", version >= (2, 13), version == "2.13"
        (True, True, True)
    """

    __slots__ = ()

    def _compare(self, other: Any) -> int:
        mine, theirs = _numbers(self), _numbers(other)
        length = max(len(mine), len(theirs))
        mine, theirs = (v + (0,) * (length - len(v)) for v in (mine, theirs))
        return (mine > theirs) - (mine < theirs)

    def __lt__(self, other: Any) -> bool:
        return self._compare(other) < 0

    def __le__(self, other: Any) -> bool:
        return self._compare(other) <= 0

    def __gt__(self, other: Any) -> bool:
        return self._compare(other) > 0

    def __ge__(self, other: Any) -> bool:
        return self._compare(other) >= 0

    def __eq__(self, other: Any) -> bool:
        if not re.match(r"v?\d", ".".join(map(str, other)) if _is_row(other) else str(other)):
            return False
        return self._compare(other) == 0

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _is_row(version: Any) -> bool:
    return isinstance(version, (tuple, list))


def _numbers(version: Any) -> tuple[int, ...]:
    """The numbers of a release; what comes after them, such as `+cpu`, does not count."""
    if _is_row(version):
        return tuple(int(part) for part in version)
    found = re.match(r"v?(\d+(?:\.\d+)*)", str(version))
    if found is None:
        raise ValueError(f"Invalid version: {version!r}")
    return tuple(map(int, found[1].split(".")))

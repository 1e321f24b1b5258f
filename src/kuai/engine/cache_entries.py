"""Entries of JAX's on-disk compilation cache, which several processes read and write at once.

JAX writes an entry in place, so another process that starts meanwhile may read the half of it; and
it complains of an entry that it cannot read, but leaves it there for every start to come. Here an
entry appears under its name when it is whole, and one that cannot be read is thrown away.
"""

import functools
import os
import pathlib
import tempfile
from typing import Any

try:
    from jax._src import compilation_cache
except ImportError:  # JAX promises nothing about it
    compilation_cache = None

__all__ = ["keep_entries_whole"]


def keep_entries_whole(folder: pathlib.Path) -> None:
    """Have JAX write whole entries into its cache, and throw away those that it cannot read."""
    module: Any = compilation_cache
    if hasattr(module, "LRUCache"):
        module.LRUCache = _with_whole_entries(module.LRUCache)
    if hasattr(module, "get_executable_and_time"):
        module.get_executable_and_time = _throwing_away(module.get_executable_and_time, folder)


def _with_whole_entries(cache: type) -> type:
    class WholeEntries(cache):
        """A cache that writes an entry under another name first."""

        def put(self, key: str, value: bytes) -> None:
            entry = pathlib.Path(self.path) / f"{key}-cache"
            if self.eviction_enabled:  # JAX locks the folder then
                super().put(key, value)
            elif not entry.exists():
                _write_whole(entry, value)

    return WholeEntries


def _write_whole(path: pathlib.Path, value: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with open(handle, "wb") as file:
            file.write(value)
        os.replace(name, path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


def _throwing_away(read, folder: pathlib.Path):
    @functools.wraps(read)
    def get_executable_and_time(key: str, *others: Any) -> Any:
        try:
            return read(key, *others)
        except BaseException:
            (folder / f"{key}-cache").unlink(missing_ok=True)
            raise

    return get_executable_and_time

"""Stores: what the processes of a group tell each other, by name. Here it is one process."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any

from kuai.errors import UnavailableError

__all__ = [
    "DistBackendError",
    "DistError",
    "DistNetworkError",
    "DistStoreError",
    "FileStore",
    "HashStore",
    "PrefixStore",
    "Store",
    "TCPStore",
]

_PATIENCE = datetime.timedelta(seconds=300)


class DistError(RuntimeError):
    """What goes wrong between processes."""


class DistBackendError(DistError):
    """What goes wrong in the library that processes exchange tensors by."""


class DistNetworkError(DistError):
    """What goes wrong on the way between them."""


class DistStoreError(DistError):
    """What is asked for is not there in time."""


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """Values by name, which may be waited for."""

    def __init__(self) -> None:
        self._values: Any = {}
        self._changed = threading.Condition()
        self.timeout = _PATIENCE

    def set(self, key: str, value: Any) -> None:
        """Put a value."""
        with self._changed:
            self._values[key] = _bytes(value)
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        """A value; it is waited for."""
        self.wait([key])
        return self._values[key]

    def add(self, key: str, value: int) -> int:
        """Add to a number, and give the sum."""
        with self._changed:
            total = int(self._values.get(key, b"0")) + value
            self.set(key, str(total))
        return total

    def append(self, key: str, value: Any) -> None:
        """Put something at the end of a value."""
        with self._changed:
            self.set(key, self._values.get(key, b"") + _bytes(value))

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Replace a value if it is the expected one, and give what is there then."""
        with self._changed:
            if key not in self._values:
                return _bytes(expected_value)
            if self._values[key] == _bytes(expected_value):
                self.set(key, desired_value)
            return self._values[key]

    def check(self, keys: list[str]) -> bool:
        """Whether there are values of all these names."""
        return all(key in self._values for key in keys)

    def wait(self, keys: list[str], timeout: datetime.timedelta | None = None) -> None:
        """Wait until there are values of all these names."""
        patience = (self.timeout if timeout is None else timeout).total_seconds()
        until = time.monotonic() + patience
        with self._changed:
            while not self.check(keys):
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise DistStoreError("Wait timeout")

    def delete_key(self, key: str) -> bool:
        """Take a value away; whether it was there."""
        with self._changed:
            return self._values.pop(key, None) is not None

    def num_keys(self) -> int:
        """How many values there are."""
        return len(self._values)

    def list_keys(self) -> list[str]:
        """Their names."""
        return list(self._values)

    def multi_get(self, keys: list[str]) -> list[bytes]:
        """Several values."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys: list[str], values: list[Any]) -> None:
        """Put several values."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def has_extended_api(self) -> bool:
        """Whether there are `append`, `multi_get` and `multi_set`."""
        return True

    def set_timeout(self, timeout: datetime.timedelta) -> None:
        """Say how long values are waited for."""
        self.timeout = timeout


class HashStore(Store):
    """A store in this process's memory.

    Example:
        >>> store = kuai.distributed.HashStore()
        >>> store.set("name", "value")
        >>> store.get("name"), store.add("count", 2), store.add("count", 1)
        (b'value', 2, 3)
    """


class FileStore(Store):
    """A store of one process; the file stays as it is, for nobody else reads it."""

    def __init__(self, file_name: str, world_size: int = -1):
        super().__init__()
        _alone(world_size)
        self.path = file_name


class TCPStore(Store):
    """A store of one process, which listens to nobody."""

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: datetime.timedelta = _PATIENCE,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ):
        super().__init__()
        _alone(world_size)
        if not is_master:
            raise UnavailableError(
                "TCPStore of another process",
                "Kuai's processes do not exchange tensors",
                "Run one process, which is the master",
            )
        self.host, self.port, self.timeout = host_name, port, timeout


def _alone(world_size: int | None) -> None:
    if world_size is not None and world_size > 1:
        raise UnavailableError(
            f"a store of {world_size} processes",
            "Kuai's processes do not exchange tensors",
            "Run one process; XLA divides the work of one program between several devices",
        )


class PrefixStore(Store):
    """A part of another store: all names begin with `prefix/` there."""

    def __init__(self, prefix: str, store: Store):
        super().__init__()
        self.prefix, self.underlying_store = prefix, store
        self._values = _Prefixed(f"{prefix}/", store._values)
        self._changed, self.timeout = store._changed, store.timeout


class _Prefixed(dict):
    """What a part of a store sees of its values."""

    def __init__(self, prefix: str, values: dict[str, bytes]):
        super().__init__()
        self.start, self.values_ = prefix, values

    def __getitem__(self, key: str) -> bytes:
        return self.values_[self.start + key]

    def __setitem__(self, key: str, value: bytes) -> None:
        self.values_[self.start + key] = value

    def __contains__(self, key: object) -> bool:
        return f"{self.start}{key}" in self.values_

    def get(self, key: str, default: Any = None) -> Any:
        return self.values_.get(self.start + key, default)

    def pop(self, key: str, default: Any = None) -> Any:
        return self.values_.pop(self.start + key, default)

    def __len__(self) -> int:
        return len(self.values_)

    def __iter__(self):
        return iter(self.values_)

"""`kuai.futures`: results that come later, and what is done when they are there."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A result that comes later.

    Args:
        devices: accepted; there is one order of work on a device, so nothing is waited for.

    Example:
        >>> future = kuai.futures.Future()
        >>> doubled = future.then(lambda done: done.value() * 2)
        >>> future.set_result(kuai.ones(1))
        >>> doubled.wait()
        tensor([2.])
    """

    def __init__(self, *, devices=None):
        self._future: concurrent.futures.Future = concurrent.futures.Future()

    def __class_getitem__(cls, item):
        return cls

    def done(self) -> bool:
        """Whether the result, or an error, is there."""
        return self._future.done()

    def wait(self) -> Any:
        """The result, as soon as it is there; its error is raised."""
        return self._future.result()

    def value(self) -> Any:
        """The result, which has to be there."""
        if not self.done():
            raise RuntimeError("value() can only be called after the future is completed.")
        return self._future.result()

    def set_result(self, result: Any) -> None:
        """Give the result; what waits for it goes on.

        Raises:
            RuntimeError: there is one already.
        """
        self._once()
        self._future.set_result(result)

    def set_exception(self, result: BaseException) -> None:
        """Give an error, which whoever asks for the result gets."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._once()
        self._future.set_exception(result)

    def then(self, callback: Callable[["Future"], Any]) -> "Future":
        """What `callback` makes of this future once it is done, as another one."""
        following = Future()

        def go_on(_):
            try:
                following.set_result(callback(self))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is that future's result
                following.set_exception(error)

        self._future.add_done_callback(go_on)
        return following

    def add_done_callback(self, callback: Callable[["Future"], Any]) -> None:
        """Call `callback` with this future once it is done."""
        self._future.add_done_callback(lambda _: callback(self))

    def _once(self):
        if self.done():
            raise RuntimeError(
                "Attempting to mark a completed Future as complete again. Note that a Future can "
                "only be marked completed once."
            )


def collect_all(futures: list[Future]) -> Future:
    """A future of the futures, done when all of them are.

    Example:
        >>> one = kuai.futures.Future()
        >>> both = kuai.futures.collect_all([one, one])
        >>> one.set_result(1)
        >>> [each.value() for each in both.wait()]
        [1, 1]
    """
    together, left = Future(), [len(futures)]

    def note(_):
        left[0] -= 1
        if left[0] == 0:
            together.set_result(futures)

    if not futures:
        together.set_result(futures)
    for future in futures:
        future.add_done_callback(note)
    return together


def wait_all(futures: list[Future]) -> list:
    """The results of futures, when all are there.

    Example:
        >>> future = kuai.futures.Future()
        >>> future.set_result(3)
        >>> kuai.futures.wait_all([future])
        [3]
    """
    return [future.wait() for future in collect_all(futures).wait()]

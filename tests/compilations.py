"""Counts what XLA compiles, by listening to the events that JAX reports about itself."""

import contextlib
from collections.abc import Iterator

import jax

_recorders: list[list[str]] = []


def _record(event: str, duration: float, **details: object) -> None:
    # The same event is reported for a program that comes out of the on-disk cache: it, too,
    # means that JAX did not know the program yet.
    if event.endswith("backend_compile_duration"):
        for recorder in _recorders:
            recorder.append(str(details.get("fun_name", "a program")))


# JAX has no public way to take a listener away again, so there is one for the whole process.
jax.monitoring.register_event_duration_secs_listener(_record)


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the programs compiled inside the block.

    >>> import jax.numpy as jnp
    >>> double = jax.jit(lambda x: 2 * x)
    >>> x = jnp.ones(3)
    >>> with compilations() as first:
    ...     y = double(x)
    >>> with compilations() as second:
    ...     y = double(x)
    >>> len(first), len(second)
    (1, 0)
    """
    recorder: list[str] = []
    _recorders.append(recorder)
    try:
        yield recorder
    finally:
        _recorders.remove(recorder)

"""kuai.profile: a trace of what ran when, with the names of the blocks in it."""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax

from kuai.nn.watching import events
from kuai.nn.watching.debugging import followed
from kuai.nn.watching.trace_names import name_events

__all__ = ["profile", "record_function"]


class profile:
    """Write a profile of the code inside to a folder; a context manager.

    The trace opens at https://ui.perfetto.dev and, with its plug-in for profiles, in TensorBoard
    (`tensorboard --logdir FOLDER`). Calls of blocks stand in it by name, and what XLA ran inside a
    compiled function by the block it came from: `jit(step)/Net/fc1(Linear)/…`, and for the backward
    pass `jit(step)/Net/fc1(Linear)/backward/…`. A program from the cache on disk has the names
    that it was compiled with; `KUAI_CACHE=0` makes it anew.

    Args:
        folder: where to write; made if it does not exist.
        quiet: do not print where the file lies; it is in `.file` as well.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with kuai.profile(folder, quiet=True) as profile:
        ...         _ = kuai.nn.Linear(2, 3)(kuai.ones(4, 2))
        ...     profile.file.name
        'perfetto_trace.json.gz'
    """

    def __init__(self, folder: str | pathlib.Path = "profile", *, quiet: bool = False):
        self.folder = pathlib.Path(folder)
        self.quiet = quiet
        self.file: pathlib.Path | None = None
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> profile:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # thousands of Python calls would hide the blocks
        trace = jax.profiler.trace(
            str(self.folder), create_perfetto_trace=True, profiler_options=options
        )
        self._contexts.enter_context(trace)
        self._contexts.enter_context(followed(annotates=True))
        return self

    def __exit__(self, *error: Any) -> None:
        # programs run beside Python: what is still running would be missing
        jax.block_until_ready([array for array in jax.live_arrays() if not array.is_deleted()])
        self._contexts.__exit__(*error)
        files = self.folder.rglob("perfetto_trace.json.gz")
        self.file = max(files, key=lambda file: file.stat().st_mtime)
        for written in self.file.parent.glob("*.xplane.pb"):
            name_events(self.file, written)
        if not self.quiet:
            print(f"profile: {self.file}, to be opened at https://ui.perfetto.dev")


class record_function:
    """Give what runs inside a name in the profile; a context manager and a decorator.

    Example:
        >>> with kuai.profiler.record_function("loss"):
        ...     _ = kuai.ones(2).sum()
    """

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args
        self._open: list[contextlib.AbstractContextManager] = []

    def __enter__(self) -> record_function:
        stack = contextlib.ExitStack()
        stack.enter_context(jax.profiler.TraceAnnotation(self.name))
        stack.enter_context(jax.named_scope(self.name))
        if events.RUNNING:
            stack.enter_context(events.noted(self.name))
        self._open.append(stack)
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.pop().__exit__(*error)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return named

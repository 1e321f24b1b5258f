"""kuai.compile: ordinary imperative code as a few XLA programs.

The function's Python runs at every call, on the user's own tensors; what is compiled is the
arithmetic. Operations are recorded, and the record is run as one program when the call ends or a
value is asked for (see `recorder`). So there is nothing that could be out of date: whatever the
function reads, it reads now.

A record that is a new one at every call (a slice that grows, a text of ever new lengths) would be
compiled at every call. After a few such calls in a row the function runs as it is for a while, says
so once, and is tried again later (see `rest`).
"""

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from kuai.engine import compile as compiling, settings
from kuai.engine.compile.function_like import FunctionLike, called
from kuai.engine.compile.padded_batches import PaddedBatches
from kuai.engine.compile.recorder import Recorder, is_recordable
from kuai.engine.compile.records import Records
from kuai.engine.compile.replay import MISS
from kuai.engine.compile.replays import Replays
from kuai.engine.tensor import modes
from kuai.engine.tensor.frames import fold

if TYPE_CHECKING:
    from kuai.engine.compile.explaining import Explanation

__all__ = ["Compiled", "compile", "fused"]

_LONGEST_WAIT = 30  # seconds
_DEEPEST = 4  # how often what is left of a function is split again


def compile(
    function=None,
    *,
    fullgraph: bool = False,
    dynamic=None,
    backend=None,
    mode=None,
    options=None,
    disable=False,
    dynamic_batch=False,
):
    """Compile a function, a method or a module into XLA programs; also usable as a decorator.

    The function's Python runs at every call, so it may do what Python can do. Its operations,
    forward, `backward()` and `optimizer.step()` together, are recorded and run as one program at
    the end of the call, or earlier where a value is asked for.

    Args:
        function: what to compile; a module is compiled in place and returned.
        fullgraph: raise an error where a value is asked for in the middle of the function.
        dynamic, backend, mode, options: accepted for PyTorch's sake; there is one backend, XLA.
            A mode that PyTorch does not know is refused, and a mode together with options.
        disable: return the function as it is.
        dynamic_batch: pad the tensors' first dimension, so that batches of many sizes share a few
            programs: True for the next power of two, or the sizes to choose from. A function in
            which the added rows would change anything is refused; see `kuai.compiler.batch_mask`.

    Example:
        >>> @kuai.compile
        ... def double(x):
        ...     return x * 2
        >>> double(kuai.tensor([1.0, 2.0]))
        tensor([2., 4.])

    Differs from PyTorch: a compiled module is the module itself, so its `state_dict` keys stay as
    they are.
    """
    _check(backend, mode, options)
    if function is None:
        options = dict(fullgraph=fullgraph, disable=disable, dynamic_batch=dynamic_batch)
        return functools.partial(compile, **options)
    if disable or not settings.compile_enabled():
        return function
    if hasattr(function, "_call_impl"):
        function.compile(fullgraph=fullgraph, dynamic_batch=dynamic_batch)
        return function
    if dynamic_batch:
        return PaddedBatches(
            functools.partial(Compiled, fullgraph=fullgraph), function, dynamic_batch
        )
    return Compiled(function, fullgraph)


_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")


def _check(backend, mode, options) -> None:
    """PyTorch's errors: a word that is misspelt must not seem to have had an effect."""
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if mode is not None and mode not in _MODES and backend in (None, "inductor"):
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")


class Compiled(FunctionLike):
    """A compiled function: call it as the function it was made of.

    Attributes:
        made: for those who report on a whole program, a list to which each one is added.
    """

    made: ClassVar[list | None] = None
    _kept = frozenset(
        "_function _given _named _fullgraph _records _replays _deepest _parts _after_prologue "
        "_lock".split()
    )

    def __init__(self, function, fullgraph: bool = False, records=None, deepest: int = _DEEPEST):
        super().__init__(function, functools.partial(Compiled, fullgraph=fullgraph))
        function = called(function)
        self._given, self._named = (), {}
        if type(function) is functools.partial:  # its arguments come before those of each call
            self._given, self._named = function.args, function.keywords
            function = function.func
        self._function = function
        self._fullgraph = fullgraph
        name = getattr(function, "__qualname__", type(function).__name__)
        self._records = records or Records(name)
        self._replays = Replays(function, self._records.roots, deepest > 0 and not fullgraph)
        self._deepest = deepest  # how often it may be split
        self._parts: Any = None  # where only its beginning is replayed
        self._after_prologue: Any = None  # where its first statements are not
        self._lock = threading.RLock()
        if Compiled.made is not None and records is None:
            Compiled.made.append(self)

    def __call__(self, /, *args, **kwargs):
        if self._given or self._named:
            args, kwargs = (*self._given, *args), {**self._named, **kwargs}
        if not is_recordable() or self._records.rest.is_on(self._fullgraph):
            return self._function(*args, **kwargs)
        # a step that several threads share is one step after the other, but a thread that waits for
        # another one inside of it must not wait for ever
        alone = self._lock.acquire(timeout=_LONGEST_WAIT)
        try:
            result = self._replays.run(args, kwargs)
            return self._recorded(args, kwargs) if result is MISS else result
        except Exception as error:
            fold(error)
            raise
        finally:
            modes.state.recorder = None  # it stays where its end is interrupted
            if alone:
                self._lock.release()

    def _recorded(self, args, kwargs):
        parts = self._in_parts()
        if parts is not None:
            result = parts(args, kwargs)
            if result is not MISS:
                return result
        after = None if parts is not None else self._behind_prologue()
        if after is not None:
            return after(args, kwargs)
        candidate = None if parts is not None else self._replays.candidate(args, kwargs)
        if candidate is None:
            with Recorder(self._records, self._fullgraph):
                return self._function(*args, **kwargs)
        with candidate, Recorder(self._records, self._fullgraph) as recorder:
            recorder.runs = candidate.runs
            candidate.result = self._function(*args, **kwargs)
        return candidate.result

    def _in_parts(self):
        """The function in two, if only its beginning can be replayed, and that is worth it."""
        split = self._replays.split
        if split is None or self._records.undoes:
            return None
        if self._parts is None:
            self._parts = compiling.parts.Parts(split, self._records)
        if self._parts.is_worth_it and split.fits():
            return self._parts
        self._parts = None
        self._replays.join()
        return None

    def _behind_prologue(self):
        """The function in two, if what follows its first statements can be replayed."""
        prologue = self._replays.prologue
        if prologue is None or self._records.undoes:
            return None
        if self._after_prologue is None:
            compiled = functools.partial(Compiled, records=self._records, deepest=self._deepest - 1)
            parts = compiling.parts.AfterPrologue
            self._after_prologue = parts(prologue, self._records, compiled)
        if self._after_prologue.is_worth_it and prologue.fits():
            return self._after_prologue
        self._after_prologue = self._replays.prologue = None
        self._replays.join()
        return None

    @property
    def programs(self) -> list:
        """The programs that have been made, see `explain`."""
        return self._records.programs

    def explain(self) -> "Explanation":
        """What a call consists of: programs, what ended them, what they cost.

        Example:
            >>> double = kuai.compile(lambda x: x * 2)
            >>> y = double(kuai.ones(3))
            >>> explanation = double.explain()  # print it
            >>> explanation.programs[0].inputs
            ['float32[3]']
        """
        return compiling.explaining.Explanation(self)


# Without a decorator ------------------------------------------------------------------------------

_fused = Records("fused")


class fused:
    """Record the operations of the code inside, whatever it is; a context manager.

    For code that cannot be taken apart into steps, such as other people's scripts: the record is
    run at each `optimizer.step()`, where a value is asked for, and at the end. A record is compiled
    when it is met for the second time. `KUAI_FUSED=1` in the environment does this for a whole
    program.

    Example:
        >>> with kuai.fused():
        ...     x = kuai.ones(2) * 2 + 1
        >>> x
        tensor([3., 3.])
    """

    def __enter__(self) -> "fused":
        self._recorder = contextlib.nullcontext()
        if is_recordable():
            self._recorder = Recorder(_fused, eagerly=True)
        try:
            self._recorder.__enter__()
            return self
        except BaseException:  # what comes from outside comes anywhere
            self._recorder.__exit__()
            raise

    def __exit__(self, *error) -> None:
        self._recorder.__exit__(*error)


if settings.fused():
    modes.record_everything(lambda: Recorder(_fused, eagerly=True))

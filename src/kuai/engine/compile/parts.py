"""Parts: a function of which some statements are replayed, and others run (see `split`).

A function's beginning may be replayed, while its rest runs at each call; or its first statements
run at each call, and what follows them may be replayed, or have parts in its turn.

Where the beginning cannot be replayed, the function is recorded as a whole. Only now and then, when
a call may become a replay, the record is run between the two. That costs no other program where
the record ends there in any case, because a value is asked for next; otherwise only a function that
compiles fast gets one more.
"""

from kuai.engine.compile import replays as replaying
from kuai.engine.compile.recorder import Recorder
from kuai.engine.compile.replay import MISS
from kuai.engine.compile.replays import Replays

__all__ = ["AfterPrologue", "Parts"]

_FEWEST = 4  # operations of a beginning that is worth a program of its own
_TRIES = 64  # calls in which it has to be replayed
_FAST = 2.0  # seconds that a program may take to compile, if another one is made for the beginning


class Parts:
    """A function in two: the beginning, which is replayed, and the rest, which runs each time.

    Attributes:
        replays: of the beginning.
        calls: how often the function was called.
        twice: how many of these calls were recorded in two.
    """

    def __init__(self, split, records):
        self.split, self.records = split, records
        self.replays = Replays(split.beginning, records.roots, splits=False)
        self.calls = self.twice = 0
        self.is_worth_it = True  # until it turns out that little is won

    def __call__(self, args, kwargs):
        """The function's result; `MISS` if it is to be recorded as a whole."""
        self.calls += 1
        handed_on = self.replays.run(args, kwargs)
        if handed_on is not MISS:
            handed_on = self.split.keywords(handed_on)  # under no other name, see there
            return self._rest(args, kwargs, handed_on)
        if self.calls >= _TRIES and self.replays.calls <= self.calls // _TRIES:
            self.is_worth_it = False
            return MISS
        candidate = self.replays.candidate(args, kwargs)
        if candidate is None:
            return MISS
        with Recorder(self.records) as recorder:
            with candidate:
                handed_on = self._begin(candidate, recorder, args, kwargs)
            del candidate  # which holds what the rest alone is to hold
            if not self.is_worth_it:
                return self.split.rest(*args, **kwargs, **handed_on)
        self.twice += 1
        self.is_worth_it = replaying.at_once or self._replays_enough()
        return self._rest(args, kwargs, handed_on)

    def _begin(self, candidate, recorder, args, kwargs):
        """Record the beginning and run the record, if that is worth it; what is handed on."""
        recorder.runs = candidate.runs
        candidate.result = self.split.beginning(*args, **kwargs)
        record = recorder.current
        if record.length and not record.node.programs and not self._compiles_fast():
            self.is_worth_it = False
        else:
            recorder.flush()
        recorder.runs = None
        return self.split.keywords(candidate.result)

    def _rest(self, args, kwargs, handed_on):
        with Recorder(self.records):
            return self.split.rest(*args, **kwargs, **handed_on)

    def _compiles_fast(self) -> bool:
        slowest = max([program.seconds for program in self.records.programs], default=0)
        return slowest < _FAST or replaying.at_once

    def _replays_enough(self) -> bool:
        """Whether what is replayed is worth a program of its own."""
        return all(r.program.operations >= _FEWEST for r in list(self.replays.known.values()))


class AfterPrologue:
    """A function whose first statements run at each call, while the rest may be replayed.

    Where the first statements record something, all of it is one record.

    Attributes:
        rest: what follows the prologue, compiled.
        calls: how often the function was called.
    """

    def __init__(self, prologue, records, compiled):
        self.prologue, self.records = prologue, records
        self.rest = compiled(prologue.rest)
        self.calls, self.has_recorded = 0, False

    @property
    def is_worth_it(self) -> bool:
        """Whether enough is replayed, or it is too early to tell."""
        if self.has_recorded or self.calls < _TRIES:
            return not self.has_recorded
        deeper = self.rest._after_prologue
        if deeper is not None and deeper.is_worth_it:
            return True
        begun = 0 if self.rest._parts is None else self.rest._parts.replays.calls
        return self.rest._replays.calls + begun > self.calls // _TRIES

    def __call__(self, args, kwargs):
        """The function's result."""
        self.calls += 1
        with Recorder(self.records) as recorder:
            record, names = recorder.current, self.prologue.names
            values = dict(zip(names, self.prologue.first(*args, **kwargs), strict=True))
            if record.length or recorder.current is not record:
                return self._go_on(args, kwargs, values)
            recorder.counts = False
        return self.rest(**values)

    def _go_on(self, args, kwargs, values):
        """Run the rest as the rest of one record, which nobody but its variables may hold."""
        self.has_recorded = True
        split = self.prologue.as_split()
        handed_on = split.keywords([values.pop(name) for name in split.names])
        values.clear()
        return split.rest(*args, **kwargs, **handed_on)

"""When a function is replayed: policy, and what there is to say about it.

A call is a candidate when an equal one has been recorded lately. A candidate is proven first, then
recorded, and what the recorder ran becomes a replay. Where that is refused, or a replay stops
fitting, it is tried again later, each time after twice as many calls.
"""

import ast
import collections
import linecache
import weakref

from kuai.engine import compile as compiling, settings
from kuai.engine.compile.changes import Changes
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.noted_warnings import NotedWarnings
from kuai.engine.compile.origins import Before
from kuai.engine.compile.replay import MISS, Check, Replay
from kuai.engine.compile.signatures import nests_in, signature
from kuai.engine.compile.slots import Again
from kuai.engine.tensor.placeholder import reads

__all__ = ["Candidate", "Replays"]

_MOST = 16  # replays of one function
_LATELY = 8  # kinds of calls: several shapes, or objects, may take turns
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1, 1024  # calls

at_once = False  # whether every call is a candidate, which tests want


class Replays:
    """The replays of one compiled function.

    Attributes:
        calls: how many calls have been replayed.
        reason: why the last candidate was refused, and the line, or None.
        split: the function in two, where its beginning could be proven, or None.
        prologue: the function in two, where that ended with its first statements, or None.
    """

    def __init__(self, function, roots, splits: bool = True):
        self.function, self.roots = function, roots
        self._splits = splits  # whether the beginning may be replayed alone
        self.known: dict = {}
        self.calls, self.reason = 0, None
        self.split, self.prologue = None, None
        self._pause, self._next_pause = _SHORTEST_PAUSE, _SHORTEST_PAUSE
        self._recent: collections.deque = collections.deque(maxlen=_LATELY)  # signatures recorded
        if not settings.replay_enabled():
            self._pause, self.reason = float("inf"), "KUAI_REPLAY=0"

    def run(self, args, kwargs):
        """The result of a call that can be replayed, or `MISS`."""
        if not self.known:
            return MISS
        key, tensors = signature(self.roots, args, kwargs)
        replay = self.known.get(key)
        if replay is None:
            return MISS
        result = replay(tensors)
        if result is MISS:
            self.known.pop(key, None)
            self._wait()
        else:
            self.calls += 1
            if replay.calls == self._next_pause:
                self._next_pause = _SHORTEST_PAUSE
        return result

    def candidate(self, args, kwargs):
        """What is to be noted of a call that is going to be recorded, or None."""
        if self._pause > 0 and not at_once:
            self._pause -= 1
            return None
        key, tensors = signature(self.roots, args, kwargs)
        if not self._has_been_recorded(key) and not at_once or key is None:
            return None
        slots: list = []
        while True:
            prover = compiling.proof.Prover(slots)  # loaded for the first candidate of a program
            try:
                expected = self._proven(prover, args, kwargs)
                break
            except Again as again:
                slots.append(again.slot)
            except Refused as reason:
                self._refuse(reason, prover.line)
                # several values: between them something may be computed
                asks = prover.asks if prover.reads > 1 else None
                self.split_at(asks or prover.reached)
                return None
        try:
            before = Before(prover.watch, tensors, nests_in((args, kwargs)), slots)
        except Refused as reason:
            return self._refuse(reason)
        return Candidate(self, key, before, expected, prover)

    def _has_been_recorded(self, key) -> bool:
        """Whether an equal call has been recorded lately; the next one has, after this."""
        if key in self._recent:
            return True
        if key is not None:
            self._recent.append(key)
        return False

    def _proven(self, prover, args, kwargs):
        """What is known of the result of a call."""
        abstract = compiling.proof.abstract
        row = [abstract(each, prover.watch) for each in args]
        named = {name: abstract(each, prover.watch) for name, each in kwargs.items()}
        expected = prover.prove(self.function, row, named)
        prover.watch.freeze()
        return expected

    def keep(self, key, replay):
        """Keep a replay, as long as the objects live that it was called with."""
        while len(self.known) >= _MOST:
            del self.known[next(iter(self.known))]
        known, reference = self.known, weakref.ref(self)

        def forget(_):
            gone, replays = known.pop(key, None), reference()
            if gone is not None and not gone.calls and replays is not None:
                replays._wait()  # objects that are made anew for each call

        watch = replay.watch
        replay.objects = [weakref.ref(each(), forget) for each in watch.arguments.values()]
        self.known[key] = replay
        self.reason = None

    def split_at(self, reached):
        """Have the statements before the one that prevents more replayed, or those after it."""
        tree, number = reached or (None, 0)
        if not self._splits or self.split is not None or tree is None:
            return
        try:
            if any(not _is_text(statement) for statement in tree.body[:number]):
                self.split = compiling.split.Split(self.function, tree, number)
            else:
                self._begin_after(tree, number + 1)
        except Refused:
            return  # the reason there is says what it takes to replay all of it

    def _begin_after(self, tree, count):
        if self.prologue is None and count < len(tree.body):
            self.prologue = compiling.split.Prologue(self.function, tree, count)

    def join(self):
        """Leave the function whole from now on; perhaps what follows can be replayed."""
        split, self.split = self.split, None
        try:
            if split is not None:
                self._begin_after(split.tree, split.count + 1)
        except Refused:
            self.prologue = None
        self._splits = False

    def _refuse(self, reason, line=None):
        text = str(reason)
        if line is not None:
            source = linecache.getline(*line).strip()
            text += f' at {line[0]}:{line[1]} ("{source}")'
        self.reason = text
        self._wait()

    def _wait(self):
        self._recent.clear()
        self._pause = self._next_pause
        self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)


def _is_text(statement) -> bool:
    """Whether a statement does nothing."""
    if isinstance(statement, ast.Global):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class Candidate:
    """A call that has been proven and is being recorded; a context manager around it."""

    def __init__(self, replays, key, before, expected, prover):
        self.replays, self.key, self.before = replays, key, before
        self.expected, self.reads = expected, prover.reads  # what the prover knows of the result
        self.asks = prover.asks
        self.changes = Changes(prover.changing, prover.watch)
        self.runs: list = []  # what the recorder has run
        self.result = None  # what the call has returned
        self.warnings = NotedWarnings()

    def __enter__(self):
        self.asked, self.checks = reads.begin()
        self.warnings.begin()
        return self

    def __exit__(self, kind, *error) -> None:
        """Make a replay of what was recorded, if that is possible."""
        self.has_warned = self.warnings.end()
        self.before.end()
        self.knows_reads = reads.end(self.asked)
        if kind is not None:
            return
        try:
            self.replays.keep(self.key, self._made())
        except Refused as reason:
            self.replays._refuse(reason)
            if len(self.runs) > 1:  # what comes before the first of the values is one program
                self.replays.split_at(self.asks)

    def _made(self):
        if len(self.runs) != 1 or self.runs[0].program is None:
            raise Refused("a value that is asked for in the middle")
        if not self.knows_reads or len(self.asked) != self.reads:
            raise Refused("a value that is read")
        if self.has_warned:
            raise Refused("a warning")
        if not self.before.watch.holds():
            raise Refused("the call changes what it depends on")
        if not self.before.arguments_are_as_they_were():
            raise Refused("an argument that is changed")
        if not self.before.slots_are_as_they_were():
            raise Refused("a tensor that is changed in place, and replaced")
        self.runs[0].asked = self.asked
        replay = Replay(self.before, self.runs[0], self.result, self.expected)
        replay.checks = [Check(*each) for each in self.before.checked(self.checks)]
        replay.changes = self.changes
        return replay

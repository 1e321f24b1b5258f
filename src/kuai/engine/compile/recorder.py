"""The recorder: what operations go to while a step is recorded, and when the record is run.

A record is run (a *flush*) when the outermost recorded call ends, when somebody asks for a value,
when an array lies on another device, and when the record has grown too long. The recorder finds the
program, runs it, and gives the placeholders that are still held their arrays; then a new record
begins.

How a record is run says the `Policy` of whoever records: `kuai.compile` makes a program at once,
`kuai.fused` only when it meets a record for the second time.
"""

import contextlib
import math
import sys
from typing import Any

from kuai.engine import compile as compiling, executables
from kuai.engine.collector import Sparing
from kuai.engine.compile.calling import line_of_caller
from kuai.engine.compile.fingerprint import Known
from kuai.engine.compile.noted_warnings import unnoted
from kuai.engine.compile.passes import Visits
from kuai.engine.compile.program import program_for, run_step_by_step
from kuai.engine.compile.record import Elsewhere, Record
from kuai.engine.compile.recording import run_again, still_held
from kuai.engine.compile.replay import Run
from kuai.engine.tensor import modes
from kuai.engine.tensor.placeholder import array_type, one_at_a_time
from kuai.errors import CompileError, PaddingError

__all__ = ["Recorder", "is_recordable"]

_LONGEST = 4000  # operations, unless there has to be one program: compiling is more than linear
_LONGEST_UNASKED = 2000  # the same where a whole script is recorded


def is_recordable() -> bool:
    """Whether code may begin to record: not inside another record or trace, nor step by step."""
    state = modes.state
    if state.recorder is not None or state.capture is not None:
        return False
    return state.block is None or not state.block.steps


class Recorder:
    """Records the operations of one thread; a context manager around the code.

    Args:
        records: what has been recorded for the same function before (see `records`).
        fullgraph: whether a flush in the middle is an error.
        eagerly: whether a record that is met for the first time is run step by step.
    """

    def __init__(self, records, fullgraph: bool = False, eagerly: bool = False):
        self.records, self.fullgraph, self.eagerly = records, fullgraph, eagerly
        self.longest = _LONGEST_UNASKED if eagerly else math.inf if fullgraph else _LONGEST
        self.pause: Any = None  # see `pause`; made when there is a record to be judged
        self.new_programs = 0
        self.names_blocks = not records.calls  # whether steps get the names of their blocks
        self.ended = None  # what was asked for, and the line, if nothing may be recorded after that
        # (object, attribute, what it was before) of all changes, where they may have to be undone
        self.undo: list | Any = [] if records.undoes else None
        self.current: Record | Any = Record(self, records.roots.now())  # None in the end
        self.counts = True  # whether what is recorded here is a call of its own
        self.runs: list | None = None  # where what is run is to be known afterwards
        # a whole script has steps once an optimizer's has ended
        self.sparing = None if eagerly else Sparing()
        self.expected: Any = None  # what is wrong if it turns out untrue, see `expectations`

    # The code that is recorded ----------------------------------------------------------------

    def __enter__(self) -> "Recorder":
        try:
            if self.sparing is not None:
                self.sparing.begin()
            modes.state.recorder = self
            return self
        except BaseException:  # what comes from outside comes anywhere
            modes.state.recorder = None
            if self.sparing is not None:
                self.sparing.end()
            raise

    def __exit__(self, *error) -> None:
        """Run what is left, also after an error: everything is then as eager code leaves it."""
        modes.state.recorder = None
        try:
            self.flush(is_last=True)
            if self.expected and error[:1] in ((), (None,)):
                self.expected.check()
        except PaddingError:
            self.take_back()
            raise
        finally:
            self.current = None
            if self.counts:
                self.records.calls += 1
                if not self.eagerly:
                    self.records.rest.note(self)
            if self.sparing is not None:
                self.sparing.end()

    def again(self):
        """Record once more for the same function: the backward pass of what was recorded here."""
        if not is_recordable() or self.records.rest.is_on(self.fullgraph):
            return contextlib.nullcontext()
        return Recorder(self.records, eagerly=self.eagerly)

    # Recording --------------------------------------------------------------------------------

    run_again = staticmethod(run_again)

    @property
    def rests(self) -> bool:
        """Whether operations are run at once for now (see `pause`)."""
        return self.pause is not None and self.pause.is_on and not self.current.length

    def looked_at(self) -> None:
        """Take note that somebody has got a value: a record ends there."""
        if self.rests:
            self.pause.row_ended()

    def record(self, call, arrays):
        """Write a call down: how its results are nested, and their placeholders.

        None if it has to be run at once, because an argument is traced by somebody else.
        """
        with one_at_a_time:
            if self.ended is not None:
                raise CompileError(_NOT_ONE.format(self.records.name, *self.ended))
            record = self.current
            if self.rests:
                self.pause.count(call, arrays)
                return None
            try:
                if record.length < self.longest:
                    return record.record(call, arrays)
                self.flush("the length of the record")
            except Elsewhere:
                if not record.length:
                    return None  # its own arrays lie on several devices: JAX says what is wrong
                self.flush("another device")
            try:
                return self.current.record(call, arrays)
            except Elsewhere:
                return None

    def makes_on(self, device) -> bool:
        """Whether results that are made of nothing would lie on a device."""
        if self.rests:
            return False
        return self.ended is None and self.current.makes_on(device)

    def known_pass(self, edge, gradient):
        """The nodes below an edge and the gradients of the leaves, if that pass is known.

        None if it is not: its nodes have to be visited.
        """
        with one_at_a_time:
            record = self.current
            for known in record.node.passes if self.ended is None and not self.rests else ():
                if record.length + len(known.steps) <= self.longest:
                    nodes = known.nodes(record, edge, gradient)
                    if nodes is not None:
                        return nodes, known.write(record, gradient)
        return None

    def visits(self, edge, gradient):
        """What notes the visits of a backward pass, so that it is known the next time, or None."""
        return None if self.rests else Visits.of(self.current, edge, gradient)

    def replace_grad(self, tensor, gradient) -> None:
        """Note that a tensor gets another gradient, or None."""
        before = tensor._grad
        if self.undo is not None:
            self.undo.append((tensor, "_grad", before))
        if before is not None and before._steps is None:
            self.current.spare(before._storage.held)
        if gradient is not None and gradient._steps is None:
            self.current.want_memory(gradient._storage.held)

    def entry_for(self, entry, arrays):
        """The entry of an operation that is made anew at every call: an equal one known before."""
        return known_entries.get(entry, arrays)

    def end(self, what: str) -> None:
        """Run the record because of `what`; under `fullgraph` nothing may follow."""
        line = line_of_caller(sys._getframe(1))
        self.flush()
        if self.fullgraph:
            self.ended = what, line

    def step_ended(self) -> None:
        """Run the record after an optimizer's step, where nobody has said where a step ends."""
        if self.eagerly:
            self.flush()
            if self.pause is not None:
                self.pause.takes_steps = True
                if self.rests:
                    self.pause.row_ended(is_step=True)
            if self.expected:
                self.expected.check()
            if self.sparing is None:
                self.sparing = Sparing()
                self.sparing.begin()
            self.sparing.look()

    # Running ----------------------------------------------------------------------------------

    def flush(self, what: str | None = None, record=None, is_last: bool = False) -> None:
        """Run the present record, or another one of this recorder's that has not been run.

        Args:
            what: what needs it in the middle of a call; None at the end.
            is_last: whether there is no record after it: that and its recorder would keep each
                other alive.
        """
        seconds = 0.0
        with one_at_a_time:
            record = record or self.current
            if what is not None and record is self.current:
                self._note(what)
            if record is self.current:
                self.current = None if is_last else Record(self, self.records.roots.now())
            if record is not None and record.length:
                with contextlib.nullcontext() if self.runs is None else unnoted():
                    seconds = self._run(record)  # a compiler's warnings are not those of the call
                record.length = 0  # another thread may be waiting to have it run, too
        if seconds:
            record = None  # what it holds of the compiled program's making is free, too
            executables.give_back_after(seconds)
        if what is not None and self.expected:
            self.expected.check()

    def _note(self, what):
        line = line_of_caller(sys._getframe(2))
        if self.fullgraph and modes.state.recorder is self:
            raise CompileError(_NOT_ONE.format(self.records.name, what, line))
        self.records.note_flush(what, line)

    def _run(self, record) -> float:
        """The seconds that compiling took: 0 where there was a program, or none was needed."""
        record.views.clear()
        alive = still_held(record.references)
        if not alive:
            return 0.0
        inputs, program = record.inputs, None
        record.find_memory(alive)
        places_differ = record.sharding is None and record.device is not None

        def finish(found):
            for placeholder in alive:
                placeholder.array = found[placeholder.index]
                if places_differ:
                    placeholder.type = array_type(placeholder.array)
                placeholder.record = None
            record.length = 0  # it has been run, whatever is raised after this

        if self._is_not_worth_it(record):
            wanted = [p.index for p in alive]
            finish(run_step_by_step(record.steps, inputs, record.given, wanted))
        else:
            self.names_blocks = False  # these steps have their names; asking for them takes long
            program, is_new = program_for(self.records.name, record, alive)
            if is_new:
                self.new_programs += 1
                self.records.check(program, inputs)
            program(inputs, finish)
        if self.runs is not None:
            self.runs.append(Run(record, program, alive))
        return program.seconds if program is not None and program.calls == 1 else 0.0

    def _is_not_worth_it(self, record) -> bool:
        """Whether a record is run step by step, because nobody has asked for programs."""
        if not self.eagerly:
            return False
        if self.records.worth is None:
            self.records.worth = compiling.worth.Worth()
        worth, node, length = self.records.worth, record.node, record.length
        has_program = bool(node.programs) or worth.has(node, length, length >= self.longest)
        if self.pause is None:
            self.pause = compiling.pause.Pause(worth)
        self.pause.note(length, has_program)
        return not has_program

    # Undoing ----------------------------------------------------------------------------------

    def take_back(self) -> None:
        """Put back what storages and gradients held before the call."""
        for thing, attribute, before in reversed(self.undo):
            setattr(thing, attribute, before)
            if attribute == "held":
                thing.version += 1


known_entries = Known()

_NOT_ONE = (
    "{} cannot be one program: {} needs a concrete value at {}. Keep the decision on the device "
    "(kuai.where), move it out of the compiled function, or compile without fullgraph=True."
)

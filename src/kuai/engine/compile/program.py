"""Programs: a record's steps as one XLA program.

A program gives the results that somebody holds when the record is run. Those that go into a storage
in the place of an input are written into that input's memory, if nobody else holds it: the input is
donated. An array is ours to give away only if a program has made it and it was never handed out
(see `placeholder`); of any other, a copy is given. So what the user holds is never touched.

Which results are wanted may change from call to call, since Python lets go of things at different
times. A program that gives more than is wanted will do; the second new one for a record gives what
any of them gave.

Every compiled function has programs of its own; what is behind them is shared by those that do the
same. Who makes a model, an optimizer and a compiled step anew for every fold of the data compiles
once, although nothing of the first fold is there any more.
"""

import collections
import contextlib
import itertools
import time

import jax
import numpy as np

from kuai.engine import collector, executables
from kuai.engine.compile import turns
from kuai.engine.compile.equations import executable, needs_much_memory
from kuai.engine.compile.free_memory import copied
from kuai.engine.compile.interrupts import deferred, unbroken
from kuai.engine.compile.recording import own_arrays
from kuai.engine.compile.tree import Constant, as_recorded, forget_least_used, switches, used
from kuai.engine.tensor.placeholder import Placeholder
from kuai.engine.tiers.tiered import placement, put

__all__ = ["Program", "program_for", "run_step_by_step"]


_numbers = itertools.count()


class Program:
    """What runs a record and gives some of its results.

    Attributes:
        key: the numbers of the results it gives, and for each the input whose memory it takes.
        calls: how often it has been run.
        seconds: what its first run took, in which it was compiled.
        operations: how many operations it runs.
    """

    def __init__(self, name, steps, inputs, key):
        self.key, self.calls, self.number = key, 0, next(_numbers)
        self.seconds, self.has_run = 0.0, False
        self._smallest_place: int | None = None
        outputs, takes = key
        pairs = [(n, taken) for n, taken in zip(outputs, takes, strict=True) if taken is not None]
        self.order = [n for n, _ in pairs] + [
            n for n, taken in zip(outputs, takes, strict=True) if taken is None
        ]
        self.taken = {n: -1 - taken for n, taken in pairs}  # number of a result -> of an input
        self.donated = tuple(self.taken.values())
        self.kept = tuple(i for i in range(len(inputs)) if i not in set(self.donated))
        needed = _needed(steps, self.order)
        self.operations = len(needed)
        content = _content(name, steps, inputs, key)
        if content not in _shared:
            with collector.resting():  # as in `executables.compiling`
                _shared[content] = _compiled(name, needed, inputs, self)
        self.function, self.avals, self.is_large = _shared[content]
        _shared.move_to_end(content)
        if len(_shared) > _MOST_SHARED:
            _shared.popitem(last=False)

    def rehearse(self, inputs):
        """The results for other inputs, by their numbers; no input is given away."""
        arrays = [a.array if type(a) is Placeholder else a for a in inputs]
        donated = tuple([copied(arrays[i]) for i in self.donated])
        written, made = self.function(donated, tuple([arrays[i] for i in self.kept]))
        return dict(zip(self.order, (*written, *made), strict=True))

    def _smallest(self, results) -> int:
        """The place of the smallest result; looking at all of them takes long."""
        if self._smallest_place is None:
            self._smallest_place = min(range(len(results)), key=lambda i: results[i].nbytes)
        return self._smallest_place

    def wait_for_turn(self) -> None:
        """Wait for what has to end first, which holds a result; to be called before it is run."""
        if self.is_large:
            turns.ended()

    def __call__(self, inputs, finish, donated=None) -> None:
        """Run it, and have its results put into their places, whatever interrupts that.

        Args:
            finish: is given the results by their numbers; may be called again (see `unbroken`).
            donated: the arrays to write into, in the order of the numbers in `donated`; without
                them, those inputs' own, or copies of what somebody else can use.
        """
        self.calls += 1
        if donated is None:
            self.wait_for_turn()
            donated = own_or_copies(inputs, self.donated)
        donated = tuple(donated)
        kept = [inputs[i] for i in self.kept]
        kept = tuple([a.array if type(a) is Placeholder else a for a in kept])

        def put(found):
            written, made = found
            results = written + made
            finish(dict(zip(self.order, results, strict=True)))
            if self.is_large and results:
                turns.started(results[self._smallest(results)])

        if self.has_run:
            unbroken(self.function, (donated, kept), put)
        else:
            begin = time.perf_counter()
            with executables.compiling(), deferred():
                unbroken(self.function, (donated, kept), put)
            self.seconds = time.perf_counter() - begin
            self.has_run = True


def own_or_copies(inputs, positions: tuple) -> list:
    """The arrays of some inputs where nobody else can use them, or else copies."""
    found = own_arrays(inputs, positions)
    for i, array in enumerate(found):
        if array is None:
            held = inputs[positions[i]]
            found[i] = copied(held.array if type(held) is Placeholder else held)
    return found


# Choosing -----------------------------------------------------------------------------------------


def program_for(name, record, alive):
    """The program that gives the results which are alive, and whether it is new."""
    node, inputs = record.node, record.inputs
    outputs = tuple([p.index for p in alive])
    takes = _taken(inputs, alive)
    program = node.chosen.get((outputs, takes))
    if program is not None:
        used(program, node)
        return program, False
    wanted = dict(zip(outputs, takes, strict=True))
    for program in node.programs.values():
        if _gives(program, wanted):
            node.choose((outputs, takes), program)
            used(program, node)
            return program, False
    if node.programs:
        others = {n: None for program in node.programs.values() for n in program.key[0]}
        wanted = {n: wanted.get(n) for n in sorted({**others, **wanted})}
    key = tuple(wanted), tuple(wanted.values())
    program = node.programs[key] = Program(name, record.steps, inputs, key)
    node.choose((outputs, takes), program)
    used(program, node)
    forget_least_used()
    return program, True


def _gives(program, wanted) -> bool:
    """Whether a program gives at least what is wanted, in the memory it is wanted in."""
    given = dict(zip(*program.key, strict=True))
    return all(n in given and given[n] == taken for n, taken in wanted.items()) and all(
        taken is None or n in wanted for n, taken in given.items()
    )


def _taken(inputs, alive):
    """For each result the number of the input whose memory it can take, or None."""
    found, used_up = [], set()
    for placeholder in alive:
        taken = placeholder.takes
        if taken is not None:
            before = inputs[-1 - taken]
            is_alike = type(before) is Placeholder and before.type is placeholder.type
            if taken in used_up or not (is_alike or _fits(before, placeholder)):
                taken = None
            else:
                used_up.add(taken)
        found.append(taken)
    return tuple(found)


def _fits(before, placeholder) -> bool:
    """Whether an input's memory is that of a result."""
    is_array = isinstance(before, (Placeholder, jax.Array))
    return is_array and (before.shape, before.dtype) == (placeholder.shape, placeholder.dtype)


# Making -------------------------------------------------------------------------------------------


# What programs do -> the functions behind them, the least used first. They are held: a program may
# be wanted again after the function that it was made for has gone.
_shared: collections.OrderedDict[tuple, tuple] = collections.OrderedDict()
_MOST_SHARED = 32


def _content(name, steps, inputs, key):
    """All that a program is made of: its steps from the first on, and what it gives."""
    written = tuple([(step.key, tuple(step.types), step.scope) for step in steps])
    return name, switches(), len(inputs), key, written


def _compiled(name, steps, inputs, program):
    """The program as a compiled function of donated and kept inputs, their types, and whether it
    needs much memory."""

    def flat(*arrays):
        values = run_steps(steps, arrays)
        return [values[n] for n in program.order]

    examples = [_example(array) for array in inputs]
    with as_recorded():
        closed = jax.make_jaxpr(flat)(*examples)
    variables = closed.jaxpr.invars
    results = closed.jaxpr.outvars
    count = len(program.donated)
    donated = [variables[i] for i in program.donated]
    kept = [variables[i] for i in program.kept]
    function = executable(name, closed, donated, kept, results[:count], results[count:])
    types = tuple(tuple(map(_struct, group)) for group in (donated, kept))
    is_large = needs_much_memory(closed.jaxpr)
    if is_large:
        executables.is_large()
    return function, types, is_large


def _struct(variable):
    aval = variable.aval
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _example(array):
    if type(array) is Placeholder:
        return array.type.struct
    return jax.ShapeDtypeStruct(
        array.shape, array.dtype, weak_type=getattr(array, "weak_type", False)
    )


def _needed(steps, wanted):
    """The steps that lead to the wanted results."""
    needed, found = set(wanted), []
    for step in reversed(steps):
        if needed.isdisjoint(range(step.first, step.first + len(step.types))):
            continue
        found.append(step)
        needed.update(a for a in step.arguments if type(a) is int)
    return found[::-1]


def run_steps(steps, inputs) -> dict:
    """The results of steps by their numbers."""
    values = {}
    for step in steps:
        arguments = [_argument(a, values, inputs) for a in step.arguments]
        with _scope(step.scope):
            made = jax.tree.leaves(step.call.as_described(arguments))
        values.update(zip(range(step.first, step.first + len(made)), made, strict=True))
    return values


def _argument(argument, values, inputs):
    if type(argument) is Constant:
        return argument.value
    return values[argument] if argument >= 0 else inputs[-1 - argument]


def _scope(name):
    return jax.named_scope(name) if name else contextlib.nullcontext()


def run_step_by_step(steps, inputs, given, wanted) -> dict:
    """The wanted results of a record without a program: each step runs on its own.

    What is interpreted stays in NumPy's arrays for the next step that is.

    Args:
        given: which inputs are Python numbers.
    """
    arrays = [a.array if type(a) is Placeholder else a for a in inputs]
    where = placement([array for i, array in enumerate(arrays) if i not in given])
    values = {}
    with as_recorded():
        for step in _needed(steps, wanted):
            arguments = [_argument(a, values, arrays) for a in step.arguments]
            made = None if where is None else step.once.run(arguments)
            if made is None:
                arguments = [put(a, where) if type(a) is np.ndarray else a for a in arguments]
                made = jax.tree.leaves(step.call.as_described(arguments))
            values.update(zip(range(step.first, step.first + len(made)), made, strict=True))
    return {
        n: put(values[n], where) if type(values[n]) is np.ndarray else values[n] for n in wanted
    }

"""Functions in tiers: what is used once is interpreted, what is used again and again is compiled.

Compiling an operation takes as long as running it ten thousand times, and most shapes of most
programs come once or twice: another batch size, one token more, another number of elements that a
mask chooses. So a function of arrays is run in one of three ways.

1. *Interpreted.* It is traced, and its equations are run one by one by NumPy (see `plan`). At first
   it is traced for the shapes at hand. When another set of shapes comes it is traced once more with
   symbols for the sizes that differ (see `sizes`), and that trace serves all of them.
2. *Compiled*, when the same shapes have come `_ENOUGH` times (where many different shapes come,
   `_PLENTY` times), or so often that interpreting has taken about as long as compiling would. What
   takes long to interpret, is not known to the interpreter, or lies on an accelerator is compiled
   the first time.
3. *Directly.* When for a while all calls have been of compiled shapes, nobody looks at shapes any
   more: calls go to JAX at once. A new shape is then noticed when JAX wants to trace it, which is
   slow, so it happens once: from then on shapes are looked at for good.

Invariants
* Which way is taken depends on nothing but the calls made before, never on time or on another
  thread: a program does the same whenever it is run. As the ways differ in the last bits,
  `start_anew` (from `kuai.manual_seed`) has all shapes begin at the first way again, so that two
  runs from one seed in one process are equal to the bit. Programs are kept for that.
* Random bits, uniform numbers in [0, 1) and standard normal numbers are the same in all ways, to
  the bit: what is made of bits is exact, but for `erf_inv`, which is left to XLA (see `pieces`).
* The interpreter is exact or does not take part: a primitive, a dtype or a parameter that it does
  not know means compiling. Errors come from the compiled way, which then traces and raises.
* Results of interpreting are copies that share memory with nothing.
* There is a bounded number of plans for each function, and of programs altogether.

Why not in the background: the moment at which a program is ready would depend on what else the
machine does, and so would the last bits of results. Why not padded programs: rows are seldom
provably independent, and a program still has to be compiled once for each size class.
"""

import collections
import contextlib
import weakref
from typing import Any

import jax
import jax.core
import numpy as np

from kuai.engine import executables, settings
from kuai.engine.cpu_reductions import MOST_DIMENSIONS, options_for_many_dimensions
from kuai.engine.tiers import store
from kuai.engine.tiers.plan import Plan
from kuai.engine.tiers.rules import NotInterpretable
from kuai.engine.tiers.sizes import opened
from kuai.engine.tiers.traced import Trace

__all__ = ["Cold", "Tiered", "allowed_calls", "placement", "put", "start_anew"]

_ENOUGH, _PLENTY = 12, 48  # calls
_MANY = 3  # shapes
_COMPILING = 0.04  # seconds
_TOO_LONG = 0.01  # seconds
_RANDOM = 5  # times as long takes the compiling of what draws random numbers
_MOST_SLOTS = 256  # shapes whose counts and plans are kept, for each function
_MOST_TRACES = 16  # patterns, for each function
_STEADY = 64  # calls
_LARGEST = 2**63  # integers from here on do not fit into 64 bits
_SIMPLE = frozenset((int, float, bool, complex))

_config: Any = jax.config  # whose settings JAX gives no types
enabled = settings.tiers_enabled()


class Cold(Exception):
    """A function that takes calls directly has got a shape that it has no program for."""


class _Slot:
    """What is known of one set of shapes."""

    __slots__ = ("allowed", "calls", "compiled", "jitted", "known", "layout", "plan", "trace")

    def __init__(self, jitted):
        self.calls, self.allowed, self.compiled, self.known = 0, 0, False, False
        self.jitted = jitted
        self.plan = self.trace = self.layout = None


class Tiered:
    """A pure function of arrays and Python numbers.

    Args:
        function: returns nested arrays.
        plainly: a context in which it is traced for the interpreter.

    Attributes:
        run: what eager calls go to; it may raise `Cold`, and then the function itself is called.
    """

    def __init__(self, function, plainly: Any = contextlib.nullcontext, keep_unused=True):
        self.function, self.plainly = function, plainly
        self._sealed = False

        self.keep_unused = keep_unused
        self.jitted: Any = self._new_jitted()
        self.slots, self.families = collections.OrderedDict(), {}
        self.streak, self.mixed = 0, False
        self._begun = _beginnings.count
        self.run = self._keyed if enabled else self.jitted

    def __call__(self, *values):
        return self._keyed(*values) if enabled else self.jitted(*values)

    def _new_jitted(self, **options):
        function = self.function

        def traced(*values):
            if self._sealed:
                raise Cold
            return function(*values)

        traced.__name__ = traced.__qualname__ = function.__name__
        return jax.jit(traced, keep_unused=self.keep_unused, **options)

    def compiled(self, values, jitted=None):
        """Call the compiled function; for traced values it becomes a part of their program."""
        sealed, self._sealed = self._sealed, False
        try:
            return (jitted or self.jitted)(*values)
        finally:
            self._sealed = sealed

    # The ways ---------------------------------------------------------------------------------

    def _keyed(self, *values):
        key = _key(values)
        if key is None:
            return self.compiled(values)
        if self._begun != _beginnings.count:
            self._start_anew()
        slot = self.slots.get(key)
        if slot is None:
            slot = self._new_slot(key, values)
        if slot.compiled:
            self._note_compiled()
            return self.compiled(values, slot.jitted)
        self.streak = 0
        slot.calls += 1
        if slot.plan is None or slot.calls > slot.allowed or placement(values) is None:
            return self._compile(slot, values)
        return self._interpret(slot, values)

    def _interpret(self, slot, values):
        for value in values:
            if type(value) is int and not -_LARGEST <= value < _LARGEST:
                return self.compiled(values)  # JAX says what is wrong with it
        try:
            made = slot.plan.run(values)
        except NotInterpretable:  # a rule that was not exact after all: never again here
            slot.plan = None
            return self._compile(slot, values)
        return self.finish(slot, made, placement(values))

    def _compile(self, slot, values):
        made = self.compiled(values, slot.jitted)
        slot.compiled = True
        if not slot.known:
            slot.known = True
            store.used(self)
            executables.look_at(jax.tree.leaves(made))
        return made

    def _note_compiled(self):
        self.streak += 1
        if self.streak >= _STEADY and not self.mixed:
            self._sealed, self.run = True, self.jitted
            _direct.add(self)

    def reopen(self):
        """Look at shapes again."""
        if not enabled:
            return
        self._sealed, self.run, self.streak = False, self._keyed, 0
        _direct.discard(self)

    def _start_anew(self):
        self._begun = _beginnings.count
        self.reopen()
        for slot in list(self.slots.values()):  # another thread may add one
            slot.calls = 0
            slot.compiled = slot.plan is None and slot.compiled

    def forget(self):
        """Forget all programs."""
        self.reopen()
        self.mixed = False
        for slot in list(self.slots.values()):
            slot.jitted.clear_cache()
        self.slots.clear()
        self.jitted.clear_cache()

    # Shapes -----------------------------------------------------------------------------------

    def _new_slot(self, key, values):
        jitted = self.jitted
        if self._sealed:
            # for arguments at which tracing has failed, JAX never takes its short way again
            jitted, self.mixed = self._new_jitted(), True
            self.reopen()
        if _have_many_dimensions(values) and jax.default_backend() == "cpu":
            options = options_for_many_dimensions()
            jitted, self.mixed = self._new_jitted(compiler_options=options), True
        slot = self.slots[key] = _Slot(jitted)
        if len(self.slots) > _MOST_SLOTS:
            self._drop_oldest()
        if placement(values) is None:
            return slot
        try:
            self._plan(slot, values)
        except Exception:  # noqa: BLE001 - the compiled way says what is wrong, or does it
            slot.plan = slot.trace = None
        return slot

    def _drop_oldest(self):
        for key, slot in list(self.slots.items()):
            if not slot.compiled:
                self.slots.pop(key, None)
                return
        self.forget()

    def _plan(self, slot, values):
        """Find or make a plan for some values."""
        family = self._family(values)
        shapes = [_shape(value) for value in values]
        slot.trace, sizes = family.find(shapes)
        if slot.trace is None:
            slot.trace, sizes = family.trace(self, shapes, values)
        slot.plan = Plan(slot.trace.recipe, sizes)
        slot.allowed = allowed_calls(slot.plan, len(family.seen) > _MANY)
        if not slot.allowed:
            slot.plan = None

    def _family(self, values):
        """What is known of values of these dtypes and numbers of dimensions."""
        key = tuple([_rank(value) for value in values])
        found = self.families.get(key)
        if found is None:
            if len(self.families) >= _MOST_SLOTS:
                self.families.clear()
            found = self.families[key] = _Family()
        return found

    # What subclasses change -------------------------------------------------------------------

    def check(self, trace, sizes):
        """Raise `NotInterpretable` if results of a trace cannot be had from the interpreter."""
        if any(v.aval.weak_type for v in trace.closed.jaxpr.outvars):
            raise NotInterpretable("a weak type")

    def finish(self, slot, arrays, where):
        """Nested results of NumPy arrays."""
        return jax.tree.unflatten(slot.trace.tree, put(arrays, where))


def _have_many_dimensions(values) -> bool:
    """Whether an operation on these may have arrays of too many: its own may have one more."""
    return any([getattr(value, "ndim", 0) >= MOST_DIMENSIONS for value in values])


class _Family:
    """Traces for values of the same dtypes and numbers of dimensions."""

    def __init__(self):
        self.seen, self.traces, self.refused = [], [], 0

    def find(self, shapes):
        """A trace with symbols that fits, and their sizes; or two times None."""
        for trace in self.traces:
            sizes = trace.pattern.match(shapes)
            if sizes is not None:
                return trace, sizes
        return None, None

    def trace(self, tiered, shapes, values):
        """A new trace, with symbols where that is possible, and their sizes."""
        pattern = opened(shapes, self.seen) if self.refused < _MANY else None
        if len(self.seen) < _MOST_SLOTS:
            self.seen.append(shapes)
        if pattern is not None:
            try:
                made = Trace(tiered.function, _examples(values, pattern.shapes), tiered.plainly)
                made.pattern = pattern
                sizes = pattern.match(shapes)
                tiered.check(made, sizes)
            except Exception:  # noqa: BLE001 - JAX has many ways to say it cannot tell
                self.refused += 1
            else:
                if len(self.traces) >= _MOST_TRACES:
                    del self.traces[0]
                self.traces.append(made)
                return made, sizes
        made = Trace(tiered.function, _examples(values, shapes), tiered.plainly)
        tiered.check(made, {})
        return made, {}


def allowed_calls(plan, among_many: bool = False) -> int:
    """How often a plan is run before its shapes are compiled."""
    longer = _RANDOM if plan.is_random else 1
    if plan.cost > longer * _TOO_LONG:
        return 0
    often = _PLENTY if among_many else _ENOUGH
    return min(longer * often, int(longer * _COMPILING / max(plan.cost, 1e-6)))


# Values -------------------------------------------------------------------------------------------


def _key(values):
    """Something hashable that says what there are programs for; None for what is traced."""
    key = []
    for value in values:
        kind = type(value)
        if kind in _SIMPLE:
            key.append(kind)
        elif kind in _array_types:
            key.append(value.shape)
            key.append(value.dtype)
        elif isinstance(value, (np.ndarray, np.generic)) or (
            isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
        ):
            _array_types.add(kind)
            key.append(value.shape)
            key.append(value.dtype)
        else:
            return None
    return tuple(key)


_array_types: set = set()


def _shape(value):
    return None if type(value) in _SIMPLE else value.shape


def _rank(value):
    if type(value) in _SIMPLE:
        return type(value)
    return (len(value.shape), value.dtype, getattr(value, "weak_type", False))


def _examples(values, shapes):
    """What to trace a function with."""
    return [
        value
        if shape is None
        else jax.ShapeDtypeStruct(shape, value.dtype, weak_type=getattr(value, "weak_type", False))
        for value, shape in zip(values, shapes, strict=True)
    ]


_NOWHERE = object()


def placement(values):
    """Where the results lie; None if that is not one CPU. `_NOWHERE` if no input says so."""
    found = _NOWHERE
    for value in values:
        if not isinstance(value, jax.Array):
            continue
        if not value.committed or not _on_cpu(value.sharding):
            return None
        if found is not _NOWHERE and value.sharding != found:
            return None
        found = value.sharding
    if found is _NOWHERE:
        plain = _config.jax_default_device is None and jax.default_backend() == "cpu"
        return _NOWHERE if plain else None
    return found


def _on_cpu(sharding):
    found = _known_shardings.get(sharding)
    if found is None:
        found = isinstance(sharding, jax.sharding.SingleDeviceSharding) and all(
            device.platform == "cpu" for device in sharding.device_set
        )
        _known_shardings[sharding] = found
    return found


_known_shardings: dict = {}


def put(arrays, where):
    """NumPy arrays as JAX arrays that share no memory with anything."""
    if where is _NOWHERE:
        return jax.device_put(arrays, may_alias=False)
    return jax.device_put(arrays, where, may_alias=False)


# All functions ------------------------------------------------------------------------------------

_direct: weakref.WeakSet = weakref.WeakSet()


class _Beginnings:
    count = 0


_beginnings = _Beginnings()


def start_anew() -> None:
    """Have all shapes begin at the interpreter again: each function notices at its next call."""
    _beginnings.count += 1
    for tiered in list(_direct):
        tiered.reopen()

"""Batching: a function of tensors run for every slice of a batch at once.

`vectorize` traces the function once with `jax.vmap`, on stand-ins that have the shape of one slice.
While it does so a `Level` takes the place that a `Capture` has in `kuai.compile`: a tensor from
outside that is read becomes an input of the trace. The trace then runs as one operation of those
inputs, so the tape of whoever called records it like any other, gradients of gradients included,
and inside `kuai.compile` or another `vmap` it becomes part of theirs.

Invariants
* An input stands for a place in the outer graph (an edge) if there is one, else for a storage: a
  detached tensor shares its storage with others, but not their history.
* What the inner trace needs from outside is fetched only when the trace is over: a value fetched
  earlier would become part of the wrong trace.
* The tape inside knows what a derivative from outside may not go through: what was detached, made
  under `no_grad` or by a user's `Function`. JAX, which takes that derivative, is told at each
  operation: an array whose tensor has no history there is cut off (`cut`), and a `Function` brings
  its own rule (see `function_batching`).

Why not one batched operation after the other, as PyTorch does: JAX knows how to batch a program;
nothing would be gained by a second table of rules.
"""

import contextlib
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.autograd.running import Operation, run
from kuai.engine.autograd.tape import Node, edge_of
from kuai.engine.autograd.tracing import Capture, placeholder
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.placeholder import struct_of
from kuai.engine.tensor.storage import Lost, Storage, put
from kuai.engine.tensor.views import held, read_chain, split, value, where
from kuai.errors import LeakedTensorError

__all__ = ["Level", "cut_off", "is_batched", "is_dual", "vectorize"]

RANDOMNESS = ("error", "different", "same")


class Level(Capture):
    """What is known inside one `vmap`: its inputs, and what it wrote."""

    def __init__(self, device, randomness):
        super().__init__(device, Node("vmap", ()).sequence)
        self.outer = modes.state.capture
        self.randomness = randomness
        self.records = modes.state.grad_enabled  # whether the caller's tape is on
        self.follows = False  # whether it, or forward mode, goes through what is run inside
        self.followed = {}  # places in the outer graph -> their traced doubles
        self.index: Any = None  # the number of the slice
        self.orders = 0  # how many rules of users' functions are being traced, one in the other

    # Reading ----------------------------------------------------------------------------------

    def read(self, tensor):
        """The traced double of an outside tensor with a history; None for one without."""
        has_history = self.records and modes.state.grad_enabled and tensor.requires_grad
        if tensor._storage in self.written or not (has_history or is_dual(tensor)):
            return None
        if tensor._base is not None and _depends_on_slice(tensor):
            return self._window(tensor)
        edge = id(tensor) if is_dual(tensor) else edge_of(tensor)
        key = (edge, tensor._storage.version)
        self._meets(has_history, is_dual(tensor))
        if key not in self.followed:
            aval = jax.eval_shape(*_reading(tensor, self._array(tensor._storage)))
            self.followed[key] = self.new_input(("tensor", tensor), aval.shape, aval.dtype)
        return self.followed[key]

    def _window(self, view):
        """A view, at a place that differs from slice to slice, of an outside tensor's double."""
        base = view._base
        chain, numbers = split(view._steps[len(base._steps or ()) :])
        return read_chain(chain, self.read(base), numbers)

    def follow(self, arrays, edges, tangents):
        """Arrays that an outer node has saved, as doubles of the places they come from.

        Args:
            edges, tangents: of those that have one, by their positions.
        """
        made = list(arrays)
        self._meets(bool(edges), bool(tangents))
        for position in {**edges, **tangents}:
            array, edge = made[position], edges.get(position)
            key = (edge, id(array))
            if key not in self.followed:
                source = ("saved", array, edge, tangents.get(position))
                self.followed[key] = self.new_input(source, array.shape, array.dtype)
            made[position] = self.followed[key]
        return made

    def _meets(self, has_history, is_dual):
        """Note that something from outside is read that a derivative goes back to."""
        if is_dual:
            self.follows = None  # the tape inside does not know it, so nothing may be cut off
        elif has_history and self.records and self.follows is not None:
            self.follows = True

    def cut(self, arrays, kept):
        """Arrays that an operation reads, those of tensors without a history cut off from it."""
        kept = set(kept)
        return [a if i in kept else cut_off(a) for i, a in enumerate(arrays)]

    def known(self):
        """Which things from outside have been read."""
        return list(self.followed), list(self.doubles), list(self.stand_ins)

    def forget(self, known):
        """Take it that nothing but these things has been read."""
        for found, keys in zip((self.followed, self.doubles, self.stand_ins), known, strict=True):
            for key in found.keys() - set(keys):
                del found[key]

    def shadow(self, storage):
        """The traced double of an outside storage."""
        double = self.doubles.get(storage)
        if double is None:
            array = self._array(storage)
            traced = self.new_input(("storage", storage), array.shape, array.dtype)
            double = self.doubles[storage] = Storage(traced, self)
        return double

    def _array(self, storage):
        """What a storage holds for the code around this level."""
        if isinstance(storage.held, Lost):
            raise LeakedTensorError
        outer = self.outer
        while outer is not None and storage.home is not outer:
            if storage in outer.doubles:
                return outer.doubles[storage].held
            outer = getattr(outer, "outer", None)
        return storage.held

    def read_grad(self, tensor):
        """A tensor's `.grad`."""
        if self.outer is None or tensor._storage.home is self:
            return tensor._grad
        with _inside(self.outer):
            return self.outer.read_grad(tensor)

    # Writing ----------------------------------------------------------------------------------

    def write(self, storage, array):
        """Note that an outside storage now holds `array`, which is the same for every slice."""
        if is_batched(array):
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists "
                "a Tensor `other` in extra_args that has more elements than `self`. This happened "
                "due to `other` being vmapped over but `self` not being vmapped over in a vmap. "
                "Please try to use out-of-place operators instead of inplace arithmetic. (A batch "
                "norm does this with its running statistics: pass them through "
                "kuai.func.functional_call, or make it with track_running_stats=False.)"
            )
        super().write(storage, array)

    def write_grad(self, tensor, value):
        """Put a gradient into the slot of a tensor made inside."""
        if tensor._storage.home is not self:
            raise RuntimeError("vmap: .grad of a tensor from outside cannot be set inside a vmap")
        tensor._grad = value

    # Random numbers ---------------------------------------------------------------------------

    def draw(self, generator):
        """Key and offset for one random operation, as `randomness` says."""
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use "
                "the 'same' or 'different' randomness flags on vmap or perform the randomness "
                "operation out of vmap"
            )
        count = len(self.sources)
        key = self.new_input(("key", generator, count), (2,), jnp.uint32)
        offset = self.new_input(("offset", generator, count), (), jnp.int64)
        if self.randomness == "different":
            words = jax.random.wrap_key_data(key, impl="threefry2x32")
            key = jax.random.key_data(jax.random.fold_in(words, self.index))
        return wrap(key), wrap(offset)

    # The end ----------------------------------------------------------------------------------

    def inputs(self, numbers):
        """Inputs as tensors of the code around this level, with their history."""
        drawn = {s[2]: s[1].advance() for s in self.sources if s[0] == "key"}
        return [self._input(self.sources[i], drawn) for i in numbers]

    def _input(self, source, drawn):
        kind = source[0]
        if kind == "tensor":
            return source[1]
        if kind == "recorded":
            return wrap(source[1])
        if kind == "saved":
            made = wrap(source[1])
            if source[2] is not None:
                made._node, made._output = source[2]
            made._tangents = source[3]
            return made
        if kind == "storage":
            made = object.__new__(Tensor)
            made._storage = source[1]
            return made
        return drawn[source[2]][kind == "offset"]


def cut_off(array):
    """An array of a trace that no derivative goes back from."""
    if isinstance(array, jax.core.Tracer) and jnp.issubdtype(array.dtype, jnp.inexact):
        return jax.lax.stop_gradient(array)
    return array


def is_dual(tensor) -> bool:
    """Whether a tensor has a tangent, at whichever level, so that it is more than its values."""
    if not isinstance(tensor, Tensor):
        return False
    while tensor._base is not None:
        tensor = tensor._base
    return bool(tensor._tangents)


def is_batched(array) -> bool:
    """Whether a traced array differs from slice to slice of the `vmap` it is in."""
    return getattr(array, "batch_dim", None) is not None


def _depends_on_slice(view) -> bool:
    """Whether a view's place is known only inside."""
    numbers = split(view._steps)[1]
    return any(isinstance(n, jax.core.Tracer) for group in numbers for n in group)


def _reading(tensor, array):
    if tensor._steps is None:
        return (lambda whole: whole), struct_of(array)
    chain, numbers = split(tensor._steps)
    return (lambda whole: read_chain(chain, whole, numbers)), struct_of(array)


@contextlib.contextmanager
def _inside(capture):
    """Run with another capture as the innermost one."""
    state = modes.state
    previous = state.capture, state.level
    state.capture, state.level = capture, capture if isinstance(capture, Level) else None
    try:
        yield
    finally:
        state.capture, state.level = previous


def vectorize(function, tensors, dims, size, randomness="error"):
    """Run a function of tensors for every slice of a batch at once.

    Args:
        function: of the slices; returns two lists of tensors: those to be stacked along a new first
            dimension, and those that are the same for every slice.
        tensors: what is sliced.
        dims: along which dimension, one a tensor.
        size: how many slices there are.
        randomness: "error", "different" or "same" random numbers for the slices.

    Returns:
        The two lists.
    """
    level = Level(where(tensors[0]) if tensors else device_of(None), randomness)
    level.follows = level.records and any(t.requires_grad or is_dual(t) for t in tensors)
    counts, changed, held, recorded = [], [], [], []

    def sliced(index, arrays):
        level.index = index
        stand_ins = [_stand_in(t, a) for t, a in zip(tensors, arrays, strict=True)]
        stacked, single = function(stand_ins)
        held.extend((stand_ins, stacked, single))
        changed.extend(i for i, s in enumerate(stand_ins) if s._storage.version)
        counts.extend((len(stacked), len(single)))
        moved = [*stacked, *(stand_ins[i] for i in changed)]
        recorded.extend(not level.follows or edge_of(t) is not None for t in (*moved, *single))
        known = iter(recorded)
        return tuple([[_result(t, next(known)) for t in row] for row in (moved, single)])

    def traced():
        whole = [_argument(level, tensor) for tensor in tensors]
        slice_all = jax.vmap(sliced, in_axes=(0, list(dims)), out_axes=(0, None), axis_size=size)
        stacked, single = slice_all(jnp.arange(size, dtype=jnp.uint32), whole)
        for place, number in enumerate(changed, start=counts[0]):
            stacked[place] = jnp.moveaxis(stacked[place], 0, dims[number])
        return [*stacked, *single, *(double.held for double in level.written.values())]

    try:
        with _inside(level):
            closed = jax.make_jaxpr(traced)()
    finally:
        level.close()
    made = _run(level, closed)
    for result, is_recorded in zip(made, recorded, strict=False):
        if not is_recorded:
            result._node = None
    return _spread(level, made, counts, [tensors[i] for i in changed])


def _result(tensor, is_recorded):
    array = value(tensor)
    return array if is_recorded else cut_off(array)


def _argument(level, tensor):
    aval = jax.eval_shape(*_reading(tensor, level._array(tensor._storage)))
    return level.new_input(("tensor", tensor), aval.shape, aval.dtype)


class _Slice(Node):
    """Where the graph inside ends: at a slice of a tensor that has a history outside."""

    def apply(self, cotangents, create_graph):
        return []


def _stand_in(tensor, array):
    made = wrap(array)
    if tensor.requires_grad and tensor.is_leaf:
        made._requires_grad = True
    elif tensor.requires_grad or is_dual(tensor):
        made._node = _Slice("Slice", ())
    return made


def _run(level, closed):
    """Run the trace as one operation on its inputs."""
    needed = {v for v in closed.jaxpr.outvars if not isinstance(v, Literal)}
    variables, equations = {}, []
    for equation in reversed(closed.jaxpr.eqns):
        if not equation.effects and needed.isdisjoint(equation.outvars):
            continue  # an input that only its shape was asked of has no history to follow
        if equation.primitive is placeholder:
            variables[equation.params["index"]] = equation.outvars[0]
        else:
            equations.append(equation)
            needed.update(v for v in equation.invars if not isinstance(v, Literal))
    # arrays that were there before, such as a node outside has saved, are others at the next call
    constants = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    found = [v for v, c in constants.items() if isinstance(c, jax.Array) and not _is_traced(c)]
    further = [wrap(constants.pop(variable)) for variable in found]
    places = [*[variables[i] for i in sorted(variables)], *found]
    pure = _function(closed, constants, places, equations[::-1])
    operation = Operation("vmap", "VmapBackward0", compiled=False)
    inputs = [*level.inputs(sorted(variables)), *further]
    return run(operation, None, lambda: lambda *arrays: tuple(pure(*arrays)), inputs)


def _is_traced(array) -> bool:
    return isinstance(array, jax.core.Tracer)


def _function(closed, constants, variables, equations):
    """The trace as a function of some of its variables; others are constants."""
    jaxpr = closed.jaxpr
    names = jaxpr.debug_info._replace(arg_names=None)
    jaxpr = jaxpr.replace(
        constvars=list(constants), invars=variables, eqns=equations, debug_info=names
    )
    return jaxpr_as_fun(ClosedJaxpr(jaxpr, list(constants.values())))


def _spread(level, made, counts, changed):
    """Put what was written where it belongs; the stacked and the single results."""
    if not counts[0] + counts[1] and not made:
        return [], []
    stacked, rest = made[: counts[0]], made[counts[0] :]
    for tensor, result in zip(changed, rest, strict=False):
        overwrite(tensor, result)
    rest = rest[len(changed) :]
    for storage, array in zip(level.written, rest[counts[1] :], strict=True):
        put(storage, held(array))
    return list(stacked), list(rest[: counts[1]])

"""Checkpoints where operations run at once: nodes without memory, filled again when they are used.

While the function runs for the first time, a `Frame` takes from each node what it has saved, and
notes the node's number. The first node that is asked for a gradient has the function run again:
the n-th node that saves something then fills the n-th one of the first run, and when the last one
is filled the function is stopped. So the graph, its hooks and its names are what they would be
without a checkpoint. Inside a compiled step, where XLA would join both runs, see `checkpointing`.
"""

import weakref

from kuai.engine.autograd import around
from kuai.engine.autograd.packing import InputsNode, needed_by
from kuai.engine.autograd.running import OpNode, Residuals, run
from kuai.engine.autograd.tape import edge_of, freed_error
from kuai.engine.tensor import Tensor, devices, dtypes, modes, randomness, wrap
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.views import held
from kuai.errors import RecomputationError

__all__ = ["Frame", "run_alone"]


class _StopRecomputationError(Exception):
    """Ends the second run of a function: all that was to be filled is."""


class Frame:
    """One call of a checkpointed function; `run` is the first run."""

    def __init__(self, function, args, kwargs, states, context, checks, early_stop):
        self.function, self.kwargs = function, kwargs
        self.states, self.context = states, context
        self.checks, self.early_stop = checks, early_stop
        self.autocast = modes.state.autocast
        self.slots, self.described = [], []  # weak references; what was saved in the first run
        self.walks = set()  # passes for which the function has run again
        self.is_complete = self.has_inner_pass = False
        self.args = _Arguments(args)

    def run(self, context, args):
        """The function's result."""
        around.add_keeper(_Emptying(self))
        try:
            with context:
                return self.function(*args, **self.kwargs)
        finally:
            around.remove_hooks()
            self.is_complete = True

    # The first run ----------------------------------------------------------------------------

    def new_slot(self, saved):
        """A place for what a node has saved, which is described and forgotten."""
        slot = Slot(self, len(self.slots))
        self.slots.append(weakref.ref(slot))
        self.described.append([_described(one) for one in saved])
        return slot

    # The second run ---------------------------------------------------------------------------

    def refill(self):
        """Run the function again for the pass that goes on."""
        state = modes.state
        filling = _Filling(self, state.walk)
        before = state.grad_enabled, state.autocast, state.walk
        state.grad_enabled, state.autocast = True, self.autocast
        args = self.args.again()
        around.add_keeper(filling)
        try:
            with randomness.replay(self.states), self.context:
                self.function(*args, **self.kwargs)
        except _StopRecomputationError:
            pass  # all that the pass needs is there
        finally:
            around.remove_hooks()
            state.grad_enabled, state.autocast, state.walk = before
        self.walks.add(filling.walk)
        if not self.has_inner_pass:
            self._check(filling)

    def _check(self, filling):
        if len(self.slots) != len(filling.described):
            raise RecomputationError(
                "A different number of tensors was saved during the original forward and "
                "recomputation.\n"
                f"Number of tensors saved during forward: {_count(self.described)}\n"
                f"Number of tensors saved during recomputation: {_count(filling.described)}."
            )
        if not self.checks:
            return
        before = [one for saved in self.described for one in saved]
        now = [one for saved in filling.described for one in saved]
        different = [
            f"tensor at position {number}:\nsaved metadata: {old}\nrecomputed metadata: {new}\n"
            for number, (old, new) in enumerate(zip(before, now, strict=False))
            if old != new
        ]
        if different or len(before) != len(now):
            raise RecomputationError(
                "Recomputed values for the following tensors have different metadata than during "
                f"the forward pass.\n{''.join(different)}."
            )


def _count(described):
    return sum(map(len, described))


def _described(array):
    return {
        "shape": Size(array.shape),
        "dtype": dtypes.from_jax(array.dtype),
        "device": devices.device_of(array),
    }


class Slot:
    """What a node saves, for each pass in which it is used."""

    __slots__ = ("__weakref__", "filled", "frame", "number")

    def __init__(self, frame, number):
        self.frame, self.number, self.filled = frame, number, {}

    def take(self):
        """What belongs here, once."""
        walk = modes.state.walk
        if walk not in self.frame.walks:
            self.frame.refill()
        if walk not in self.filled:
            raise RecomputationError(
                "Unpack is being triggered for a tensor that was either never recomputed, or "
                "already unpacked once. If you are calling ctx.saved_tensors in backward, make "
                "sure to do so only once. Otherwise please open an issue with details on your use "
                "case."
            )
        return self.filled.pop(walk)


class _Emptying:
    """Runs operations of the first run, and takes what their nodes have saved."""

    def __init__(self, frame):
        self.frame = frame

    def run(self, operation, key, make_function, values):
        """The operation's results, with a node that has to be filled."""
        values = list(values)
        results, node = run_alone(self, operation, key, make_function, values)
        self.empty(results, node, values)
        return results

    def empty(self, results, node, values):
        """Take what the node of some results has saved."""
        if node is None:
            return
        made = results if isinstance(results, tuple) else (results,)
        arrays = _arrays(node, values)
        if arrays:
            empty = EmptyNode(node, self.frame.new_slot(arrays))
        else:
            empty = InputsNode(node, values, made)
        for tensor in made:
            if tensor._node is node:
                tensor._node = empty

    def keep(self, tensors):
        """Tensors that a user's function saves."""
        there = [held(t) for t in tensors if t is not None]
        return _KeptTensors(self.frame.new_slot(there)) if there else _Plain(tensors)


class _Filling:
    """Runs operations of the second run, and fills the nodes of the first."""

    def __init__(self, frame, walk):
        self.frame, self.walk, self.described = frame, walk, []
        self.is_done = False

    def run(self, operation, key, make_function, values):
        """The operation's results; nothing more is computed once all that is needed has been.

        Where the caller still writes some of the results into buffers, it may do so.
        """
        if self.is_done and modes.state.grad_enabled:
            raise _StopRecomputationError
        values = list(values)
        results, node = run_alone(self, operation, key, make_function, values)
        if node is not None and (arrays := _arrays(node, values)):
            self._fill(arrays, (node.residuals, node.arrays))
            if self.is_done and not operation.updates_buffers:
                raise _StopRecomputationError
        return results

    def keep(self, tensors):
        """Tensors that a user's function saves."""
        there = [held(t) for t in tensors if t is not None]
        if there:
            self._fill(there, tuple(tensors))
            if self.is_done:
                raise _StopRecomputationError
        return _Plain(tensors)

    def _fill(self, arrays, content):
        frame, number = self.frame, len(self.described)
        if number >= len(frame.slots):
            if frame.is_complete:
                raise RecomputationError(
                    "trying to save more tensors during recomputation than during the original "
                    "forward pass."
                )
            frame.has_inner_pass = True
            return
        self.described.append([_described(array) for array in arrays])
        slot = frame.slots[number]()
        if slot is not None:
            slot.filled[self.walk] = content
        self.is_done = frame.early_stop and number + 1 == len(frame.slots)


def run_alone(keeper, operation, key, make_function, values):
    """The results of an operation, and its node if that has saved something."""
    state = modes.state
    state.around = None
    try:
        results = run(operation, key, make_function, values)
    finally:
        state.around = keeper
    made = results if isinstance(results, tuple) else (results,)
    node = next((t._node for t in made if t._node is not None), None)
    saves = isinstance(node, OpNode) and node.residuals.leaves
    return results, node if saves else None


def _arrays(node, values):
    """The arrays a node has saved; none if its backward pass depends on Python numbers only."""
    found = [leaf for leaf in node.residuals.leaves if hasattr(leaf, "shape")]
    if any(leaf.ndim for leaf in found):
        return found
    needed = needed_by(node, node.residuals.layout)
    return found if any(isinstance(values[i], Tensor) for i in needed) else []


class EmptyNode(OpNode):
    """An operation whose memory is filled for each pass."""

    is_untouched = False

    def __init__(self, node, slot):
        self.__dict__.update(node.__dict__)
        self.slot = slot
        self._empty()

    def _empty(self):
        self.residuals, self.arrays = Residuals([], self.residuals.layout), None

    def apply(self, cotangents, create_graph):
        if self.slot is None:
            raise freed_error()
        self.residuals, self.arrays = self.slot.take()
        try:
            return super().apply(cotangents, create_graph)
        finally:
            self._empty()

    def release(self):
        self.slot = None


class _KeptTensors:
    """Tensors that a user's function has saved, and that are computed again."""

    def __init__(self, slot):
        self.slot = slot

    def tensors(self):
        return self.slot.take()


class _Plain:
    """Tensors that are just kept."""

    def __init__(self, tensors):
        self._tensors = tensors

    def tensors(self):
        return self._tensors


class _Arguments:
    """The arguments of the first run, with the values that they had then."""

    def __init__(self, args):
        self.positions = [i for i, a in enumerate(args) if _is_dense(a)]
        tensors = [args[i] for i in self.positions]
        self.args = [None if _is_dense(a) else a for a in args]
        self.kept = around.kept(tensors)
        if self.kept is None:
            self.tensors = tensors
            self.values = [(held(t), edge_of(t)) for t in tensors]

    def again(self):
        """The arguments once more; a tensor that was changed in place as it was."""
        made = list(self.args)
        for position, tensor in zip(self.positions, self._tensors(), strict=True):
            made[position] = tensor
        return made

    def _tensors(self):
        if self.kept is not None:
            return self.kept.tensors()
        pairs = zip(self.tensors, self.values, strict=True)
        return [t if held(t) is array else _before(array, edge) for t, (array, edge) in pairs]


def _is_dense(argument) -> bool:
    """Whether it is a tensor, and not a sparse one."""
    return isinstance(argument, Tensor) and argument._specified is None


def _before(array, edge):
    made = wrap(array)
    if edge is not None:
        made._node, made._output = edge
    return made

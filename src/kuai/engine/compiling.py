"""kuai.compile: an ordinary imperative function as one XLA program.

The function is run once while its operations are traced (see `capturing`); the trace becomes a
`Program`. Later calls look for a program whose arguments have the same shapes and whose guards
still hold, and run that. Where there is none the function is captured anew. A function that needs a
concrete value while it is traced is run eagerly from then on, after one warning that names the
line, unless `fullgraph=True`.
"""

import functools
import traceback
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine import dtypes, modes, settings
from kuai.engine.backward import walk
from kuai.engine.capturing import Capture
from kuai.engine.devices import device_of
from kuai.engine.program import Equations, Outputs, Program, Result, Retrace, Sink
from kuai.engine.tape import AccumulateGrad, Node
from kuai.engine.tensor import Tensor, wrap
from kuai.engine.views import value
from kuai.errors import CompileError, DataDependentError

__all__ = ["Compiled", "compile"]

_TRACER_ERRORS = (
    DataDependentError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)
_MOST_RETRACES = 8


def compile(
    function=None,
    *,
    fullgraph: bool = False,
    dynamic=None,
    backend=None,
    mode=None,
    options=None,
    disable=False,
):
    """Compile a function, a method or a module into XLA programs; also usable as a decorator.

    Everything the function reads or writes, parameters, gradients, buffers, optimizer state, random
    numbers, is found by itself. The step may call `backward()` and `optimizer.step()`.

    Args:
        function: what to compile; a module is compiled in place and returned.
        fullgraph: raise an error where the function needs a concrete value, instead of running it
            eagerly.
        dynamic, backend, mode, options: accepted for PyTorch's sake; there is one backend, XLA.
        disable: return the function as it is.

    Example:
        >>> @kuai.compile
        ... def double(x):
        ...     return x * 2
        >>> double(kuai.tensor([1.0, 2.0]))
        tensor([2., 4.])

    Differs from PyTorch: a compiled module is the module itself, so its `state_dict` keys stay as
    they are.
    """
    if function is None:
        return functools.partial(compile, fullgraph=fullgraph, disable=disable)
    if disable or not settings.compile_enabled():
        return function
    if hasattr(function, "_call_impl"):
        function.compile(fullgraph=fullgraph)
        return function
    return Compiled(function, fullgraph)


class Compiled:
    """A compiled function: call it as the function it was made of."""

    def __init__(self, function, fullgraph: bool = False):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.fullgraph = fullgraph
        self.programs = {}  # signature -> programs, the last used first
        self.eager = {}  # signature -> why it runs eagerly
        self.retraces = []  # why each capture after the first was made

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        bound = self.__dict__.setdefault("_bound", {})
        found = bound.get(id(instance))
        if found is None or found.function.__self__ is not instance:
            found = bound[id(instance)] = Compiled(
                self.function.__get__(instance, owner), self.fullgraph
            )
        return found

    def __call__(self, *args, **kwargs):
        if modes.state.capture is not None:
            return self.function(*args, **kwargs)
        signature, tensors, rebuild = _signature(args, kwargs)
        if signature in self.eager:
            return self.function(*args, **kwargs)
        programs = self.programs.get(signature)
        if programs is None:
            programs = self.programs[signature] = []
        reason = None
        for program in programs:
            reason = program.stale(tensors)
            if reason is None:
                try:
                    return program(tensors)
                except Retrace:
                    reason = "the shape or dtype of a tensor"
                    programs.remove(program)
                    break
        return self._capture(signature, programs, tensors, rebuild, reason)

    def _capture(self, signature, programs, tensors, rebuild, reason):
        if any(self.programs.values()):
            self.retraces.append(reason or "other arguments")
        if len(programs) >= _MOST_RETRACES and not self.fullgraph:
            self.eager[signature] = reason
            warnings.warn(
                f"{self._name()} was captured {len(programs)} times because of {reason}, which "
                f"keeps "
                "changing; it runs eagerly from now on. Pass what changes as a tensor.",
                stacklevel=3,
            )
            return self._run_eagerly(rebuild, tensors)
        try:
            program = capture_program(self.function, tensors, rebuild, self._name())
        except _TRACER_ERRORS as error:
            if self.fullgraph:
                raise CompileError(
                    f"{self._name()} cannot be one program. {_where(error)}: {error}"
                ) from error
            self.eager[signature] = str(error)
            what = error.what if isinstance(error, DataDependentError) else "this line"
            warnings.warn(
                f"{self._name()} runs eagerly: {what} needs a concrete value at {_where(error)}",
                stacklevel=3,
            )
            return self._run_eagerly(rebuild, tensors)
        programs.insert(0, program)
        return program(tensors)

    def _run_eagerly(self, rebuild, tensors):
        args, kwargs = rebuild(tensors)
        return self.function(*args, **kwargs)

    def _name(self):
        return getattr(self.function, "__qualname__", type(self.function).__name__)


def _where(error) -> str:
    """The user's line in which an error arose."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in ("/kuai/", "/jax/", "<string>"))
    ]  # fmt: skip
    if not frames:
        return "an unknown line"
    return f'{frames[-1].filename}:{frames[-1].lineno} ("{(frames[-1].line or "").strip()}")'


# Signatures ---------------------------------------------------------------------------------------


def _is_leaf(thing):
    return isinstance(thing, Tensor)


def _aval(tensor):
    array = value(tensor)
    return (array.shape, array.dtype, tensor.requires_grad, device_of(array))


def _signature(args, kwargs):
    """A key for the arguments, the tensors among them, and how to put other tensors in their
    place."""
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_leaf)
    tensors, key = [], []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            tensors.append(leaf)
            key.append(_aval(leaf))
        else:
            key.append(_constant_key(leaf))
    if len(set(map(id, tensors))) != len(tensors):
        key.append(tuple(next(i for i, t in enumerate(tensors) if t is s) for s in tensors))

    def rebuild(others):
        arriving = iter(others)
        return jax.tree.unflatten(
            tree, [next(arriving) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        )

    state = modes.state
    return (
        (tree, tuple(key), state.grad_enabled, state.inference, dtypes.default_float_jax()),
        tensors,
        rebuild,
    )


class _Identity:
    """An argument that is compared by identity and kept alive."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, _Identity) and self.thing is other.thing

    def __hash__(self):
        return id(self.thing)


def _constant_key(leaf):
    if isinstance(leaf, (int, float, bool, complex, str, bytes, type(None))):
        return (type(leaf), leaf)
    if isinstance(leaf, (np.ndarray, np.generic)):
        return (type(leaf), leaf.shape, leaf.dtype, leaf.tobytes())
    return _Identity(leaf)


# Capturing ----------------------------------------------------------------------------------------


def capture_program(function, tensors, rebuild, name) -> Program:
    """Run a function once while its operations are traced, and make a program of the trace."""
    device = device_of(value(tensors[0])) if tensors else device_of(None)
    capture = Capture(device, Node("capture", ()).sequence)
    capture.guards.scan(function)
    outputs = Outputs()
    given = [(t, value(t), t.requires_grad) for t in tensors]  # as they are outside
    held = []  # what must live until the trace is done

    def traced():
        modes.state.capture = capture
        try:
            stand_ins = _stand_ins(capture, outputs, given)
            args, kwargs = rebuild(stand_ins)
            result = function(*args, **kwargs)
            held.extend((stand_ins, result))
            return _gather(capture, outputs, result, stand_ins)
        finally:
            modes.state.capture = None

    try:
        closed = jax.make_jaxpr(traced)()
    finally:
        capture.close()
    for index, tensor in enumerate(tensors):
        if tensor._storage in capture.aliased:
            outputs.aliased[index] = tensor._storage
    equations = Equations(closed, outputs.first_cotangent)
    found = closed.jaxpr.outvars
    count = len(found) - len(outputs.edges)
    outputs.forward, outputs.gradients = found[:count], found[count:]
    return Program(name, capture, equations, outputs)


def _stand_ins(capture, outputs, given):
    """A traced tensor for each argument; the same one where the same tensor is given twice."""
    made, by_id = [], {}
    for index, (tensor, array, requires_grad) in enumerate(given):
        stand_in = by_id.get(id(tensor))
        if stand_in is None:
            stand_in = wrap(capture.new_input(("argument", index), array.shape, array.dtype))
            stand_in._requires_grad = requires_grad
            stand_in._grad = tensor._grad
            by_id[id(tensor)] = stand_in
            outputs.stand_ins[id(stand_in)] = index
            if tensor._steps is None:
                capture.arguments[tensor._storage] = stand_in._storage
        made.append(stand_in)
    return made


def _gather(capture, outputs, result, stand_ins):
    """All arrays that leave the trace, in order: results, states, other sinks, gradients."""
    leaves, tree = jax.tree.flatten(result, is_leaf=_is_leaf)
    outputs.tree = None if isinstance(result, Tensor) else tree
    returned, roots = [], []
    boundary = _Boundary(capture, outputs)
    for leaf in leaves:
        outputs.results.append(_result(capture, outputs, leaf, returned, roots, boundary))
    outputs.count = len(returned)
    sunk = _sinks(capture, outputs, stand_ins)
    outputs.first_cotangent = len(capture.sources)
    gradients = _gradients(capture, outputs, roots, boundary)
    return [jnp.asarray(a) for a in (*returned, *sunk, *gradients)]


def _result(capture, outputs, leaf, returned, roots, boundary):
    if not isinstance(leaf, Tensor):
        return Result("constant", leaf)
    if id(leaf) in outputs.stand_ins:
        return Result("argument", outputs.stand_ins[id(leaf)])
    if (
        leaf._storage.home is not capture
        and leaf._base is None
        and leaf._node is None
        and leaf._steps is None
    ):
        return Result("same", leaf)
    returned.append(value(leaf))
    number = len(returned) - 1
    node = leaf.grad_fn
    if node is None:
        return Result("tensor", number, leaf._requires_grad)
    if not boundary.reach(node):
        return Result("tensor", number, True, node.name())
    roots.append(leaf)
    return Result("tensor", number, True, output=len(roots) - 1)


class _Boundary:
    """Where the graph of the returned tensors leaves the capture."""

    def __init__(self, capture, outputs):
        self.capture, self.outputs = capture, outputs
        self.edges = {}  # edge -> tensor or edge that gradients go to
        self.known = {}  # node -> whether nothing it leads to has been freed

    def reach(self, root) -> bool:
        """Note the edges below a node; whether its graph can still be walked."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node in self.known:
                continue
            self.known[node] = not _is_freed(node)
            if not self.known[node]:
                self.known[root] = False
                return False
            for edge in node.edges:
                if edge is not None and not self._leaves(edge):
                    if self.known.get(edge[0]) is False:
                        self.known[root] = False
                        return False
                    stack.append(edge[0])
        return True

    def _leaves(self, edge) -> bool:
        node = edge[0]
        if isinstance(node, AccumulateGrad):
            variable = node.variable
            if variable._storage.home is not self.capture or id(variable) in self.outputs.stand_ins:
                self.edges[edge] = variable
            return True
        if node.sequence < self.capture.first_sequence:
            self.edges[edge] = edge
            return True
        return False


def _is_freed(node) -> bool:
    return (
        getattr(node, "residuals", ()) is None
        or getattr(getattr(node, "ctx", None), "_saved", ()) is None
    )


def _gradients(capture, outputs, roots, boundary):
    """The backward pass of the returned tensors, traced with gradients yet to arrive."""
    if not roots or not boundary.edges:
        return []
    arriving = []
    for root in roots:
        array = value(root)
        outputs.avals.append((array.shape, array.dtype))
        arriving.append(wrap(capture.new_input(("cotangent",), array.shape, array.dtype)))
    edges = list(boundary.edges)
    found = walk(roots, arriving, True, False, edges, outside_hooks=False)
    pairs = [(edge, made) for edge, made in zip(edges, found, strict=True) if made is not None]
    outputs.edges = [boundary.edges[edge] for edge, _ in pairs]
    return [value(made) for _, made in pairs]


def _sinks(capture, outputs, stand_ins):
    """Arrays that are written to tensors outside, states first."""
    states, others = [], []
    argument_of = {id(s._storage): i for i, s in reversed(list(enumerate(stand_ins)))}
    grad_of = {
        id(s.initial._storage): s
        for s in capture.slots.values()
        if s.initial is not None and s.read
    }
    for storage, double in capture.written.items():
        if id(double) in argument_of:
            continue
        if id(storage) in grad_of and ("grad", grad_of[id(storage)].owner) in _grad_sources(
            capture
        ):
            others.append((Sink("grad", grad_of[id(storage)].owner), double.array))
        else:
            states.append((Sink("state", storage), double.array))
    for index, stand_in in enumerate(stand_ins):
        if stand_in._storage.version and argument_of[id(stand_in._storage)] == index:
            others.append((Sink("argument", index), stand_in._storage.array))
    for slot in capture.slots.values():
        if slot.written:
            others.append(_slot_sink(capture, outputs, slot))
    outputs.sinks = [sink for sink, _ in (*states, *others)]
    return [array for _, array in (*states, *others) if array is not None]


class _grad_sources:
    """Whether a slot's gradient was read as an input of its own."""

    def __init__(self, capture):
        self.owners = {id(s[1]) for s in capture.sources if s[0] == "grad"}

    def __contains__(self, pair):
        return id(pair[1]) in self.owners


def _slot_sink(capture, outputs, slot):
    current = slot.current
    if current is None:
        return Sink("no_grad", slot.owner), None
    if current._storage.home is capture and id(current) not in outputs.stand_ins:
        return Sink("new_grad", slot.owner), value(current)
    return Sink("same_grad", slot.owner, current), None

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

from kuai.engine import executables, settings
from kuai.engine.autograd.capturing import Capture
from kuai.engine.autograd.snapshots import in_words
from kuai.engine.autograd.tape import Node
from kuai.engine.compile.equations import Equations, Retrace
from kuai.engine.compile.explaining import Explanation, text_of
from kuai.engine.compile.host_randomness import HostRandomness
from kuai.engine.compile.outcome import gather
from kuai.engine.compile.padded_batches import PaddedBatches
from kuai.engine.compile.places import find_places
from kuai.engine.compile.program import Outputs, Program
from kuai.engine.compile.signatures import rebuild, signature
from kuai.engine.compile.ways import Ways
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.acceleration import whole_program
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.views import value
from kuai.errors import CompileError, DataDependentError, NotOneProgramError, drop_jax_note

__all__ = ["Compiled", "compile"]

TRACER_ERRORS = (
    DataDependentError,
    NotOneProgramError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)
_MOST_RETRACES = 8
_MOST_UNSTABLE = 2  # once may be setting something up


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

    Everything the function reads or writes, parameters, gradients, buffers, optimizer state, random
    numbers, is found by itself. The step may call `backward()` and `optimizer.step()`.

    Args:
        function: what to compile; a module is compiled in place and returned.
        fullgraph: raise an error where the function needs a concrete value, instead of running it
            eagerly.
        dynamic, backend, mode, options: accepted for PyTorch's sake; there is one backend, XLA.
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


class Compiled:
    """A compiled function: call it as the function it was made of."""

    def __init__(self, function, fullgraph: bool = False):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.fullgraph = fullgraph
        self.programs = {}  # key -> programs, the last used first
        self.eager = {}  # key -> why it runs eagerly
        self.unstable = {}  # key -> how many captures changed what they depended on
        self.ways = {}  # key -> the `Ways` of a function that branches
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
        state = modes.state
        if state.capture is not None or state.transforms or state.answers is not None:
            return self.function(*args, **kwargs)  # part of what is being traced
        if state.block is not None and state.block.steps:
            return self.function(*args, **kwargs)
        key, tensors, form = signature(args, kwargs)
        if key in self.eager:
            return self.function(*args, **kwargs)
        if key in self.ways:
            return self.ways[key](self, key, tensors, form)
        program, reason = self._fitting(key, tensors)
        if program is not None:
            try:
                return program(tensors)
            except Retrace:
                reason = "the shape or dtype of a tensor"
                self.programs[key].remove(program)
        with executables.compiling():
            program = self._capture(key, tensors, form, reason)
            if program is not None:
                return program(tensors)
        if key in self.ways:
            return self.ways[key].look(self, key, tensors, form)
        return self.function(*args, **kwargs)

    def prepared(self, *args):
        """The program for these arguments, or None if the function runs eagerly, and their tensors.

        Nothing is run but the capture of a new program.
        """
        key, tensors, form = signature(args, {})
        program, reason = self._fitting(key, tensors)
        if program is None and key not in self.eager:
            program = self._capture(key, tensors, form, reason)
        return program, tensors

    def _fitting(self, key, tensors):
        """A program that fits the present state, or None and why the last one does not."""
        reason = None
        for program in self.programs.get(key, ()):
            reason = program.stale(tensors)
            if reason is None:
                return program, None
        return None, reason

    def _capture(self, key, tensors, form, reason, way=None):
        """A new program, or None if the function is not to be one for these arguments."""
        programs = self.programs.setdefault(key, [])
        if any(self.programs.values()):
            self.retraces.append(reason or _described(form))
        if len(programs) >= _MOST_RETRACES and not self.fullgraph:
            return self._give_up(
                key, f"it was captured {len(programs)} times because of {reason}, "
                "which keeps changing. Pass what changes as a tensor",
            )  # fmt: skip
        if len(self.retraces) == _MOST_RETRACES:
            self._warn(
                f"was captured again {_MOST_RETRACES} times, now because of {self.retraces[-1]}. "
                "Each time takes as long as the first call: pass what changes as a tensor; for "
                "batches of many sizes there is dynamic_batch="
            )
        try:
            program, unstable = capture_program(self.function, tensors, form, self._name(), way)
        except TRACER_ERRORS as error:
            if self.fullgraph:
                raise CompileError(
                    f"{self._name()} cannot be one program. {_where(error)}: {error}"
                ) from error
            if getattr(error, "branches", False) and way is None:
                self.ways[key] = Ways()
                return self._warn(f"branches: {_reason(error)}")
            return self._give_up(key, _reason(error))
        if unstable is None:
            programs.insert(0, program)
        elif self._is_restless(key):
            why = f"changes {unstable} at every call"
            if self.fullgraph:
                raise CompileError(f"{self._name()} {why}, which a program cannot repeat")
            self._give_up(key, f"it {why}")
        return program

    def _is_restless(self, key) -> bool:
        """Whether the function has changed what it depends on once too often."""
        self.unstable[key] = self.unstable.get(key, 0) + 1
        return self.unstable[key] >= _MOST_UNSTABLE

    def _give_up(self, key, why):
        self.eager[key] = why
        self.ways.pop(key, None)
        self._warn(f"runs eagerly: {why}")

    def _warn(self, text):
        warnings.warn(f"{self._name()} {text}", stacklevel=5)

    def explain(self) -> Explanation:
        """What was captured and guarded, why it was captured again, and what a call costs.

        Example:
            >>> double = kuai.compile(lambda x: x * 2)
            >>> y = double(kuai.ones(3))
            >>> explanation = double.explain()  # print it
            >>> explanation.programs[0].arguments
            ['float32[3]']
        """
        return Explanation(self)

    def _name(self):
        return getattr(self.function, "__qualname__", type(self.function).__name__)


def _described(form) -> str:
    """The arguments of a call, for the reason of a capture."""
    mode = "" if modes.state.grad_enabled else ", without gradients"
    return f"other arguments: {', '.join(map(_text_of_leaf, form[0]))}{mode}"


def _text_of_leaf(leaf) -> str:
    return text_of(value(leaf)) if isinstance(leaf, Tensor) else in_words(leaf)


def _reason(error) -> str:
    """Why a function cannot be a program, for the warning."""
    if isinstance(error, NotOneProgramError):
        return error.reason
    what = error.what if isinstance(error, DataDependentError) else "this line"
    return f"{what} needs a concrete value at {_where(error)}"


def _where(error) -> str:
    """The user's line in which an error arose."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in ("/kuai/", "/jax/", "<string>"))
    ]  # fmt: skip
    if not frames:
        return "an unknown line"
    return f'{frames[-1].filename}:{frames[-1].lineno} ("{(frames[-1].line or "").strip()}")'


# Capturing ----------------------------------------------------------------------------------------


def capture_program(function, tensors, form, name, way=None):
    """Run a function once while its operations are traced, and make a program of the trace.

    `way` holds the truth values that a branching function is told when it asks.

    Also says what the trace depended on and has itself changed, in words, or None.
    """
    device = device_of(value(tensors[0])) if tensors else device_of(None)
    capture = Capture(device, Node("capture", ()).sequence, way)
    capture.guards.argument(function)
    for leaf in form[0]:
        capture.guards.argument(leaf)
    randomness = HostRandomness(capture.guards.generators)
    outputs = Outputs()
    given = [(t, value(t), t.requires_grad) for t in tensors]  # as they are outside
    held = []  # what must live until the trace is done

    def traced():
        modes.state.capture = capture
        try:
            stand_ins = _stand_ins(capture, outputs, given)
            args, kwargs = rebuild(form, stand_ins)
            result = _with_extras(capture, function(*args, **kwargs))
            if randomness.changed():
                raise NotOneProgramError("it draws random numbers from Python or NumPy")
            held.extend((stand_ins, result))
            return gather(capture, outputs, result, stand_ins)
        finally:
            modes.state.capture = None

    again = False  # whether the function is going to be run once more, eagerly
    try:
        with whole_program():
            closed = jax.make_jaxpr(traced)()
    except Exception as error:
        drop_jax_note(error)
        again = isinstance(error, TRACER_ERRORS)
        raise
    finally:
        capture.guards.spaces.restore(is_inside, everything=again)
        if again:
            randomness.restore()
        capture.close()
    unstable = capture.guards.settle()
    for index, tensor in enumerate(tensors):
        if tensor._storage in capture.aliased:
            outputs.aliased[index] = tensor._storage
    equations = Equations(closed, outputs.first_cotangent)
    found = closed.jaxpr.outvars
    count = len(found) - len(outputs.edges)
    outputs.forward, outputs.gradients = found[:count], found[count:]
    return Program(name, capture, equations, outputs), unstable


def is_inside(tensor) -> bool:
    """Whether a tensor was made in a trace."""
    return tensor._storage.home is not None


def _with_extras(capture, result):
    """What the function returned, with all else that has to leave the trace as tensors."""
    capture.guards.places, values = find_places(capture, is_inside)
    if capture.answered < len(capture.way or ()):
        raise NotOneProgramError("it went another way while it was traced")
    if not (values or capture.effects or capture.asked):
        return result
    return result, values, [arguments for _, arguments in capture.effects], capture.asked


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

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

from kuai.engine import modes, settings
from kuai.engine.capturing import Capture
from kuai.engine.devices import device_of
from kuai.engine.equations import Equations, Retrace
from kuai.engine.outcome import gather
from kuai.engine.program import Outputs, Program
from kuai.engine.signatures import rebuild, signature
from kuai.engine.tape import Node
from kuai.engine.tensor import wrap
from kuai.engine.views import value
from kuai.errors import CompileError, DataDependentError, drop_jax_note

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
        self.programs = {}  # key -> programs, the last used first
        self.eager = {}  # key -> why it runs eagerly
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
        key, tensors, form = signature(args, kwargs)
        if key in self.eager:
            return self.function(*args, **kwargs)
        programs = self.programs.get(key)
        if programs is None:
            programs = self.programs[key] = []
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
        return self._capture(key, programs, tensors, form, reason)

    def _capture(self, key, programs, tensors, form, reason):
        if any(self.programs.values()):
            self.retraces.append(reason or "other arguments")
        if len(programs) >= _MOST_RETRACES and not self.fullgraph:
            self.eager[key] = reason
            warnings.warn(
                f"{self._name()} was captured {len(programs)} times because of {reason}, which "
                f"keeps "
                "changing; it runs eagerly from now on. Pass what changes as a tensor.",
                stacklevel=3,
            )
            return self._run_eagerly(form, tensors)
        try:
            program = capture_program(self.function, tensors, form, self._name())
        except _TRACER_ERRORS as error:
            if self.fullgraph:
                raise CompileError(
                    f"{self._name()} cannot be one program. {_where(error)}: {error}"
                ) from error
            self.eager[key] = str(error)
            what = error.what if isinstance(error, DataDependentError) else "this line"
            warnings.warn(
                f"{self._name()} runs eagerly: {what} needs a concrete value at {_where(error)}",
                stacklevel=3,
            )
            return self._run_eagerly(form, tensors)
        programs.insert(0, program)
        return program(tensors)

    def _run_eagerly(self, form, tensors):
        args, kwargs = rebuild(form, tensors)
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


# Capturing ----------------------------------------------------------------------------------------


def capture_program(function, tensors, form, name) -> Program:
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
            args, kwargs = rebuild(form, stand_ins)
            result = function(*args, **kwargs)
            held.extend((stand_ins, result))
            return gather(capture, outputs, result, stand_ins)
        finally:
            modes.state.capture = None

    try:
        closed = jax.make_jaxpr(traced)()
    except Exception as error:
        drop_jax_note(error)
        raise
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

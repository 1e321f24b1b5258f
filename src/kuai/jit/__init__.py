"""`kuai.jit`: TorchScript's names. There is no TorchScript: functions and modules stay Python.

What TorchScript was for has other names here: `kuai.compile` makes a function fast, `kuai.export`
writes a model that runs without its source. So the decorators give back what they are given,
queries answer no, and `save` and `load` say what to use instead.
"""

import functools
import os
import tempfile
import typing
import weakref

from kuai.engine.late import late
from kuai.errors import FileFormatError
from kuai.jit import annotations as annotations
from kuai.jit.annotations import Attribute, Future
from kuai.nn.base.module import LATE, Module
from kuai.nn.parameter import Parameter
from kuai.saving import export as write_program, load_exported
from kuai.standin.refusing import refused

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "Future",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "ScriptWarning",
    "TracerWarning",
    "annotate",
    "annotations",
    "export",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "optimized_execution",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "set_fusion_strategy",
    "strict_fusion",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

__getattr__, __dir__ = late(
    "kuai.jit",
    (
        "_script",
        "_trace",
    ),
    {},
)

Final = typing.Final
_isinstance = isinstance


class Error(RuntimeError):
    """What TorchScript raises in PyTorch; never raised here."""


class TracerWarning(Warning):
    """What TorchScript's tracing warns with in PyTorch; never used here."""

    @staticmethod
    def ignore_lib_warnings():
        """Does nothing: there are none."""


class ScriptWarning(Warning):
    """What TorchScript warns with in PyTorch; never used here."""


class ScriptFunction:
    """The class of scripted functions in PyTorch; here nothing belongs to it."""


class _Kind(type):
    """Has what `script` and `trace` gave back count as an instance."""

    def __instancecheck__(cls, instance):
        if super().__instancecheck__(instance):
            return True
        named = cls.__name__ in ("ScriptModule", "RecursiveScriptModule")
        known = named and _isinstance(instance, Module)
        return known and (instance in _examples or instance in _scripted)


class ScriptModule(Module, metaclass=_Kind):
    """A module that was scripted, traced or loaded, or of a class written for TorchScript."""

    def save(self, f, **kwargs):
        """As `kuai.jit.save`."""
        save(self, f, **kwargs)


class RecursiveScriptModule(ScriptModule):
    """What `load` gives: a program with its weights, in modules as those that it was made of."""

    def __init__(self, program):
        super().__init__()
        self._program = program
        for weight in program.manifest["weights"]:
            *path, name = weight["name"].split(".")
            module: typing.Any = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, Module())
                module = module._modules[part]
            value = program.weights[weight["name"]]
            if weight.get("parameter", value.is_floating_point()):
                module.register_parameter(name, Parameter(value, value.is_floating_point()))
            else:
                module.register_buffer(name, value)

    @property
    def original_name(self) -> str:
        """The name of the class of the module that was saved."""
        return self._program.manifest["net"]

    def forward(self, *args, **kwargs):
        """Run the program with the weights that are here now."""
        self._program.weights = {
            name: weight.detach() for name, weight in self.state_dict(keep_vars=True).items()
        }
        return self._program(*args, **kwargs)

    def extra_repr(self) -> str:
        """As PyTorch shows it."""
        return f"original_name={self.original_name}"


def script(obj=None, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """The function, module or class itself: Kuai runs its Python.

    Example:
        >>> @kuai.jit.script
        ... def double(x):
        ...     return x * 2
        >>> double(kuai.ones(1))
        tensor([2.])

    Differs from PyTorch: nothing is compiled; `kuai.compile` does that.
    """
    if _isinstance(obj, Module) and obj not in _scripted:
        _scripted.add(obj)
        _note_first_call(obj)
    return script if obj is None else obj


def _note_first_call(module):
    """Have `save` know what a scripted module is called with."""

    def note(called, args, kwargs):
        handle.remove()
        _examples.setdefault(called, (args, kwargs))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)


def script_method(fn):
    """The method itself."""
    return fn


def script_if_tracing(fn):
    """The function itself."""
    return fn


def trace(
    func,
    example_inputs=None,
    optimize=None,
    check_trace=True,
    check_inputs=None,
    check_tolerance=1e-5,
    strict=True,
    _force_outplace=False,
    _module_class=None,
    _compilation_unit=None,
    example_kwarg_inputs=None,
    _store_inputs=True,
):
    """The function or module itself, once it has run on the example; `save` remembers that.

    A module then has PyTorch's `save`, too.

    Example:
        >>> traced = kuai.jit.trace(kuai.nn.Linear(3, 2), kuai.ones(1, 3))
        >>> path = tempfile.mkdtemp() + "/model.pt"
        >>> traced.save(path)
        >>> kuai.jit.load(path)(kuai.ones(5, 3)).shape
        torch.Size([5, 2])

    Differs from PyTorch: branches are taken anew in each call, not as in the example.
    """
    inputs = example_inputs if _isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    func(*(() if example_inputs is None else inputs), **(example_kwarg_inputs or {}))
    if _isinstance(func, Module) and example_inputs is not None:
        _examples[func] = tuple(inputs), dict(example_kwarg_inputs or {})
    return func


def trace_module(mod, inputs, *args, **kwargs):
    """The module itself, once each named method has run on its example."""
    for name, example in inputs.items():
        getattr(mod, name)(*(example if _isinstance(example, tuple) else (example,)))
    return mod


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """The module itself, which has to be in evaluation mode."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() "
            "on your module before freezing."
        )
    return mod


def optimize_for_inference(mod, other_methods=None):
    """The module itself, in evaluation mode."""
    return mod.eval()


def ignore(drop=False, **kwargs):
    """The function itself; also with brackets, `@ignore()`."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn):
    """The function itself."""
    return fn


def export(fn):
    """The function itself."""
    return fn


def interface(obj):
    """The class itself."""
    return obj


def _overload(func):
    return func


def _overload_method(func):
    return func


def _script_if_tracing(fn):
    return fn


def is_scripting() -> bool:
    """Whether the code is being turned into TorchScript: never.

    Example:
        >>> kuai.jit.is_scripting(), kuai.jit.is_tracing()
        (False, False)
    """
    return False


def is_tracing() -> bool:
    """Whether `trace` records this call: never, nothing is recorded by it."""
    return False


def annotate(the_type, the_value):
    """The value.

    Example:
        >>> kuai.jit.annotate(list[int], [])
        []
    """
    return the_value


def isinstance(obj, target_type) -> bool:
    """Whether `obj` is of a type such as `List[int]`, looking into lists, tuples and dicts.

    Example:
        >>> kuai.jit.isinstance([1, 2], list[int]), kuai.jit.isinstance([1, "a"], list[int])
        (True, False)
    """
    if _isinstance(target_type, tuple):
        return any(isinstance(obj, one) for one in target_type)
    origin, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        return obj is None if target_type is None else _isinstance(obj, target_type)
    if not _isinstance(origin, type) or origin.__name__ == "UnionType":
        return any(isinstance(obj, one) for one in inner)
    return _isinstance(obj, origin) and _parts_are(obj, origin, inner)


def _parts_are(obj, origin, inner):
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if origin is tuple and not (len(inner) == 2 and inner[1] is ...):
        return len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return all(isinstance(item, inner[0]) for item in obj)


def fork(func, *args, **kwargs):
    """Run the function now; `wait` gives its result."""
    return Future(func(*args, **kwargs))


def wait(future):
    """The result of what was forked."""
    return future.wait()


class optimized_execution:
    """A context that changes nothing."""

    def __init__(self, should_optimize: bool):
        self.should_optimize = should_optimize

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class strict_fusion(optimized_execution):
    """A context that changes nothing: XLA decides what is fused."""

    def __init__(self):
        super().__init__(True)


def set_fusion_strategy(strategy):
    """Changes nothing: XLA decides what is fused."""
    return strategy


def onednn_fusion_enabled() -> bool:
    """Whether TorchScript hands graphs to oneDNN: no."""
    return False


def enable_onednn_fusion(enabled: bool) -> None:
    """Changes nothing."""


_NO_SCRIPT = "TorchScript is a language and a file format of PyTorch's own"
#: What traced modules were traced with, and those that were scripted.
_examples: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_scripted: weakref.WeakSet = weakref.WeakSet()
_refused_save = refused(
    "torch.jit.save",
    f"{_NO_SCRIPT}, and a module that was neither traced nor called has no example to run on",
    "kuai.export(model, args, path) writes a program that runs without its source, "
    "kuai.save(model.state_dict(), path) its weights",
)  # fmt: skip
_refused_load = refused(
    "torch.jit.load", _NO_SCRIPT,
    "Load the weights into the model's class, or an exported program with kuai.load_exported",
)  # fmt: skip


def save(m, f, _extra_files=None):
    """Write a module that was traced, or scripted and called, as a program without its source.

    Args:
        f: a path, or a file that is open for writing bytes.

    Example:
        >>> path = tempfile.mkdtemp() + "/model.pt"
        >>> kuai.jit.save(kuai.jit.trace(kuai.nn.Linear(3, 2), kuai.ones(1, 3)), path)
        >>> kuai.jit.load(path)(kuai.ones(5, 3)).shape
        torch.Size([5, 2])

    Differs from PyTorch: the file is one of `kuai.export`, which PyTorch cannot read. A module that
    was not traced, or called since it was scripted, is refused.
    """
    if not (_isinstance(m, Module) and m in _examples):
        _refused_save()
    args, kwargs = _examples[m]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.zip")
        write_program(m, args, path, kwargs=kwargs)
        with open(path, "rb") as made:
            content = made.read()
    if hasattr(f, "write"):
        f.write(content)
        return
    with open(f, "wb") as file:
        file.write(content)


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """What `save` wrote, as a module with the same weights.

    Differs from PyTorch: TorchScript's own files are refused, and what is loaded computes no
    gradients.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f
        if hasattr(f, "read"):
            path = os.path.join(folder, "program.zip")
            with open(path, "wb") as file:
                file.write(f.read())
        try:
            return RecursiveScriptModule(load_exported(path))
        except FileFormatError:
            return _refused_load()


def _of_scripts(name, make):
    """Let modules that were traced or scripted have an attribute, and no others."""

    def attribute(module, text):
        if module in _examples or module in _scripted:
            return make(module)
        raise AttributeError(text)

    LATE[name] = attribute


def _no_graph(module):
    """Raised as an AttributeError, because this is an attribute and no call."""
    text = "TorchScript's graphs do not exist in Kuai. torch.fx.symbolic_trace(module) gives one"
    raise AttributeError(f"'{type(module).__name__}' object has no code of TorchScript: {text}")


_of_scripts("save", lambda module: functools.partial(save, module))
for _name in ("code", "code_with_constants", "graph", "inlined_graph"):
    _of_scripts(_name, _no_graph)


def _drop(fn):
    return fn


def _get_trace_graph(*args, **kwargs):
    return refused(
        "torch.jit._get_trace_graph", _NO_SCRIPT, "torch.fx.symbolic_trace gives a graph"
    )()

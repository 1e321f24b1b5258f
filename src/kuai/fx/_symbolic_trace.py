"""Symbolic tracing: a module's `forward`, run on stand-ins."""

from __future__ import annotations

import builtins
import functools
import inspect
import itertools
import math
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from kuai.checking import _assert
from kuai.engine.tensor import Tensor, overriding
from kuai.fx.codegen import PyTreeCodeGen, PyTreeInfo
from kuai.fx.graph import Graph
from kuai.fx.graph_module import GraphModule
from kuai.fx.node import Argument
from kuai.fx.proxy import ParameterProxy, Proxy, TracerBase
from kuai.nn.base.module import Module
from kuai.nn.modules.container import Sequential
from kuai.nn.parameter import Parameter
from kuai.utils import _pytree as pytree

__all__ = ["PH", "Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]

#: In `concrete_args`: a leaf that stays a parameter.
PH = type("PHBase", (), {"__repr__": lambda self: "PH"})()

_wrapped: dict[tuple[int, str], dict[str, Any]] = {}
_running: list[Tracer] = []


def is_fx_tracing() -> bool:
    """Whether a module is being traced.

    Example:
        >>> kuai.fx.is_fx_tracing()
        False
    """
    return bool(_running)


is_fx_symbolic_tracing = is_fx_tracing


def wrap(fn_or_name: str | Callable) -> Any:
    """Have calls of a function of this module become nodes, without looking inside; a decorator.

    Args:
        fn_or_name: a function at the top of a module, or the name of one there.

    Example:
        >>> @kuai.fx.wrap
        ... def f(x):
        ...     return x + len(x)
        >>> [n.name for n in kuai.fx.symbolic_trace(lambda x: f(x)).graph.nodes]
        ['x', 'f', 'output']
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = inspect.currentframe()
    caller = None if frame is None else frame.f_back
    if caller is None or caller.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped[id(caller.f_globals), name] = caller.f_globals
    return fn_or_name


class Tracer(TracerBase):
    """Traces modules; a subclass may decide what is a leaf.

    Args:
        autowrap_modules: modules whose functions become nodes when they are given stand-ins.
        autowrap_functions: more such functions.
        param_shapes_constant: whether shapes of parameters are numbers in the graph.
    """

    def __init__(
        self, autowrap_modules: tuple = (math,), autowrap_functions: tuple = (),
        param_shapes_constant: bool = False,
    ):  # fmt: skip
        functions = [
            f for m in autowrap_modules for n, f in vars(m).items() if n[0] != "_" and callable(f)
        ]
        self._autowrap_function_ids = {id(f) for f in (*functions, *autowrap_functions)}
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root: Module = Module()
        self.num_calls: dict[str, int] = {}
        self.module_stack = OrderedDict()

    # What a subclass may override -------------------------------------------------------------

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a module's call is one node: those of `kuai.nn`, but not Sequential."""
        ours = m.__module__.startswith(("kuai.nn", "kuai.ao", "torch.nn"))
        return ours and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """The dotted name of a submodule.

        Raises:
            NameError: it is none of the root's.
        """
        for name, found in self.root.named_modules():
            if found is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Module, forward: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        """What the call of a module gives while tracing."""
        path = self.path_of_module(m)
        calls = self.num_calls[path] = self.num_calls.get(path, -1) + 1
        self.module_stack[f"{path}@{calls}" if calls else path] = (path, type(m))
        try:
            if self.is_leaf_module(m, path):
                return self.create_proxy("call_module", path, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.module_stack.popitem()

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What reading an attribute of a module gives: nodes for its parameters and buffers."""
        if not isinstance(attr_val, Tensor):
            return attr_val
        parameter = isinstance(attr_val, Parameter)
        if not parameter and not self.proxy_buffer_attributes:
            return attr_val
        named = self.root.named_parameters() if parameter else self.root.named_buffers()
        for name, value in named:
            if value is attr_val:
                if name not in parameter_proxy_cache:
                    parameter_proxy_cache[name] = self._attribute(name, attr_val)
                return parameter_proxy_cache[name]
        return attr_val

    def _attribute(self, name, value):
        if not (self.param_shapes_constant and isinstance(value, Parameter)):
            return self.create_proxy("get_attr", name, (), {})
        made = lambda node: ParameterProxy(self, node, name, value)  # noqa: E731
        return self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=made)

    def create_arg(self, a: Any) -> Argument:
        """What an argument is in a node; tensors and modules become attributes of the root."""
        return super().create_arg(a)

    def _leaf(self, a: Any) -> Argument:
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        if isinstance(a, Tensor):
            return self.create_node("get_attr", self._name_of_tensor(a), (), {})
        return super()._leaf(a)

    def _name_of_tensor(self, tensor: Tensor) -> str:
        for name, value in (*self.root.named_parameters(), *self.root.named_buffers()):
            if value is tensor:
                return name
        if id(tensor) in self.tensor_attrs:
            return self.tensor_attrs[id(tensor)]
        name = self.get_fresh_qualname("_tensor_constant")
        self.tensor_attrs[id(tensor)] = name
        setattr(self.root, name, tensor)
        return name

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the root has not, a prefix with a number."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    # Tracing ----------------------------------------------------------------------------------

    def trace(self, root: Module | Callable, concrete_args: dict | None = None) -> Graph:
        """The graph of a module's `forward`, or of a function.

        Args:
            concrete_args: values of parameters that do not become parameters of the graph.
        """
        if isinstance(root, Module):
            self.root = root
            function = getattr(type(root), self.traced_func_name)
        else:
            self.root, function = Module(), root
        self.tensor_attrs = {
            id(v): f"{prefix}.{n}" if prefix else n
            for prefix, module in self.root.named_modules()
            for n, v in vars(module).items()
            if isinstance(v, Tensor)
        }
        kind = None if type(self) is Tracer else type(self)
        self.graph = Graph(owning_module=None, tracer_cls=kind or Tracer)
        function, args = self.create_args_for_root(
            function, isinstance(root, Module), concrete_args
        )
        with _Patches(self) as patches:
            patches.wrap_functions(getattr(function, "__globals__", {}))
            for module in self._autowrap_search:
                patches.wrap_functions(vars(module))
            result = function(*args)
            kind = _annotations(inspect.unwrap(function)).get("return")
            self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=kind)
        self.submodule_paths = None
        return self.graph

    def create_args_for_root(
        self, root_fn: Callable, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable, list[Any]]:
        """The function with a fixed number of parameters, and stand-ins for them."""
        function = inspect.unwrap(root_fn)
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if is_module and not names:
            raise RuntimeError("``self`` argument cannot be part of *args expansion!")
        given, described = list(names[is_module:]), inspect.signature(function).parameters
        concrete = _by_name(concrete_args, given)
        args: list[Any] = [self.root] if is_module else []
        args += [self._parameter(described[name], function, concrete) for name in given]
        rest = code.co_varnames[len(names) :]
        if code.co_flags & inspect.CO_VARARGS:
            args.append(self.create_proxy("placeholder", f"*{rest[0]}", (), {}))
            rest = rest[1:]
        if code.co_flags & inspect.CO_VARKEYWORDS:
            args.append(self.create_proxy("placeholder", f"**{rest[0]}", (), {}))
        fixed = _with_parameters(root_fn, len(args)) if len(args) > len(names) else root_fn
        if code.co_kwonlyargcount:
            fixed = _with_parameters(root_fn, len(args))
        if concrete_args is None:
            return fixed, args
        return self._taking_leaves(fixed, args, list(names))

    def _parameter(self, parameter: inspect.Parameter, function: Any, concrete: dict) -> Any:
        name = parameter.name
        default = () if parameter.default is parameter.empty else (parameter.default,)
        if name not in concrete:
            kind = _annotations(function).get(name)
            return self.create_proxy("placeholder", name, default, {}, type_expr=kind)
        count = itertools.count(1)
        return pytree.tree_map(
            lambda leaf: self._concrete(f"{name}_{next(count)}", default, leaf, name),
            concrete[name],
        )

    def _concrete(self, numbered: str, default: tuple, value: Any, name: str) -> Any:
        """A leaf of a concrete argument: it may still be given, if it is the same."""
        given = self.create_proxy("placeholder", numbered, default, {})
        if value is PH:
            return given
        text = f"{name} has been specialized to have value {value} but got another value"
        if type(value) in (bool, int, float, str, complex):
            _assert(given == value, text)
        elif value is None:
            self.create_proxy("call_function", _assert_is_none, (given, text), {})
        else:
            warnings.warn(
                f"Was not able to add assertion to guarantee correct input {name} to specialized "
                "function. It is up to the user to make sure that your inputs match the inputs you "
                "specialized the function with.",
                stacklevel=2,
            )
        return value

    def _taking_leaves(self, function: Callable, args: list, names: list[str]) -> tuple:
        """A function of the leaves of nested arguments, where there are such."""
        leaves, spec = pytree.tree_flatten(tuple(args))
        if all(child.is_leaf() for child in spec.children()):
            return function, args
        codegen = self.graph._codegen = PyTreeCodeGen(PyTreeInfo(names, spec, None))

        def of_leaves(*flat):
            result = function(*pytree.tree_unflatten(list(flat), spec))
            flat_result, codegen.pytree_info = (
                pytree.tree_flatten(result)[0],
                codegen.pytree_info._replace(out_spec=pytree.tree_structure(result)),
            )
            return flat_result

        return of_leaves, leaves


def _annotations(function: Any) -> dict[str, Any]:
    """The types that a function of the user's says; those of Kuai's layers are not PyTorch's."""
    if (getattr(function, "__module__", None) or "").startswith("kuai."):
        return {}
    return getattr(function, "__annotations__", {})


def _by_name(concrete_args: Any, names: list[str]) -> dict[str, Any]:
    if isinstance(concrete_args, tuple):
        if len(concrete_args) != len(names):
            raise RuntimeError(
                f"Tracing expected {len(names)} arguments but got {len(concrete_args)} concrete "
                "arguments"
            )
        return dict(zip(names, concrete_args, strict=True))
    return dict(concrete_args or {})


def _with_parameters(function: Callable, count: int) -> Callable:
    """The function with `*args`, `**kwargs` and what is by name only as plain parameters."""
    code = function.__code__
    flags = code.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    fixed = code.replace(
        co_flags=flags, co_argcount=count, co_kwonlyargcount=0, co_posonlyargcount=0
    )
    made = types.FunctionType(
        fixed, function.__globals__, function.__name__, None, function.__closure__
    )
    made.__annotations__ = {}
    return made


def _assert_is_none(value: Any, message: str) -> None:
    """Raise unless a value is None."""
    if value is not None:
        raise AssertionError(message)


class _Patches:
    """What is different while a module is traced: calls of modules, their attributes, functions."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.undo: list[Callable[[], None]] = []
        self.visited: set[int] = set()
        self.cache: dict[str, Any] = {}

    def __enter__(self) -> _Patches:
        overriding.ACTIVE.append("fx")
        _running.append(self.tracer)
        self._patch_modules()
        for (_, name), names in list(_wrapped.items()):
            self._patch(names, name, names.get(name, getattr(builtins, name, None)))
        return self

    def __exit__(self, *error: Any) -> None:
        for undo in reversed(self.undo):
            undo()
        _running.pop()
        overriding.ACTIVE.remove("fx")

    def _patch_modules(self):
        call, read, tracer = Module.__call__, Module.__getattr__, self.tracer

        @functools.wraps(call)
        def traced_call(mod, *args, **kwargs):
            self.wrap_functions(getattr(mod.forward, "__globals__", {}))
            return tracer.call_module(mod, lambda *a, **k: call(mod, *a, **k), args, kwargs)

        @functools.wraps(read)
        def traced_read(mod, attr):
            return tracer.getattr(attr, read(mod, attr), self.cache)

        setattr(Module, "__call__", traced_call)  # noqa: B010 - as they are put back
        setattr(Module, "__getattr__", traced_read)  # noqa: B010
        self.undo.append(lambda: setattr(Module, "__call__", call))
        self.undo.append(lambda: setattr(Module, "__getattr__", read))

    def wrap_functions(self, names: dict[str, Any]) -> None:
        """Have functions that are to be wrapped make nodes, where these global names reach them."""
        if id(names) in self.visited:
            return
        self.visited.add(id(names))
        for name, value in list(names.items()):
            if (
                name[:1] != "_"
                and callable(value)
                and id(value) in self.tracer._autowrap_function_ids
            ):
                self._patch(names, name, value)

    def _patch(self, names, name, function):
        if function is None or hasattr(function, "_fx_wraps"):
            return
        there = name in names
        names[name] = _noting(function)
        self.undo.append(lambda: names.__setitem__(name, function) if there else names.pop(name))


def _noting(function: Callable) -> Callable:
    """The function, whose calls with stand-ins become nodes."""

    @functools.wraps(function)
    def noting(*args, **kwargs):
        proxy = _find_proxy((args, kwargs))
        if proxy is None:
            return function(*args, **kwargs)
        made = proxy.tracer.create_proxy("call_function", function, args, kwargs)
        made.node.meta["is_wrapped"] = True
        return made

    noting._fx_wraps = function  # type: ignore[attr-defined]
    return noting


def _find_proxy(nested: Any) -> Proxy | None:
    if isinstance(nested, Proxy):
        return nested
    if isinstance(nested, dict):
        nested = nested.values()
    elif isinstance(nested, slice):
        nested = (nested.start, nested.stop, nested.step)
    elif not isinstance(nested, (tuple, list)):
        return None
    return next((found for part in nested if (found := _find_proxy(part)) is not None), None)


def symbolic_trace(root: Module | Callable, concrete_args: dict | None = None) -> GraphModule:
    """A module, or a function, as a graph that runs.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.Linear(2, 2), kuai.nn.ReLU())
        >>> traced = kuai.fx.symbolic_trace(net)
        >>> print(traced.code.strip())
        def forward(self, input):
            input_1 = input
            _0 = getattr(self, "0")(input_1);  input_1 = None
            _1 = getattr(self, "1")(_0);  _0 = None
            return _1

    Raises:
        TraceError: what happens depends on the value of a tensor.
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", "Graph")
    return GraphModule(tracer.root, graph, name)

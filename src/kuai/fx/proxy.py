"""Proxy: a stand-in for a value, that notes what is done to it."""

from __future__ import annotations

import dis
import inspect
import operator
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor, devices, dtypes, overriding
from kuai.fx.graph import Graph
from kuai.fx.node import Argument, Node, Target, map_aggregate

__all__ = [
    "Attribute",
    "GraphAppendingTracer",
    "ParameterProxy",
    "Proxy",
    "TraceError",
    "TracerBase",
]

_PLAIN = (
    str,
    int,
    float,
    bool,
    complex,
    bytes,
    type(None),
    type(...),
    dtypes.dtype,
    devices.device,
)


class TraceError(ValueError):
    """What a stand-in cannot do, because it has no value."""


class TracerBase:
    """What proxies report to: it makes nodes, and says what may be an argument of one."""

    graph: Graph
    record_stack_traces = False
    check_mutable_operations = False
    trace_asserts = False
    proxy_buffer_attributes = False
    module_stack: OrderedDict[str, tuple[str, Any]] = OrderedDict()
    traced_func_name = "forward"

    def create_node(
        self, kind: str, target: Target, args: tuple, kwargs: dict, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A node in the graph; it notes inside of which modules it was made."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if self.module_stack:
            node.meta["nn_module_stack"] = self.module_stack.copy()
        return node

    def proxy(self, node: Node) -> Proxy:
        """The stand-in for a node's result."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Target, args: tuple, kwargs: dict, name: str | None = None,
        type_expr: Any = None, proxy_factory_fn: Any = None,
    ) -> Any:  # fmt: skip
        """A node, and the stand-in for its result."""
        node = self.create_node(
            kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr
        )
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Argument:
        """What an argument is in a node: nodes for stand-ins, in containers too.

        Raises:
            NotImplementedError: it is of a type that no graph can hold.
        """
        if isinstance(a, (tuple, list, dict, slice)):
            return map_aggregate(a, self._leaf)
        return self._leaf(a)

    def _leaf(self, a: Any) -> Argument:
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, range):
            return range(*map(self.create_arg, (a.start, a.stop, a.step)))
        if isinstance(a, (*_PLAIN, Node, Tensor)) or callable(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """The truth of a stand-in: there is none."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """The parts of a stand-in, where the code says how many it wants."""
        count = _wanted_parts()
        if count is None:
            raise TraceError(
                "Proxy object cannot be iterated. This can be attempted when the Proxy is used in "
                "a loop or as a *args or **kwargs function argument. See the torch.fx docs on "
                "pytorch.org for a more detailed explanation of what types of control flow can be "
                "traced, and check out the Proxy docstring for help troubleshooting Proxy "
                "iteration errors"
            )
        return (obj.__getitem__(number) for number in range(count))

    def attribute(self, obj: Proxy, name: str) -> Any:
        """An attribute of a stand-in."""
        return Attribute(obj, name)

    def keys(self, obj: Proxy) -> Any:
        """The keys of a stand-in for a dict, for `**`."""
        return Attribute(obj, "keys")()


def _wanted_parts() -> int | None:
    """How many parts `a, b = proxy` asks for; None where the code does not say."""
    frame = inspect.currentframe()
    for _ in range(3):  # this function, `TracerBase.iter`, `Proxy.__iter__`
        frame = None if frame is None else frame.f_back
    if frame is None:
        return None
    for step in dis.get_instructions(frame.f_code):
        if step.offset == frame.f_lasti:
            return step.argval if step.opname == "UNPACK_SEQUENCE" else None
    return None


class GraphAppendingTracer(TracerBase):
    """A tracer that appends to a graph that is there."""

    def __init__(self, graph: Graph):
        self.graph = graph


class Proxy:
    """A stand-in for a value: operations on it become nodes of a graph.

    Example:
        >>> import kuai.fx
        >>> graph = kuai.fx.Graph()
        >>> x = kuai.fx.Proxy(graph.placeholder("x"))
        >>> kuai.sin(x) + x.shape[0]
        Proxy(add)
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None):
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node
        if not overriding.ACTIVE:  # operations ask from now on, as for a subclass of Tensor
            overriding.ACTIVE.append("Proxy")

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Any:
        if k in ("node", "tracer"):  # while a copy is being made
            raise AttributeError(k)
        return self.tracer.attribute(self, k)

    def __deepcopy__(self, memo: Any) -> Proxy:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be "
            "recorded, please call torch.fx.wrap('len') at module scope"
        )

    def __abs__(self) -> Any:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    def keys(self) -> Any:
        """The keys of a stand-in for a dict."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """What operations ask: the call becomes a node."""
        kwargs = kwargs or {}
        tracer = next(leaf for leaf in _leaves((args, kwargs)) if isinstance(leaf, Proxy)).tracer
        name = _method_only(func)
        if name is not None:
            return tracer.create_proxy("call_method", name, tuple(args), kwargs)
        return tracer.create_proxy("call_function", func, tuple(args), kwargs)


def _leaves(nested: Any) -> list[Any]:
    found: list[Any] = []
    map_aggregate(nested, found.append)
    return found


def _method_only(func: Any) -> str | None:
    """The name of an operation that is a method and no function."""
    functions = (REGISTRY.functions, REGISTRY.functional, *REGISTRY.modules.values())
    if any(func is other for scope in functions for other in scope.values()):
        return None
    return next((name for name, method in REGISTRY.methods.items() if method is func), None)


class Attribute(Proxy):
    """An attribute of a stand-in; it becomes a node if it is used otherwise than by a call."""

    def __init__(self, root: Proxy, attr: str):
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._made: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute."""
        made = self._made
        if made is None:
            place = (self.root, self.attr)
            made = self._made = self.tracer.create_proxy("call_function", getattr, place, {}).node
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A stand-in for a parameter, whose shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any):
        super().__init__(node, tracer)
        self.param, self.name = param, name

    @property
    def shape(self) -> Any:
        """The parameter's."""
        return self.param.shape

    def size(self) -> Any:
        """The parameter's."""
        return self.param.size()

    def dim(self) -> int:
        """The parameter's."""
        return self.param.dim()

    @property
    def ndim(self) -> int:
        """The parameter's."""
        return self.param.ndim

    def numel(self) -> int:
        """The parameter's."""
        return self.param.numel()


_MAGIC = (
    "eq", "ne", "lt", "gt", "le", "ge", "pos", "neg", "invert", "getitem", "add", "sub", "mul",
    "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and_", "or_", "xor",
)  # fmt: skip
_SWAPPABLE = _MAGIC[_MAGIC.index("add") :]


def _magic(function):
    def method(self, *args):
        return self.tracer.create_proxy("call_function", function, (self, *args), {})

    return method


def _swapped(function):
    def method(self, other):
        return self.tracer.create_proxy("call_function", function, (other, self), {})

    return method


for _name in _MAGIC:
    setattr(Proxy, f"__{_name.strip('_')}__", _magic(getattr(operator, _name)))
for _name in _SWAPPABLE:
    setattr(Proxy, f"__r{_name.strip('_')}__", _swapped(getattr(operator, _name)))
Proxy.__hash__ = object.__hash__

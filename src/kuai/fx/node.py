"""A node of a graph: one operation, with its arguments and who uses its result.

op              target                       what it stands for
placeholder     name of a parameter          an argument of the function
get_attr        dotted name                  a parameter, buffer or other attribute
call_function   the function                 target(*args, **kwargs)
call_method     name of the method           args[0].target(*args[1:], **kwargs)
call_module     dotted name                  the submodule, called
output          "output"                     the result, args[0]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kuai.fx.immutable_collections import immutable_dict, immutable_list
from kuai.fx.naming import printed_name, type_name

if TYPE_CHECKING:
    from kuai.fx.graph import Graph

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

Argument = Any
Target = Callable | str
BaseArgumentTypes = str | int | float | bool | complex

_OPS = (
    "placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root",
)  # fmt: skip
_impure: set[Callable] = set()


def has_side_effect(fn: Callable) -> Callable:
    """Say that calls of a function stay in a graph, also where nobody uses the result."""
    _impure.add(fn)
    return fn


def map_aggregate(a: Argument, fn: Callable[[Argument], Argument]) -> Argument:
    """Nested lists, tuples, dicts and slices with what `fn` makes of their leaves."""
    if isinstance(a, tuple):
        parts = [map_aggregate(part, fn) for part in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return immutable_list(map_aggregate(part, fn) for part in a)
    if isinstance(a, dict):
        return immutable_dict((key, map_aggregate(part, fn)) for key, part in a.items())
    if isinstance(a, slice):
        return slice(*(map_aggregate(part, fn) for part in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Argument, fn: Callable[[Node], Argument]) -> Argument:
    """The same for the nodes among the leaves."""
    return map_aggregate(a, lambda leaf: fn(leaf) if isinstance(leaf, Node) else leaf)


class Node:
    """One operation of a graph; made by `Graph.create_node`.

    Attributes:
        name: what its result is called in the code.
        users: the nodes that use its result, as the keys of a dict.
        meta: whatever somebody notes about it.
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Target, args: tuple, kwargs: dict,
        return_type: Any = None,
    ):  # fmt: skip
        if op not in _OPS:
            raise AssertionError(f"op '{op}' is not in _legal_ops")
        self.graph, self.name, self.op, self.target = graph, name, op, target
        self.type = return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._prev = self._next = self
        self._erased = False
        self._args: tuple = ()
        self._kwargs: dict = immutable_dict()
        self._update(tuple(args), dict(kwargs))

    # Arguments --------------------------------------------------------------------------------

    @property
    def args(self) -> tuple:
        """The arguments by place."""
        return self._args

    @args.setter
    def args(self, args: tuple) -> None:
        self._update(tuple(args), self._kwargs)

    @property
    def kwargs(self) -> dict:
        """The arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: Mapping) -> None:
        self._update(self._args, dict(kwargs))

    def _update(self, args, kwargs):
        for node in self._input_nodes:
            node.users.pop(self, None)
        self._input_nodes = {}
        note = lambda node: self._input_nodes.setdefault(node) or node  # noqa: E731
        self._args, self._kwargs = map_arg(args, note), map_arg(kwargs, note)
        for node in self._input_nodes:
            node.users.setdefault(self)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes whose results it uses."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Replace an argument."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Insert an argument."""
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Replace an argument by name."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Use another node wherever it used `old_input`."""
        swap = lambda node: new_input if node is old_input else node  # noqa: E731
        self._update(map_arg(self._args, swap), map_arg(self._kwargs, swap))

    def replace_all_uses_with(
        self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *, propagate_meta: bool = False,
    ) -> list[Node]:  # fmt: skip
        """Have all its users use another node; returns them."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        users = [user for user in self.users if delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    # Place ------------------------------------------------------------------------------------

    @property
    def next(self) -> Node:
        """The node after it."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before it."""
        return self._prev

    def _remove_from_list(self):
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Put another node before it."""
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._remove_from_list()
        before = self._prev
        before._next = self._prev = x
        x._prev, x._next = before, self

    def append(self, x: Node) -> None:
        """Put another node after it."""
        if x is not self._next:
            self._next.prepend(x)

    # What it is -------------------------------------------------------------------------------

    def is_impure(self) -> bool:
        """Whether it stays, also if nobody uses its result."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _impure or _writes(self.target)
        return self.op == "call_method" and str(self.target).endswith("_")

    def __lt__(self, other: Node) -> bool:
        order = {node: place for place, node in enumerate(self.graph.nodes)}
        return order[self] < order[other]

    @property
    def stack_trace(self) -> str | None:
        """The lines of the program that made it, if they were noted."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def _pretty_print_target(self, target: Any) -> str:
        return printed_name(target)

    def format_node(
        self, placeholder_names: Any = None, maybe_return_typename: Any = None, **options: Any
    ) -> str:
        """The node in one line."""
        kind = "" if self.type is None else f"{type_name(self.type)} "
        start = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}"
        if self.op == "placeholder":
            default = "" if not self._args else f"(default={self._args[0]})"
            return f"{start}[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"{start}[target={self.target}]"
        if self.op == "output":
            return f"return {self._args[0]}"
        return (
            f"{start}[target={printed_name(self.target)}]"
            f"(args = {_format(self._args)}, kwargs = {_format(self._kwargs)})"
        )

    def __repr__(self) -> str:
        return self.name


def _format(argument: Argument) -> str:
    if isinstance(argument, Node):
        return f"%{argument.name}"
    if isinstance(argument, tuple):
        inner = ", ".join(map(_format, argument))
        return f"({inner},)" if len(argument) == 1 else f"({inner})"
    if isinstance(argument, list):
        return f"[{', '.join(map(_format, argument))}]"
    if isinstance(argument, dict):
        return "{" + ", ".join(f"{k}: {_format(v)}" for k, v in argument.items()) + "}"
    return str(argument)


def _writes(function: Any) -> bool:
    """Whether a function says by its name that it writes into its argument."""
    name = getattr(function, "__name__", "")
    return name.endswith("_") and not name.endswith("__")

"""A graph: nodes in the order in which they run, and the Python code that does the same."""

from __future__ import annotations

import builtins
import contextlib
import copy
import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

from kuai.fx.codegen import NAMES, CodeGen, PythonCode, PyTreeCodeGen as _PyTreeCodeGen
from kuai.fx.naming import qualified_name
from kuai.fx.node import Argument, Node, Target, map_arg

__all__ = ["CodeGen", "Graph", "PythonCode"]

_PyTreeCodeGen = _PyTreeCodeGen


class _Nodes:
    """The nodes of a graph; also backwards."""

    def __init__(self, graph: Graph, backwards: bool = False):
        self.graph, self.backwards = graph, backwards

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = root._prev if self.backwards else root._next
        while node is not root:
            following = node._prev if self.backwards else node._next
            if not node._erased:
                yield node
            # a node that was moved or erased while it was looked at has lost its place
            node = (node._prev if self.backwards else node._next) if not node._erased else following

    def __reversed__(self) -> Any:  # `reversed` wants an iterator; a list of nodes is PyTorch's
        return _Nodes(self.graph, not self.backwards)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Graph:
    """Operations and their order.

    Example:
        >>> import kuai.fx
        >>> graph = kuai.fx.Graph()
        >>> x = graph.placeholder("x")
        >>> y = graph.call_function(kuai.relu, (x,))
        >>> _ = graph.output(y)
        >>> print(graph)
        graph():
            %x : [num_users=1] = placeholder[target=x]
            %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
            return relu
    """

    def __init__(
        self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None
    ):
        self._root = Node(self, "", "root", "", (), {})
        self._names: set[str] = set()
        self._insert: Callable[[Node], None] = self._root.prepend
        self.owning_module, self._tracer_cls, self._tracer_extras = (
            owning_module, tracer_cls, tracer_extras,
        )  # fmt: skip
        self._codegen = CodeGen()

    @property
    def nodes(self) -> _Nodes:
        """The nodes in order."""
        return _Nodes(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind (and with a target)."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def output_node(self) -> Node:
        """The node of the result."""
        node = self._root._prev
        if node.op != "output":
            raise AssertionError("Graph does not have an output node!")
        return node

    # Making nodes -----------------------------------------------------------------------------

    def create_node(
        self, op: str, target: Target, args: tuple | None = None, kwargs: dict | None = None,
        name: str | None = None, type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A new node at the place where nodes are inserted."""
        name = self._unique(name or self._target_to_str(target))
        node = Node(self, name, op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        return node

    def _target_to_str(self, target: Any) -> str:
        name = qualified_name(target).rpartition(".")[2] if callable(target) else str(target)
        name = name[2:-2] if name.startswith("__") and name.endswith("__") else name
        name = re.sub("[^0-9a-zA-Z_]+", "_", name)
        name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
        return f"_{name}" if name[:1].isdigit() else name or "node"

    def _unique(self, name: str) -> str:
        name = re.sub("[^0-9a-zA-Z_]+", "_", name)
        name = f"_{name}" if name[:1].isdigit() else name
        taken = keyword.iskeyword(name) or hasattr(builtins, name) or name in NAMES
        found = re.fullmatch(r"(.*)_(\d+)", name)
        base, number = (found[1], int(found[2])) if found else (name, 0)
        while taken or name in self._names:
            number, taken = number + 1, False
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """A parameter of the function."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple | None = None, kwargs: dict | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A call of a submodule."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: tuple | None = None, kwargs: dict | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable, args: tuple | None = None, kwargs: dict | None = None,
        type_expr: Any = None, name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """The result of the function."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(
        self, node: Node, arg_transform: Callable[[Node], Argument] = lambda n: n
    ) -> Node:
        """A copy of another graph's node; `arg_transform` gives this graph's nodes for its."""
        made = self.create_node(
            node.op, node.target, map_arg(node.args, arg_transform),
            map_arg(node.kwargs, arg_transform), node.name, node.type,
        )  # fmt: skip
        made.meta = copy.copy(node.meta)
        return made

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False
    ) -> Any:
        """Copy all nodes of another graph; gives what it returns."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: Any = None) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        made._codegen = copy.copy(self._codegen)
        values: dict[Node, Node] = {}
        copied = made.graph_copy(self, values, return_output_node=True)
        if copied is not None:
            result, old = copied
            made.output(result, old.type).meta = copy.copy(old.meta)
        if memo is not None:
            memo[id(self)] = made
        return made

    # Changing ---------------------------------------------------------------------------------

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node.

        Raises:
            RuntimeError: somebody uses its result.
        """
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in "
                f"the graph: {to_erase.users}!"
            )
        if to_erase._erased:
            return
        to_erase._remove_from_list()
        to_erase._erased = True
        to_erase._update((), {})

    @contextlib.contextmanager
    def _inserting(self, insert):
        before, self._insert = self._insert, insert
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n: Node | None = None) -> Any:
        """Insert new nodes before a node; without one, at the beginning. A context or for good."""
        return self._inserting(self._root.append if n is None else n.prepend)

    def inserting_after(self, n: Node | None = None) -> Any:
        """Insert new nodes after a node, in the order in which they are made."""
        place = [self._root if n is None else n]

        def insert(node):
            place[0].append(node)
            place[0] = node

        return self._inserting(insert)

    def eliminate_dead_code(self, is_impure_node: Callable | None = None) -> bool:
        """Remove nodes whose results nobody uses; whether there were any."""
        impure = is_impure_node or Node.is_impure
        unused = False
        for node in list(reversed(self.nodes)):
            if not node.users and not impure(node):
                self.erase_node(node)
                unused = True
        return unused

    def lint(self) -> None:
        """Raise if a node uses what comes later, is no node of this graph, or is named twice."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph")
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! "
                        f"Please check that Nodes in the graph are topologically ordered\n{self}"
                    )
            seen.add(node)
            names.add(node.name)

    # Showing ----------------------------------------------------------------------------------

    def python_code(
        self, root_module: str = "self", *, verbose: bool = False, **options: Any
    ) -> PythonCode:
        """The code of a function `forward(self, …)` that does the same.

        Args:
            verbose: with comments about where nodes come from.
        """
        return self._codegen.code_of(self, root_module, verbose)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Choose what writes the code."""
        self._codegen = codegen

    def process_inputs(self, *args: Any) -> Any:
        """What the placeholders are given, of what the function is given."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """What the function returns, of what the graph returns."""
        return self._codegen.process_outputs(out)

    def on_generate_code(self, make_transformer: Callable) -> Any:
        """Have a function change the lines of the code, from now on or as long as a context lasts.

        Args:
            make_transformer: is given the function before it, or None, and gives the next one; that
                one is given the lines of the body, and gives others.
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextlib.contextmanager
        def until_the_end():
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return until_the_end()

    def print_tabular(self) -> None:
        """Print a line for each node."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        print("\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]]))

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(node.format_node() for node in self.nodes)])

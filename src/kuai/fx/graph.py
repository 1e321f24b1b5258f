"""A graph: nodes in the order in which they run, and the Python code that does the same."""

from __future__ import annotations

import builtins
import contextlib
import copy
import keyword
import math
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import kuai
from kuai.engine.tensor import devices, dtypes
from kuai.engine.tensor.size import Size
from kuai.fx.node import Argument, Node, Target, map_arg
from kuai.overrides import resolve_name

__all__ = ["CodeGen", "Graph", "PythonCode"]


class PythonCode(NamedTuple):
    """The text of a function `forward`, and the names that it uses."""

    src: str
    globals: dict[str, Any]


#: How operators are written.
_OPERATORS = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "truediv": "{} / {}",
    "floordiv": "{} // {}", "mod": "{} % {}", "pow": "{} ** {}", "matmul": "{} @ {}",
    "lshift": "{} << {}", "rshift": "{} >> {}", "and_": "{} & {}", "or_": "{} | {}",
    "xor": "{} ^ {}", "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}",
    "le": "{} <= {}", "ge": "{} >= {}", "pos": "+{}", "neg": "-{}", "invert": "~{}",
    "getitem": "{}[{}]",
}  # fmt: skip


def _of_module(function: Any) -> str | None:
    """A function's name in `operator`, or None."""
    name = getattr(function, "__name__", "")
    return name if getattr(operator, name, None) is function else None


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

    def __reversed__(self) -> _Nodes:
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
            %relu : [num_users=1] = call_function[target=relu](args = (%x,), kwargs = {})
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
        if callable(target):
            known = resolve_name(target)
            name = (
                known.rpartition(".")[2]
                if known
                else getattr(target, "__name__", type(target).__name__)
            )
        else:
            name = str(target)
        name = name[2:-2] if name.startswith("__") and name.endswith("__") else name
        name = re.sub("[^0-9a-zA-Z_]+", "_", name)
        name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
        return f"_{name}" if name[:1].isdigit() else name or "node"

    def _unique(self, name: str) -> str:
        name = re.sub("[^0-9a-zA-Z_]+", "_", name)
        name = f"_{name}" if name[:1].isdigit() else name
        taken = keyword.iskeyword(name) or hasattr(builtins, name) or name in ("self", "torch")
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
                        f"Argument '{used}' of Node '{node}' was used before it has been defined!"
                    )
            seen.add(node)
            names.add(node.name)

    # Showing ----------------------------------------------------------------------------------

    def python_code(self, root_module: str = "self", *, verbose: bool = False, **options: Any):
        """The code of a function `forward(self, …)` that does the same."""
        return self._codegen.code_of(self, root_module)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Choose what writes the code."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Any) -> Any:
        """Accepted for PyTorch's sake; the code is written as the graph says."""
        return contextlib.nullcontext()

    def print_tabular(self) -> None:
        """Print a line for each node."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        print("\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]]))

    def __str__(self) -> str:
        lines = []
        for node in self.nodes:
            text = node.format_node()
            lines.append(text.replace("%", "") if node.op == "output" else text)
        return "\n    ".join(["graph():", *lines])


class CodeGen:
    """Writes the code of a graph."""

    def code_of(self, graph: Graph, root_module: str) -> PythonCode:
        """The code of a function `forward(self, …)`."""
        names: dict[str, Any] = {"torch": kuai, "device": devices.device, "inf": math.inf}
        names["nan"] = math.nan
        writer = _Writer(graph, root_module, names)
        body = writer.lines() or ["pass"]
        parameters = ", ".join([root_module, *writer.parameters])
        src = f"\n\n\ndef forward({parameters}):\n" + "\n".join(f"    {line}" for line in body)
        return PythonCode(src + "\n    ", names)


class _Writer:
    """Writes nodes as lines, and collects the names they use."""

    def __init__(self, graph: Graph, root: str, names: dict[str, Any]):
        self.graph, self.root, self.names = graph, root, names
        self.parameters: list[str] = []
        self.last_uses = self._last_uses()

    def _last_uses(self) -> dict[Node, list[Node]]:
        """For each node, those that nobody needs after it."""
        found: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(self.graph.nodes):
            for used in node.all_input_nodes:
                if used not in seen:
                    seen.add(used)
                    found.setdefault(node, []).append(used)
        return found

    def lines(self) -> list[str]:
        written = ((node, self.line(node)) for node in self.graph.nodes)
        return [line + self._forget(node) for node, line in written if line]

    def _forget(self, node: Node) -> str:
        if node.op in ("placeholder", "output"):
            return ""
        used = [n.name for n in self.last_uses.get(node, [])]
        used += [] if node.users else [node.name]
        return f";  {' = '.join(used)} = None" if used else ""

    def line(self, node: Node) -> str:
        """The line of one node; parameters go to the function's head."""
        if node.op == "placeholder":
            return self._parameter(node)
        if node.op == "output":
            return f"return {self.text(node.args[0])}"
        return f"{node.name} = {self._right_side(node)}"

    def _parameter(self, node: Node) -> str:
        stars = re.match(r"\*{0,2}", str(node.target))[0]  # type: ignore[index]
        plain = str(node.target).lstrip("*")
        default = f" = {self.text(node.args[0])}" if node.args else ""
        self.parameters.append(f"{stars}{plain}{default}")
        return "" if plain == node.name else f"{node.name} = {plain}"

    def _right_side(self, node: Node) -> str:
        if node.op == "get_attr":
            return self._path(str(node.target))
        if node.op == "call_module":
            return f"{self._path(str(node.target))}({self._arguments(node.args, node.kwargs)})"
        if node.op == "call_method":
            first, *rest = node.args
            return f"{self.text(first)}.{node.target}({self._arguments(rest, node.kwargs)})"
        return self._call(node)

    def _call(self, node: Node) -> str:
        target: Any = node.target
        name = _of_module(target)
        if name in _OPERATORS and not node.kwargs:
            return _OPERATORS[name].format(*map(self.text, node.args))
        if name is not None:
            module = self._use("operator", operator)
            return f"{module}.{name}({self._arguments(node.args, node.kwargs)})"
        simple = target is getattr and len(node.args) == 2 and str(node.args[1]).isidentifier()
        if simple:
            return f"{self.text(node.args[0])}.{node.args[1]}"
        return f"{self._function(target)}({self._arguments(node.args, node.kwargs)})"

    def _use(self, name: str, value: Any) -> str:
        """The name under which the code finds something."""
        unique, number = name, 0
        while unique in self.names and self.names[unique] is not value:
            number += 1
            unique = f"{name}_{number}"
        self.names[unique] = value
        return unique

    def _function(self, target: Any) -> str:
        if getattr(builtins, getattr(target, "__name__", ""), None) is target:
            return target.__name__
        known = resolve_name(target)
        if known is not None and not known.startswith("torch.Tensor"):
            return known
        module = getattr(target, "__module__", "") or ""
        name = getattr(target, "__qualname__", type(target).__name__)
        return self._use(re.sub(r"\W+", "_", f"{module}.{name}".strip(".")), target)

    def _path(self, target: str) -> str:
        text = self.root
        for part in target.split("."):
            text = f"{text}.{part}" if part.isidentifier() else f'getattr({text}, "{part}")'
        return text

    def _arguments(self, args, kwargs) -> str:
        given = [self.text(argument) for argument in args]
        return ", ".join(given + [f"{name} = {self.text(v)}" for name, v in kwargs.items()])

    def text(self, argument: Argument) -> str:
        """An argument as code."""
        if isinstance(argument, Node):
            return argument.name
        if isinstance(argument, Size):
            return f"torch.Size([{', '.join(map(self.text, argument))}])"
        if isinstance(argument, tuple) and hasattr(argument, "_fields"):
            kind = self._use(type(argument).__name__, type(argument))
            return f"{kind}({', '.join(map(self.text, argument))})"
        if isinstance(argument, tuple):
            return f"({', '.join(map(self.text, argument))}{',' if len(argument) == 1 else ''})"
        if isinstance(argument, list):
            return f"[{', '.join(map(self.text, argument))}]"
        if isinstance(argument, dict):
            pairs = (f"{self.text(k)}: {self.text(v)}" for k, v in argument.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(argument, slice):
            ends = map(self.text, (argument.start, argument.stop, argument.step))
            return f"slice({', '.join(ends)})"
        plain = (
            int,
            float,
            complex,
            str,
            bytes,
            type(None),
            type(...),
            dtypes.dtype,
            devices.device,
        )
        if type(argument) in (bool, *plain):
            return "..." if argument is ... else repr(argument)
        if callable(argument):
            return self._function(argument)
        return self._use("_constant", argument)

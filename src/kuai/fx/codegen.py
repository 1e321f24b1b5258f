"""The Python code of a graph: what a graph's nodes are as lines of a function `forward`."""

from __future__ import annotations

import builtins
import math
import operator
import re
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import kuai
from kuai.engine.tensor import Tensor, devices, dtypes
from kuai.engine.tensor.size import Size
from kuai.fx import _pytree as fx_pytree
from kuai.fx.naming import qualified_name, type_name
from kuai.fx.node import Argument, Node
from kuai.utils import _pytree as pytree

if TYPE_CHECKING:
    from kuai.fx.graph import Graph

__all__ = ["NAMES", "CodeGen", "PythonCode"]


class PythonCode(NamedTuple):
    """The text of a function `forward`, and the names that it uses."""

    src: str
    globals: dict[str, Any]


#: Names that every graph's code may use.
NAMES: dict[str, Any] = {
    "inf": math.inf, "nan": math.nan, "NoneType": type(None), "torch": kuai,
    "device": devices.device, "fx_pytree": fx_pytree, "pytree": pytree,
}  # fmt: skip

#: How operators are written.
_OPERATORS = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "truediv": "{} / {}",
    "floordiv": "{} // {}", "mod": "{} % {}", "pow": "{} ** {}", "matmul": "{} @ {}",
    "lshift": "{} << {}", "rshift": "{} >> {}", "and_": "{} & {}", "or_": "{} | {}",
    "xor": "{} ^ {}", "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}",
    "le": "{} <= {}", "ge": "{} >= {}", "pos": "+{}", "neg": "-{}", "invert": "~{}",
    "getitem": "{}[{}]",
}  # fmt: skip


class CodeGen:
    """Writes the code of a graph; a subclass may give the function another head or result."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"
        self._text: Callable[[Any], str] = repr

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The function's head, from its parameters as text and ` -> type` or nothing."""
        parameters = free_vars if free_vars[:1] == ["self"] else ["self", *free_vars]
        return f"def {self._func_name}({', '.join(parameters)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Argument) -> str:
        """The line that returns the result."""
        return f"return {self._text(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """What the placeholders are given, of what the function is given."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What the function returns, of what the graph returns."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """More names that the code uses, with their values."""
        return []

    def code_of(self, graph: Graph, root_module: str, verbose: bool = False) -> PythonCode:
        """The code of a function `forward(self, …)`."""
        names = {**NAMES, **dict(self.additional_globals())}
        writer = _Writer(graph, root_module, names, self, verbose)
        self._text = writer.text
        body = [f"{line}\n" for line in writer.lines()] or ["pass\n"]
        if self._body_transformer is not None:
            body = self._body_transformer(body)
        head = self.gen_fn_def(writer.parameters, writer.result_type)
        lines = "".join(body).rstrip("\n").split("\n")
        indented = "\n".join(f"    {line}" for line in [*head.split("\n")[1:], *lines])
        head = head.split("\n")[0]
        wrapped = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in writer.wrapped)
        return PythonCode(f"\n{wrapped}\n\n{head}\n{indented}\n    ", names)


class PyTreeInfo(NamedTuple):
    """How the arguments and the result of a function are nested."""

    orig_args: list[str]
    in_spec: pytree.TreeSpec
    out_spec: pytree.TreeSpec | None


class PyTreeCodeGen(CodeGen):
    """Writes a function of nested arguments for a graph of their leaves."""

    def __init__(self, pytree_info: PyTreeInfo):
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        """The leaves."""
        return pytree.arg_tree_leaves(*inputs)

    def process_outputs(self, outputs: Any) -> Any:
        """The result, nested."""
        spec = self.pytree_info.out_spec
        if spec is None:
            return outputs
        leaves = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return pytree.tree_unflatten(leaves, spec)

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The head, and the line that takes the arguments apart."""
        arguments = self.pytree_info.orig_args
        head = super().gen_fn_def(arguments, maybe_return_annotation)
        if not free_vars:
            return head
        leaves = ", ".join(re.split(r"\s|:", var)[0] for var in free_vars)
        given = ", ".join(arguments)
        return f"{head}\n{leaves}, = fx_pytree.tree_flatten_spec([{given}], self._in_spec)"

    def generate_output(self, output_args: Argument) -> str:
        """The line that returns the result, nested."""
        if self.pytree_info.out_spec is None:
            return super().generate_output(output_args)
        return f"return pytree.tree_unflatten({self._text(output_args)}, self._out_spec)"


class _Writer:
    """Writes nodes as lines, and collects the names they use."""

    def __init__(
        self, graph: Graph, root: str, names: dict[str, Any], codegen: CodeGen, verbose: bool
    ):
        self.graph, self.root, self.names, self.codegen = graph, root, names, codegen
        self.wrapped: dict[str, None] = {}  # what becomes a node if this code is traced, too
        self.verbose, self.result_type = verbose, ""
        self.parameters: list[str] = []
        self.last_uses = self._last_uses()
        self.traced: str | None = None

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
        return [self._where(n) + line + self._forget(n) for n, line in written if line]

    def _where(self, node: Node) -> str:
        """With `verbose`, a comment about the lines of the program that made the next nodes."""
        if not self.verbose or node.op in ("placeholder", "output"):
            return ""
        before, self.traced = self.traced, node.stack_trace or ""
        if self.traced == before:
            return ""
        if not self.traced:
            return "# No stacktrace found for following nodes\n"
        return f"# {self.traced.strip().splitlines()[-1].strip()}\n"

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
        kind = "" if node.type is None else self.annotation(node.type)
        if node.op == "output":
            self.result_type = kind and f" -> {kind}"
            return self.codegen.generate_output(node.args[0])
        return f"{node.name}{kind and f' : {kind}'} = {self._right_side(node)}"

    def _parameter(self, node: Node) -> str:
        plain = str(node.target).lstrip("*")
        kind = "" if node.type is None else f" : {self.annotation(node.type)}"
        default = f" = {self.text(node.args[0])}" if node.args else ""
        self.parameters.append(f"{node.target}{kind}{default}")
        return "" if plain == node.name else f"{node.name} = {plain}"

    def annotation(self, kind: Any) -> str:
        """A type as code."""
        if kind is Tensor:
            return "torch.Tensor"
        if getattr(builtins, getattr(kind, "__name__", ""), None) is kind:
            return kind.__name__
        inner = typing.get_args(kind)
        if not inner or isinstance(kind, types.GenericAlias) and kind.__module__ == "builtins":
            return self._use(re.sub(r"\W+", "_", type_name(kind)), kind)
        parts = ",".join("..." if part is ... else self.annotation(part) for part in inner)
        name = getattr(kind, "_name", None) or getattr(kind.__origin__, "_name", "")
        outer: Any = getattr(typing, "Union" if name == "Optional" else name, kind.__origin__)
        return f"{self._use(f'typing_{outer._name}', outer)}[{parts}]"

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
        name = getattr(target, "__name__", "")
        if name in _OPERATORS and getattr(operator, name) is target and not node.kwargs:
            return _OPERATORS[name].format(*map(self.text, node.args))
        if target is getattr and len(node.args) == 2 and str(node.args[1]).isidentifier():
            return f"{self.text(node.args[0])}.{node.args[1]}"
        function = self._function(target)
        if node.meta.get("is_wrapped"):
            self.wrapped[function] = None
        return f"{function}({self._arguments(node.args, node.kwargs)})"

    def _use(self, name: str, value: Any) -> str:
        """The name under which the code finds something."""
        unique, number = name, 0
        while unique in self.names and self.names[unique] is not value:
            number += 1
            unique = f"{name}_{number}"
        self.names[unique] = value
        return unique

    def _function(self, target: Any) -> str:
        name = qualified_name(target)
        if "." not in name and getattr(builtins, name, None) is target:
            return name
        if name.startswith("torch.") and _found(name) is target:
            return name
        return self._use(re.sub(r"\W+", "_", name.strip(".")), target)

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
        if isinstance(argument, (tuple, list, dict, slice)):
            return self._nested(argument)
        if type(argument) in _PLAIN:
            return repr(argument)
        if callable(argument):
            return self._function(argument)
        return self._use("_constant", argument)

    def _nested(self, argument: Any) -> str:
        if isinstance(argument, slice):
            ends = map(self.text, (argument.start, argument.stop, argument.step))
            return f"slice({', '.join(ends)})"
        if isinstance(argument, dict):
            pairs = (f"{self.text(k)}: {self.text(v)}" for k, v in argument.items())
            return "{" + ", ".join(pairs) + "}"
        inner = ", ".join(map(self.text, argument))
        if isinstance(argument, Size):
            return f"torch.Size([{inner}])"
        if hasattr(argument, "_fields"):
            return f"{self._use(type(argument).__name__, type(argument))}({inner})"
        if isinstance(argument, tuple):
            return f"({inner}{',' if len(argument) == 1 else ''})"
        return f"[{inner}]"


_PLAIN = {
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    type(None),
    type(...),
    dtypes.dtype,
    devices.device,
}


def _found(name: str) -> Any:
    """What a dotted name below `torch` is."""
    place: Any = kuai
    for part in name.split(".")[1:]:
        place = getattr(place, part, None)
    return place

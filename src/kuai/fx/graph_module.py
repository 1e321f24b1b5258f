"""GraphModule: a module whose `forward` is a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
import os
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.fx.graph import Graph, PythonCode
from kuai.fx.node import map_aggregate, map_arg
from kuai.nn.base.module import Module
from kuai.nn.parameter import Parameter

__all__ = ["GraphModule", "reduce_graph_module"]

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
_numbers = itertools.count()


def _compiled(code: PythonCode) -> Any:
    """The function `forward` of a text, whose lines tracebacks can show."""
    file = f"<kuai.fx graph {next(_numbers)}>"
    linecache.cache[file] = (len(code.src), None, code.src.splitlines(True), file)
    names = dict(code.globals)
    exec(compile(code.src, file, "exec"), names)
    return names["forward"]


class _CodeOnlyModule(Module):
    """A module with the attributes of another, by which a copy is made."""

    def __init__(self, body: dict[str, Any]):
        super().__init__()
        self.__dict__ = body


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Let `to_module` have what `from_module` has under a dotted name."""
    *path, field = target.split(".")
    for name in path:
        child = getattr(from_module, name)
        if not hasattr(to_module, name):
            setattr(to_module, name, Module())
        from_module, to_module = child, getattr(to_module, name)
        if from_module is to_module:
            return  # all of it is there
    value = getattr(from_module, field)
    if field in from_module._buffers:
        to_module.register_buffer(
            field, value, field not in from_module._non_persistent_buffers_set
        )
    else:
        _set(to_module, field, value)


def _set(module: Module, field: str, value: Any) -> None:
    """Let a module have something; a tensor becomes a buffer."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        module.__dict__.pop(field, None)
        module.register_buffer(field, value)
    else:
        setattr(module, field, value)


def _assign_attr(value: Any, to_module: Module, target: str) -> None:
    *path, field = target.split(".")
    for name in path:
        if not hasattr(to_module, name):
            setattr(to_module, name, Module())
        to_module = getattr(to_module, name)
    _set(to_module, field, value)


class GraphModule(Module):
    """A module that runs a graph; it has a class of its own, with `forward` as the graph says.

    Args:
        root: where parameters and submodules come from: a module, or a dict by dotted names.
        graph: is not copied; call `recompile()` after changing it.
        class_name: what the class is called.

    Example:
        >>> import operator
        >>> traced = kuai.fx.symbolic_trace(lambda x: kuai.relu(x) + 1)
        >>> for node in traced.graph.nodes:
        ...     if node.target is operator.add:
        ...         node.target = operator.sub
        >>> traced.recompile().src.strip().splitlines()[2].strip()
        'add = relu - 1;  relu = None'
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        base = next(kind for kind in cls.__mro__ if kind.__name__ != "GraphModuleImpl")
        made: Any = type("GraphModuleImpl", (base,), {})
        return super().__new__(made)

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule"):
        super().__init__()
        type(self).__name__ = class_name
        wanted = [n.target for n in graph.nodes if n.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = getattr(root, "training", True)
            for target in wanted:
                _copy_attr(root, self, str(target))
        else:
            self._take(root, wanted)
        self.meta: dict[str, Any] = dict(getattr(root, "meta", {}))
        self.graph = graph
        self._tracer_cls = graph._tracer_cls

    def _take(self, root, wanted):
        for target in sorted(set(map(str, wanted)), key=lambda name: name.count(".")):
            if target not in root:
                raise RuntimeError(
                    f"Node {target} referenced target {target} but that target was not provided in "
                    "``root``!"
                )
            _assign_attr(root[target], self, target)

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph

    @graph.setter
    def graph(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(graph)}")
        self._graph = graph
        graph.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Write the code of the graph, and run that from now on."""
        nested = getattr(self._graph._codegen, "pytree_info", None)
        if nested is not None:
            self._in_spec, self._out_spec = nested.in_spec, nested.out_spec
        code = self._graph.python_code("self")
        self._code = code.src
        type(self).forward = _compiled(code)
        return code

    @property
    def code(self) -> str:
        """The code that is run."""
        return self._code

    def print_readable(self, print_output: bool = True, **options: Any) -> str:
        """The code with the class around it."""
        code = self._graph.python_code("self", verbose=True).src
        body = "\n".join(f"    {line}".rstrip() for line in code.strip("\n").splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body}"
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])

    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module under a dotted name; whether there was room."""
        *path, field = target.split(".")
        place: Module = self
        for name in path:
            child = getattr(place, name, None)
            if child is None:
                child = Module()
                setattr(place, name, child)
            if not isinstance(child, Module):
                return False
            place = child
        place.add_module(field, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove a module; whether it was there."""
        *path, field = target.split(".")
        place: Any = self
        for name in path:
            place = getattr(place, name, None)
        if not isinstance(getattr(place, field, None), Module):
            return False
        delattr(place, field)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove modules that the graph does not use."""
        used = {str(n.target) for n in self._graph.nodes if n.op in ("call_module", "get_attr")}
        keep = {".".join(u.split(".")[:i]) for u in used for i in range(1, u.count(".") + 2)}
        for name, _ in list(self.named_modules()):
            inside = any(name.startswith(f"{one}.") for one in used)
            if name and name not in keep and not inside:
                self.delete_submodule(name)

    def to_folder(self, folder: str | os.PathLike, module_name: str = "FxModule") -> None:
        """Write the code to a folder."""
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "module.py"), "w", encoding="utf-8") as file:
            file.write(f"import torch\n\n{self.print_readable(False)}")

    # Copies -----------------------------------------------------------------------------------

    def _deepcopy_init(self):
        return GraphModule.__init__

    def __deepcopy__(self, memo: dict) -> Any:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        body = copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "_graph"}, memo)
        graph = copy.deepcopy(self._graph, memo)
        GraphModule.__init__(made, _CodeOnlyModule(body), graph)
        for name in ("_state_dict_hooks", "_load_state_dict_pre_hooks", "_forward_hooks"):
            if name in body:
                made.__dict__[name] = body[name]
        made.meta = dict(self.meta)
        return made

    def __copy__(self) -> Any:
        return GraphModule(self, copy.deepcopy(self._graph))

    def __reduce__(self) -> Any:
        body = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        return reduce_graph_module, (body, _as_rows(self._graph))


def _as_rows(graph: Graph) -> list[tuple]:
    """A graph as rows without references, for pickle."""

    def named(argument):
        return map_arg(argument, lambda node: _Reference(node.name))

    return [(n.op, n.target, named(n.args), named(n.kwargs), n.name, n.type) for n in graph.nodes]


class _Reference(str):
    """The name of a node, in a row."""


def reduce_graph_module(body: dict, rows: list[tuple]) -> GraphModule:
    """A pickled GraphModule."""
    graph, made = Graph(), {}

    def node_of(leaf):
        return made[leaf] if isinstance(leaf, _Reference) else leaf

    for op, target, args, kwargs, node, kind in rows:
        made[node] = graph.create_node(
            op, target, map_aggregate(args, node_of), map_aggregate(kwargs, node_of), node, kind
        )
    return GraphModule(_CodeOnlyModule(body), graph)

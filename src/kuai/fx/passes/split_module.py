"""Taking a graph apart into several modules: `split_module`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from kuai.fx.graph import Graph
from kuai.fx.graph_module import GraphModule
from kuai.fx.node import Node, map_arg
from kuai.nn.base.module import Module

__all__ = ["split_module"]


class _Part:
    """The nodes of one part, and what it gives to and takes from the others."""

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[Node] = []
        self.inputs: dict[Node, None] = {}
        self.outputs: dict[Node, None] = {}
        self.after: set[str] = set()


def split_module(
    m: GraphModule, root_m: Module | None, split_callback: Callable[[Node], Any],
    qualname_map: dict[str, str] | None = None, keep_original_order: bool | None = False,
    keep_original_node_name: bool | None = False, keep_original_input_name: bool = True,
    *, partition_affix: str | None = None, tuple_return: bool = False,
) -> GraphModule:  # fmt: skip
    """A module of submodules `submod_<part>`, each with the nodes of one part.

    Args:
        split_callback: says of each node which part it belongs to.
        qualname_map: is given the old name of each module and parameter, by its new one.
        keep_original_order: run parts as they come first, not as they need each other.

    Example:
        >>> from kuai.fx.passes.split_module import split_module
        >>> traced = kuai.fx.symbolic_trace(lambda x: kuai.relu(x) + 1)
        >>> apart = split_module(traced, None, lambda node: int(node.name == "add"))
        >>> [name for name, _ in apart.named_children()], apart(kuai.zeros(1))
        (['submod_0', 'submod_1'], tensor([1.]))
    """
    parts, home = _parts_of(m.graph, split_callback)
    order = list(parts.values()) if keep_original_order else _sorted(parts)
    graph, values, children = Graph(), {}, {}
    for node in m.graph.nodes:
        if node.op in ("placeholder", "get_attr"):
            values[node] = graph.node_copy(node, lambda n: values[n])
    affix = "" if partition_affix is None else f"{partition_affix}_"
    for part in order:
        name = f"submod_{affix}{part.name}"
        children[name] = _module_of(part, m, tuple_return)
        if qualname_map is not None:
            qualname_map.update(
                {f"{name}.{n.target}": str(n.target) for n in part.nodes if n.op == "call_module"}
            )
        _call(graph, name, part, values, tuple_return)
    output = m.graph.output_node()
    graph.output(map_arg(output.args[0], lambda node: values[node]), output.type)
    for node in [n for n in graph.nodes if n.op == "get_attr" and not n.users]:
        graph.erase_node(node)
    return GraphModule(_Root(m, children), graph)


class _Root(Module):
    """What the parts' graph may ask for: them, and what the module has."""

    def __init__(self, module: Module, children: dict[str, Module]):
        super().__init__()
        self.__dict__.update(module.__dict__)
        self._modules = {**module._modules, **children}


def _parts_of(graph: Graph, split_callback) -> tuple[dict[str, _Part], dict[Node, str]]:
    parts: dict[str, _Part] = {}
    home: dict[Node, str] = {}
    for node in graph.nodes:
        if node.op in ("placeholder", "get_attr", "output"):
            continue
        name = home[node] = str(split_callback(node))
        parts.setdefault(name, _Part(name)).nodes.append(node)
    for part in parts.values():
        for node in part.nodes:
            for used in node.all_input_nodes:
                _note_use(part, used, parts, home)
    for used in graph.output_node().all_input_nodes:
        if used in home:
            parts[home[used]].outputs.setdefault(used)
    return parts, home


def _note_use(part: _Part, used: Node, parts: dict[str, _Part], home: dict[Node, str]) -> None:
    if used.op == "get_attr" or home.get(used) == part.name:
        return
    part.inputs.setdefault(used)
    if used in home:
        part.after.add(home[used])
        parts[home[used]].outputs.setdefault(used)


def _sorted(parts: dict[str, _Part]) -> list[_Part]:
    """The parts, each after those that it needs."""
    waiting, done = dict(parts), {}
    while waiting:
        ready = [part for part in waiting.values() if part.after <= done.keys()]
        if not ready:
            raise RuntimeError("cycle exists between partitions!")
        done[ready[0].name] = waiting.pop(ready[0].name)
    return list(done.values())


def _module_of(part: _Part, m: GraphModule, tuple_return: bool) -> GraphModule:
    graph, values = Graph(), {}
    for node in part.inputs:
        values[node] = graph.placeholder(node.name, node.type)
    for node in part.nodes:
        for used in node.all_input_nodes:
            if used.op == "get_attr" and used not in values:
                values[used] = graph.node_copy(used)
        values[node] = graph.node_copy(node, lambda n: values[n])
    outputs = [values[node] for node in part.outputs]
    graph.output(outputs[0] if len(outputs) == 1 and not tuple_return else tuple(outputs))
    return GraphModule(m, graph)


def _call(graph: Graph, name: str, part: _Part, values: dict, tuple_return: bool) -> None:
    called = graph.call_module(name, tuple(values[node] for node in part.inputs))
    if len(part.outputs) == 1 and not tuple_return:
        values[next(iter(part.outputs))] = called
        return
    for number, node in enumerate(part.outputs):
        values[node] = graph.call_function(operator.getitem, (called, number))

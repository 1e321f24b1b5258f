"""Replacing a part of a graph wherever it occurs: `replace_pattern`.

A pattern is a small graph. A place where it occurs is found backwards from its result: nodes must
do the same with the same constants; its parameters match anything, but always the same thing. What
lies inside of a match may not be used outside of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from kuai.fx._symbolic_trace import symbolic_trace
from kuai.fx.graph import Graph
from kuai.fx.graph_module import GraphModule, _copy_attr
from kuai.fx.node import Node, map_arg
from kuai.nn.base.module import Module

__all__ = [
    "Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters",
]  # fmt: skip


class Match(NamedTuple):
    """A place where a pattern was.

    Attributes:
        anchor: the node of the pattern's result.
        nodes_map: the graph's node for each of the pattern's.
    """

    anchor: Node
    nodes_map: dict[Node, Any]


@dataclasses.dataclass
class ReplacedPatterns:
    """A place where a pattern was, and the nodes that are there now."""

    anchor: Node
    nodes_map: dict[Node, Any]
    replacements: list[Node]


def replace_pattern(
    gm: GraphModule, pattern: Callable | GraphModule, replacement: Callable | GraphModule
) -> list[Match]:
    """Put `replacement` wherever the graph does what `pattern` does; returns where.

    Both are functions (or modules) of the same parameters.

    Example:
        >>> traced = kuai.fx.symbolic_trace(lambda x: kuai.relu(x) + 1)
        >>> len(kuai.fx.replace_pattern(traced, lambda x: kuai.relu(x), lambda x: kuai.tanh(x)))
        1
        >>> print(traced.code.strip())
        def forward(self, x):
            tanh = torch.tanh(x);  x = None
            add = tanh + 1;  tanh = None
            return add
    """
    found = replace_pattern_with_filters(gm, pattern, replacement)
    return [Match(each.anchor, each.nodes_map) for each in found]


def replace_pattern_with_filters(
    gm: GraphModule, pattern: Any, replacement: Any = None, match_filters: Any = None,
    ignore_literals: bool = False, replacement_callback: Callable | None = None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:  # fmt: skip
    """As `replace_pattern`, where all of some filters agree.

    Args:
        match_filters: functions of (match, graph, pattern's graph) that say whether to replace.
        ignore_literals: let constants of the pattern match any constants.
        replacement_callback: makes the replacement of (match, graph, pattern's graph), instead.
    """
    wanted = _graph_of(pattern)
    matches = [
        match
        for match in _matches(gm.graph, wanted, ignore_literals)
        if all(agrees(match, gm.graph, wanted) for agrees in match_filters or ())
    ]
    replaced, changed = [], {}
    for match in matches:
        made = replacement if replacement_callback is None else None
        new = _graph_of(made or replacement_callback(match, gm.graph, wanted))  # type: ignore[misc]
        replaced.append(_replace(gm, match, wanted, new, changed))
    for part in (pattern, replacement):
        if isinstance(part, Module):
            _take_attributes(gm, part)
    gm.recompile()
    return replaced


def _graph_of(part: Any) -> Graph:
    if isinstance(part, Graph):
        return part
    return part.graph if isinstance(part, GraphModule) else symbolic_trace(part).graph


def _result(graph: Graph) -> Any:
    return graph.output_node().args[0]


def _matches(graph: Graph, pattern: Graph, ignore_literals: bool) -> list[Match]:
    """Where the pattern occurs, in order, without overlaps."""
    results: list[Node] = []
    map_arg(_result(pattern), lambda node: results.append(node) or node)
    found, taken = [], set()
    inputs = {node for node in pattern.nodes if node.op == "placeholder"}
    for node in graph.nodes:
        matcher = _Matcher(ignore_literals)
        if not matcher.same(results[0], node) or not _rest_matches(matcher, results[1:], graph):
            continue
        inside = {n for p, n in matcher.map.items() if p not in inputs and isinstance(n, Node)}
        if inside & taken or not _closed(inside, {matcher.map[each] for each in results}):
            continue
        taken |= inside
        found.append(Match(results[0], matcher.map))
    return found


def _rest_matches(matcher: _Matcher, results: list[Node], graph: Graph) -> bool:
    """Whether the pattern's other results are somewhere, too."""
    for wanted in results:
        if wanted in matcher.map:
            continue
        if not any(matcher.try_same(wanted, node) for node in graph.nodes):
            return False
    return True


def _closed(inside: set[Node], results: set[Any]) -> bool:
    """Whether nobody outside uses what lies inside, but for the results."""
    return all(user in inside for node in inside - results for user in node.users)


class _Matcher:
    """The graph's nodes for those of the pattern, as far as it has been looked at."""

    def __init__(self, ignore_literals: bool):
        self.map: dict[Node, Any] = {}
        self.ignore_literals = ignore_literals

    def try_same(self, wanted: Node, node: Node) -> bool:
        """As `same`, which leaves nothing behind if it is not."""
        before = dict(self.map)
        found = self.same(wanted, node)
        self.map = self.map if found else before
        return found

    def same(self, wanted: Any, node: Any) -> bool:
        """Whether a node does what the pattern's node does, with all that it uses."""
        if not isinstance(wanted, Node):
            return self._same_argument(wanted, node)
        if wanted in self.map:
            return self.map[wanted] is node
        if isinstance(node, Node) and node in self.map.values():
            return False  # parameters of the pattern are different things, too
        if wanted.op == "placeholder":
            self.map[wanted] = node
            return True
        if not isinstance(node, Node):
            return False
        if (wanted.op, wanted.target) != (node.op, node.target):
            return False
        self.map[wanted] = node
        return self._same_argument(wanted.args, node.args) and self._same_argument(
            dict(wanted.kwargs), dict(node.kwargs)
        )

    def _same_argument(self, wanted: Any, given: Any) -> bool:
        if isinstance(wanted, Node):
            return self.same(wanted, given)
        if isinstance(given, Node):
            return False
        if isinstance(wanted, (tuple, list)) and isinstance(given, (tuple, list)):
            alike = len(wanted) == len(given)
            return alike and all(map(self._same_argument, wanted, given))
        if isinstance(wanted, dict) and isinstance(given, dict):
            alike = wanted.keys() == given.keys()
            return alike and all(self._same_argument(wanted[k], given[k]) for k in wanted)
        if isinstance(wanted, slice) and isinstance(given, slice):
            ends = lambda s: (s.start, s.stop, s.step)  # noqa: E731
            return self._same_argument(ends(wanted), ends(given))
        return self.ignore_literals or (type(wanted) is type(given) and wanted == given)


def _replace(
    gm: GraphModule, match: Match, pattern: Graph, new: Graph, changed: dict[Node, Node]
) -> ReplacedPatterns:
    """Put a copy of a graph in the place of a match."""
    inputs = [node for node in pattern.nodes if node.op == "placeholder"]
    parameters = [node for node in new.nodes if node.op == "placeholder"]
    if len(inputs) != len(parameters):
        raise AssertionError("the pattern and its replacement have not the same parameters")
    given = [changed.get(match.nodes_map[p], match.nodes_map[p]) for p in inputs]
    values: dict[Node, Any] = dict(zip(parameters, given, strict=True))
    match.nodes_map.update(zip(inputs, given, strict=True))
    before = set(gm.graph.nodes)
    with gm.graph.inserting_before(_place(gm.graph, match, _result(pattern))):
        result = gm.graph.graph_copy(new, values)
    _redirect(_result(pattern), result, match, changed)
    inside = [n for p, n in match.nodes_map.items() if p.op != "placeholder"]
    for node in reversed([node for node in gm.graph.nodes if node in inside]):
        gm.graph.erase_node(node)
    return ReplacedPatterns(
        match.anchor, match.nodes_map, [node for node in gm.graph.nodes if node not in before]
    )


def _place(graph: Graph, match: Match, wanted: Any) -> Node:
    """Where the replacement goes: before the first user of its results."""
    inside = [n for p, n in match.nodes_map.items() if p.op != "placeholder"]
    results = [match.nodes_map[part] for part in _parts(wanted)]
    users = {user for result in results for user in result.users if user not in inside}
    last = [node for node in graph.nodes if node in inside][-1]
    return next((node for node in graph.nodes if node in users), last)


def _parts(result: Any) -> list[Node]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _redirect(wanted: Any, result: Any, match: Match, changed: dict[Node, Node]) -> None:
    """Have users of the pattern's results use the replacement's."""
    old, new = _parts(wanted), _parts(result)
    if len(old) != len(new):
        raise AssertionError("the pattern and its replacement have not as many results")
    for pattern_node, replacement in zip(old, new, strict=True):
        node = match.nodes_map[pattern_node]
        node.replace_all_uses_with(replacement)
        changed[node] = replacement


def _take_attributes(gm: GraphModule, part: Module) -> None:
    """Let the module have the parameters and submodules that a replacement brings."""
    for node in gm.graph.nodes:
        if node.op in ("get_attr", "call_module"):
            name = str(node.target)
            if _has(part, name) and not _has(gm, name):
                _copy_attr(part, gm, name)


def _has(module: Any, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True

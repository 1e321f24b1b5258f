"""Tidying ONNX graphs that came from JAX, where every broadcast and every window is spelled out.

    Expand -> Add                                     Add (ONNX broadcasts by itself)
    Unsqueeze -> Unsqueeze -> MaxPool -> Squeeze      MaxPool over the spatial dimensions
    Max(x, 0)                                         Relu

Each rule looks for exactly its own pattern and leaves anything else alone. The last step takes away
what nothing needs any more.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

__all__ = ["tidy"]

_BROADCASTING = frozenset(
    "Add Sub Mul Div Max Min Pow Where Equal Greater Less GreaterOrEqual LessOrEqual And Or".split()
)


def tidy(graph: Any) -> None:
    """Apply the rules to an `onnx.GraphProto`."""
    import onnx

    view = _View(graph, onnx)
    for node in graph.node:
        if node.op_type == "MaxPool":
            _pool_over_space(view, node)
        elif node.op_type == "Max":
            _use_relu(view, node)
    for node in graph.node:
        if node.op_type == "Expand":
            _leave_broadcasting(view, node)
    _drop_unused(graph)


class _View:
    """A graph with its producers, consumers, shapes and constants by name."""

    def __init__(self, graph, onnx):
        self.graph = graph
        self.producers = {name: node for node in graph.node for name in node.output}
        self.uses = Counter(_names_read(graph))
        values = (*graph.input, *graph.output, *graph.value_info)
        self.shapes = {v.name: _shape_of(v) for v in values} | {
            i.name: tuple(i.dims) for i in graph.initializer
        }
        self.array = onnx.numpy_helper.to_array
        self.attribute = onnx.helper.get_attribute_value
        self.constants = {i.name: i for i in graph.initializer}

    def attributes(self, node) -> dict[str, Any]:
        return {a.name: self.attribute(a) for a in node.attribute}

    def source(self, name: str, kind: str):
        """The node of one kind that makes a value for one reader alone."""
        node = self.producers.get(name)
        return node if node is not None and node.op_type == kind and self.uses[name] == 1 else None


def _names_read(graph):
    for node in graph.node:
        yield from node.input
        for inner in _bodies(node):
            yield from _names_read(inner)
    yield from (output.name for output in graph.output)


def _bodies(node):
    """The graphs inside a Loop or an If."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def _shape_of(value) -> tuple | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    sizes = [
        d.dim_param or (d.dim_value if d.HasField("dim_value") else None) for d in kind.shape.dim
    ]
    return None if None in sizes else tuple(sizes)


# Rules --------------------------------------------------------------------------------------------


def _pool_over_space(view: _View, node) -> None:
    """Batch and channels were pooled too, with windows of one, below two dimensions of size one."""
    attributes = view.attributes(node)
    outer = view.source(node.input[0], "Unsqueeze")
    inner = outer and view.source(outer.input[0], "Unsqueeze")
    readers = [n for n in view.graph.node if node.output[0] in n.input]
    if not inner or [n.op_type for n in readers] != ["Squeeze"]:
        return
    rank = len(attributes["kernel_shape"])
    pads = attributes.get("pads", [0] * 2 * rank)
    if attributes["kernel_shape"][:2] != [1, 1] or any([*pads[:2], *pads[rank : rank + 2]]):
        return
    for attribute in node.attribute:
        if attribute.name == "pads":
            kept = [*attribute.ints[2:rank], *attribute.ints[rank + 2 :]]
        elif attribute.name in ("kernel_shape", "strides", "dilations"):
            kept = attribute.ints[2:]
        else:
            continue
        attribute.ints[:] = kept
    node.input[0] = inner.input[0]
    node.output[0], readers[0].output[0] = readers[0].output[0], f"{node.output[0]}_unused"


def _use_relu(view: _View, node) -> None:
    zeros = [name for name in node.input if _is_zero(view, name)]
    if len(node.input) == 2 and len(zeros) == 1:
        (kept,) = [name for name in node.input if name not in zeros]
        if view.shapes.get(kept) is not None and view.shapes[kept] == view.shapes.get(
            node.output[0]
        ):
            node.op_type = "Relu"
            node.input[:] = [kept]


def _is_zero(view: _View, name: str) -> bool:
    constant = view.constants.get(name)
    if constant is None or np.prod(constant.dims) != 1:
        return False
    array = view.array(constant)
    return array.dtype.kind == "f" and not array.any()


def _leave_broadcasting(view: _View, node) -> None:
    small, large = node.input[0], node.output[0]
    readers = [n for n in view.graph.node if large in n.input]
    within = sum(list(n.input).count(large) for n in readers)
    if within != view.uses[large] or any(n.op_type not in _BROADCASTING for n in readers):
        return
    replaced = [[small if name == large else name for name in n.input] for n in readers]
    if all(
        _broadcast([view.shapes.get(name) for name in names]) == view.shapes.get(n.output[0], ())
        for n, names in zip(readers, replaced, strict=True)
    ):
        for reader, names in zip(readers, replaced, strict=True):
            reader.input[:] = names


def _broadcast(shapes) -> tuple | None:
    """The shape that values of these shapes have together, or None if that is not certain."""
    if any(shape is None for shape in shapes):
        return None
    rank = max(map(len, shapes))
    together = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            return None
        together.append(others.pop() if others else 1)
    return tuple(together)


def _drop_unused(graph) -> None:
    """Take away nodes, constants and descriptions of values that no result depends on."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            for inner in _bodies(node):
                _drop_unused(inner)
                needed.update(_names_read(inner))
    made = needed.intersection(name for node in kept for name in node.output)
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [i for i in graph.initializer if i.name in needed])
    _replace(graph.value_info, [v for v in graph.value_info if v.name in made])


def _replace(field, items) -> None:
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)

"""A network's graph as TensorBoard reads it: one node a parameter, an input, an operation."""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

from kuai.engine.tensor import Tensor, modes
from kuai.fx import Interpreter, Node, symbolic_trace

__all__ = ["graph", "onnx_graph"]


def graph(model, args, verbose=False):
    """The graph that `fx` reads from a module's code, with the shapes that an example gives."""
    traced = symbolic_trace(model)
    shapes = {}

    class Shapes(Interpreter):
        def run_node(self, n):
            made = super().run_node(n)
            shapes[n] = [list(made.shape)] if isinstance(made, Tensor) else []
            return made

    args = args if isinstance(args, (tuple, list)) else (args,)
    with modes.no_grad():
        Shapes(traced).run(*args)
    if verbose:
        print(traced.graph)
    return _graph(_node(node, traced, shapes[node]) for node in traced.graph.nodes)


def _node(node, traced, shapes):
    target = node.target if isinstance(node.target, str) else node.target.__name__
    if node.op == "call_module":
        path, kind = target.replace(".", "/"), type(traced.get_submodule(target)).__name__
        inside = f"{path}/{node.name}"
    else:
        inside = kind = {"placeholder": "IO Node", "output": "IO Node"}.get(node.op, target)
        inside = f"{node.op}/{node.name}" if kind == "IO Node" else node.name
    node.meta["tensorboard"] = inside
    before = [each.meta["tensorboard"] for each in node.all_input_nodes if isinstance(each, Node)]
    return _node_def(inside, kind, before, shapes)


def _node_def(name: str, kind: str, inputs: list, shapes: list):
    sizes = [
        TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in shape]) for shape in shapes
    ]
    known = AttrValue(list=AttrValue.ListValue(shape=sizes))
    return NodeDef(name=name, op=kind, input=inputs, attr={"_output_shapes": known})


def _graph(nodes):
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def onnx_graph(path):
    """The graph of an ONNX file."""
    import onnx

    found = onnx.load(path).graph
    makers = {output: node.name or node.output[0] for node in found.node for output in node.output}
    ends = [(each.name, "IO Node", []) for each in [*found.input, *found.initializer]]
    inner = [
        (n.name or n.output[0], n.op_type, [makers.get(i, i) for i in n.input if i])
        for n in found.node
    ]
    outputs = [(f"output/{each.name}", "IO Node", [makers[each.name]]) for each in found.output]
    nodes = [*ends, *inner, *outputs]
    return _graph(_node_def(name, kind, inputs, []) for name, kind, inputs in nodes)

"""`kuai.fx`: a module's computation as a graph that can be read, changed and run.

`symbolic_trace` runs a module's `forward` on stand-ins, `Proxy`, that note what is done to them.
The notes are a `Graph`; a `GraphModule` runs a graph as the Python code that it is equal to.
"""

from kuai.engine.late import late
from kuai.fx._symbolic_trace import PH, Tracer, is_fx_tracing, symbolic_trace, wrap
from kuai.fx.graph import CodeGen, Graph
from kuai.fx.graph_module import GraphModule
from kuai.fx.interpreter import Interpreter, Transformer
from kuai.fx.node import Node, has_side_effect, map_arg
from kuai.fx.proxy import Proxy
from kuai.fx.subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "PH",
    "Proxy",
    "Tracer",
    "Transformer",
    "has_side_effect",
    "is_fx_tracing",
    "map_arg",
    "replace_pattern",
    "symbolic_trace",
    "wrap",
]

__getattr__, __dir__ = late(
    "kuai.fx",
    (
        "_compatibility",
        "experimental",
        "passes",
    ),
    {},
)

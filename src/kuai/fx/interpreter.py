"""Interpreters: a graph, run node by node; a subclass may do something else with each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kuai.fx._symbolic_trace import Tracer
from kuai.fx.graph import Graph
from kuai.fx.graph_module import GraphModule
from kuai.fx.node import Node, map_aggregate, map_arg
from kuai.fx.proxy import Proxy

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Runs the nodes of a GraphModule one after the other.

    Args:
        garbage_collect_values: forget a result when its last user has run.

    Example:
        >>> class Naming(kuai.fx.Interpreter):
        ...     def run_node(self, n):
        ...         print(n.op, n.name)
        ...         return super().run_node(n)
        >>> Naming(kuai.fx.symbolic_trace(lambda x: x * 2)).run(kuai.ones(1))
        placeholder x
        call_function mul
        output output
        tensor([2.])
    """

    def __init__(
        self, module: Any, garbage_collect_values: bool = True, graph: Graph | None = None
    ):
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.args_iter: Iterator[Any] = iter(())

    def run(
        self, *args: Any, initial_env: dict[Node, Any] | None = None,
        enable_io_processing: bool = True,
    ) -> Any:  # fmt: skip
        """Run all nodes; gives the graph's result."""
        self.env = {} if initial_env is None else initial_env
        self.args_iter = iter(self.graph.process_inputs(*args) if enable_io_processing else args)
        remaining = {node: len(node.users) for node in self.graph.nodes}
        for node in self.graph.nodes:
            if node not in self.env:
                self.env[node] = self._run_and_explain(node)
            if node.op == "output":
                result = self.env[node]
                return self.graph.process_outputs(result) if enable_io_processing else result
            if self.garbage_collect_values:
                self._forget(node, remaining)
        return None

    def _run_and_explain(self, node: Node) -> Any:
        try:
            return self.run_node(node)
        except Exception as error:
            if self.extra_traceback and error.args and "While executing" not in str(error.args[0]):
                text = f"While executing {node.format_node()}\nOriginal traceback:\n"
                text = f"{error.args[0]}\n\n{text}{node.stack_trace}"
                error.args = (text, *error.args[1:])
            raise

    def _forget(self, node: Node, remaining: dict[Node, int]) -> None:
        for used in node.all_input_nodes:
            remaining[used] -= 1
            if not remaining[used]:
                del self.env[used]

    def boxed_run(self, args_list: list) -> Any:
        """As `run`; the list of arguments is emptied."""
        args = list(args_list)
        args_list.clear()
        return self.run(*args)

    def run_node(self, n: Node) -> Any:
        """Run a node: `self.<op>(target, args, kwargs)`."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The next argument, or the default."""
        if target.startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
            raise RuntimeError(
                f"Expected positional argument for parameter {target}, but one was not passed in!"
            ) from None

    def get_attr(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """An attribute of the module."""
        return self.fetch_attr(target)

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The call of a function."""
        return target(*args, **kwargs)

    def call_method(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The call of a method."""
        first, *rest = args
        return getattr(first, target)(*rest, **kwargs)

    def call_module(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The call of a submodule."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The result."""
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """What the module has under a dotted name."""
        found = self.module
        for number, name in enumerate(target.split(".")):
            if not hasattr(found, name):
                before = ".".join(target.split(".")[:number])
                raise RuntimeError(f"Node referenced nonexistent target {before}")
            found = getattr(found, name)
        return found

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple, dict]:
        """A node's arguments, with results in place of nodes."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Results in place of nodes."""

        def value(node):
            if node not in self.env:
                raise RuntimeError(f"Node {n} referenced nonexistent value {node}!")
            return self.env[node]

        return map_arg(args, value)


class Transformer(Interpreter):
    """Makes another GraphModule: what its methods do is noted in a new graph."""

    def __init__(self, module: GraphModule):
        super().__init__(module)
        self.new_graph = Graph()

        class TransformerTracer(Tracer):
            def __init__(self, graph):
                super().__init__()
                self.graph, self.tensor_attrs = graph, {}

            def is_leaf_module(self, m, module_qualified_name):
                return True

        self.tracer = TransformerTracer(self.new_graph)
        self.tracer.root = module

    def placeholder(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """A parameter of the new graph."""
        return Proxy(self.new_graph.placeholder(target, None, *args), self.tracer)

    def get_attr(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The attribute, in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The call, in the new graph."""
        return self.tracer.create_proxy("call_module", target, args, kwargs)

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """The call, in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The new module."""
        result = super().run(enable_io_processing=False)
        if result is not None:
            self.new_graph.output(_without_proxies(result), self.graph.output_node().type)
        self.new_graph._codegen = self.graph._codegen
        return GraphModule(self.module, self.new_graph)


def _without_proxies(result: Any) -> Any:
    """Nodes in place of stand-ins."""
    return map_aggregate(result, lambda leaf: leaf.node if isinstance(leaf, Proxy) else leaf)

"""Shapes of all results of a graph, found by running it."""

from typing import Any, NamedTuple

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.formats import channels_last, channels_last_3d, contiguous_format
from kuai.fx.interpreter import Interpreter
from kuai.fx.node import Node

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known about a result."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: Any
    memory_format: Any
    is_quantized: bool
    qparams: dict


def _format_of(tensor: Tensor) -> Any:
    """The memory format of a tensor, None if it is dense in no way."""
    for kind in (contiguous_format, channels_last, channels_last_3d):
        dims = {channels_last: 4, channels_last_3d: 5}.get(kind, tensor.dim())
        if tensor.dim() == dims and tensor.is_contiguous(memory_format=kind):
            return kind
    return None


class ShapeProp(Interpreter):
    """Runs a graph, and notes in `node.meta["tensor_meta"]` what came out.

    Example:
        >>> from kuai.fx.passes.shape_prop import ShapeProp
        >>> traced = kuai.fx.symbolic_trace(lambda x: x.sum(0))
        >>> _ = ShapeProp(traced).propagate(kuai.ones(2, 3))
        >>> [node.meta["tensor_meta"].shape for node in traced.graph.nodes][1]
        torch.Size([3])
    """

    def run_node(self, n: Node) -> Any:
        """Run a node, and note what came out."""
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["tensor_meta"] = TensorMetadata(
                result.shape, result.dtype, result.requires_grad, result.stride(),
                _format_of(result), False, {},
            )  # fmt: skip
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph."""
        return self.run(*args)

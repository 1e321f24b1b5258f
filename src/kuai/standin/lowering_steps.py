"""One step of a backward pass, as `kuai.standin.lowering_backward` takes it apart."""

from typing import Any

from kuai.engine.autograd.looking import result
from kuai.engine.autograd.running import OpNode
from kuai.engine.tensor import Tensor
from kuai.standin.lowering_layers import Tell

__all__ = ["Step", "fitting"]


class Step:
    """One node in a backward pass.

    Attributes:
        inputs: the operation's, tensors and numbers; empty if the node keeps none.
        names: of the arguments that were given.
        options: its constant arguments, by name.
        wanted: the positions of the inputs whose gradients are wanted.
    """

    def __init__(self, node: OpNode):
        self.node = node
        self.inputs: list[Any] = [] if node.arrays is None else node._inputs()
        described = list(node.entry.operation.described(node.entry.key))
        self.names = [name for name, _, _ in described]
        self.options = {name: constant for name, count, constant in described if not count}
        self.wanted = node.entry.differentiable

    def shape_of(self, place: int) -> list[int]:
        """The shape of an input."""
        edge = self.node.edges[self.wanted.index(place)]
        return list(edge[0].output_type(edge[1])[0])

    def result(self) -> Tensor:
        """What the operation has given, which PyTorch's node would keep."""
        return result(self.node, 0)

    def chosen(self, made: dict[int, Any]) -> list[Any]:
        """Gradients by position, as the tape takes them."""
        return [made[place] for place in self.wanted]


def fitting(told: Tell, each: Tensor, shape: Any) -> Tensor:
    """Summed where a tensor of that shape was spread out."""
    ahead = each.ndim - len(shape)
    ones = [i + ahead for i, size in enumerate(shape) if size == 1 and each.shape[i + ahead] != 1]
    dims = [*range(ahead), *ones]
    if not dims:
        return each
    summed = told("sum", each, dims, True)
    return told("view", summed, list(shape)) if ahead else summed

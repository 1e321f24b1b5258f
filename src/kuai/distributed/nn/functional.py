"""Exchanges that have gradients, in a group of one: what is given comes back, as another tensor."""

from typing import Any

from kuai.distributed.collectives import ReduceOp
from kuai.distributed.group import check
from kuai.engine.tensor import Tensor

__all__ = [
    "all_gather",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "scatter",
]


def _same(tensor: Tensor, group: Any) -> Tensor:
    check(group)
    return tensor.view_as(tensor)


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """The tensor of process `src`, which is this one."""
    return _same(tensor, group)


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """Everybody's tensors."""
    return (_same(tensor, group),)


def scatter(tensors: Any, src: int = 0, group: Any = None) -> Tensor:
    """One's own of the tensors of process `src`."""
    return _same(tensors[0], group)


def reduce(tensor: Tensor, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """Everybody's tensors made one."""
    return _same(tensor, group)


def reduce_scatter(
    output: Tensor, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None
) -> Tensor:
    """One's own part of everybody's tensors made one; written into `output`, too."""
    check(group)
    return output.copy_(input_list[0])


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """Everybody's tensors.

    Example:
        >>> kuai.distributed.init_process_group("gloo")
        >>> x = kuai.ones(2, requires_grad=True)
        >>> kuai.distributed.nn.all_gather(x)[0].sum().backward()
        >>> x.grad
        tensor([1., 1.])
        >>> kuai.distributed.destroy_process_group()
    """
    return (_same(tensor, group),)


def all_to_all(output_tensor_list: Any, input_tensor_list: Any, group: Any = None) -> tuple:
    """Everybody's tensors for this process; written into the outputs, too."""
    check(group)
    pairs = zip(output_tensor_list, input_tensor_list, strict=True)
    return tuple(output.copy_(each) for output, each in pairs)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
) -> Tensor:
    """Everybody's rows for this process; written into `output`, too."""
    check(group)
    return output.copy_(input)


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """Everybody's tensors made one."""
    return _same(tensor, group)

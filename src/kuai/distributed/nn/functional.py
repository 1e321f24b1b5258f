"""`kuai.distributed.nn.functional`: exchanges that gradients go through, of one process.

Each gives what it is given, as another tensor of the same history.
"""

from typing import Any

from kuai.distributed.collectives import ReduceOp
from kuai.distributed.group import check

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


def _same(tensor: Any, group: Any) -> Any:
    check(group)
    return tensor.view(tensor.shape)


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """What the process `src` has.

    Example:
        >>> import kuai.distributed.nn
        >>> kuai.distributed.init_process_group(rank=0, world_size=1)
        >>> kuai.distributed.nn.functional.broadcast(kuai.ones(1), 0)
        tensor([1.])
        >>> kuai.distributed.destroy_process_group()
    """
    return _same(tensor, group)


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple[Any, ...]:
    """What each process has, for one of them."""
    return (_same(tensor, group),)


def scatter(tensors: Any, src: int = 0, group: Any = None) -> Any:
    """What one process has for this one."""
    return _same(tensors[0], group)


def reduce(tensor: Any, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The sum over all processes, for one of them."""
    return _same(tensor, group)


def reduce_scatter(output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """This process's part of the sum."""
    return _same(input_list[0], group)


def all_gather(tensor: Any, group: Any = None) -> tuple[Any, ...]:
    """What each process has."""
    return (_same(tensor, group),)


def all_to_all(output_tensor_list: Any, input_tensor_list: Any, group: Any = None) -> tuple:
    """What each process has for this one."""
    return tuple(_same(each, group) for each in input_tensor_list)


def all_to_all_single(
    output: Any,
    input: Any,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
) -> Any:
    """The same, in one tensor."""
    return _same(input, group)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The sum over all processes."""
    return _same(tensor, group)

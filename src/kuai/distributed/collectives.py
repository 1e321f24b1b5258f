"""Exchanges of tensors in a group of one: everybody's sum, largest or list is one's own."""

from typing import Any

from kuai.distributed.group import check
from kuai.engine.tensor import Tensor

__all__ = [
    "P2POp",
    "ReduceOp",
    "Work",
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "gather",
    "gather_object",
    "batch_isend_irecv",
    "irecv",
    "isend",
    "monitored_barrier",
    "recv",
    "recv_object_list",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "scatter_object_list",
    "send_object_list",
    "send",
]


class ReduceOp:
    """What is made of everybody's tensors."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = (
        "sum", "avg", "product", "min", "max", "band", "bor", "bxor",
    )  # fmt: skip
    RedOpType = str


class Work:
    """An exchange that is done."""

    def wait(self, timeout: Any = None) -> bool:
        """True at once."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True


def _done(async_op: bool) -> Work | None:
    return Work() if async_op else None


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False):
    """The sum of everybody's tensors: the tensor stays as it is.

    Example:
        >>> kuai.distributed.init_process_group("gloo")
        >>> x = kuai.ones(2)
        >>> kuai.distributed.all_reduce(x)
        >>> x
        tensor([1., 1.])
        >>> kuai.distributed.destroy_process_group()
    """
    check(group)
    return _done(async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: Any = None,
):
    """The sum of everybody's tensors at one process: the tensor stays as it is."""
    check(group)
    return _done(async_op)


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False,
    group_src: Any = None,
):  # fmt: skip
    """One process's tensor for all: the tensor stays as it is."""
    check(group)
    return _done(async_op)


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None):
    """Wait for everybody: nobody else is there."""
    check(group)
    return _done(async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Wait for everybody: nobody else is there."""
    check(group)


def all_gather(tensor_list: list, tensor: Tensor, group: Any = None, async_op: bool = False):
    """Everybody's tensor: a list of one."""
    check(group)
    tensor_list[0].copy_(tensor)
    return _done(async_op)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
):
    """Everybody's tensor in one: a copy."""
    check(group)
    output_tensor.copy_(input_tensor.reshape(output_tensor.shape))
    return _done(async_op)


def gather(
    tensor: Tensor, gather_list: Any = None, dst: Any = None, group: Any = None,
    async_op: bool = False, group_dst: Any = None,
):  # fmt: skip
    """Everybody's tensor at one process: a list of one."""
    return all_gather(gather_list, tensor, group, async_op)


def scatter(
    tensor: Tensor, scatter_list: Any = None, src: Any = None, group: Any = None,
    async_op: bool = False, group_src: Any = None,
):  # fmt: skip
    """For each process its tensor: the only one."""
    check(group)
    tensor.copy_(scatter_list[0])
    return _done(async_op)


def reduce_scatter(
    output: Tensor, input_list: list, op: Any = ReduceOp.SUM, group: Any = None,
    async_op: bool = False,
):  # fmt: skip
    """For each process its part of the sum: the only one."""
    return scatter(output, input_list, group=group, async_op=async_op)


reduce_scatter_tensor = all_gather_into_tensor


def all_to_all(
    output_tensor_list: list, input_tensor_list: list, group: Any = None, async_op=False
):
    """For each process a tensor of each: the only one."""
    return scatter(output_tensor_list[0], input_tensor_list, group=group, async_op=async_op)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None,
    group: Any = None, async_op: bool = False,
):  # fmt: skip
    """The same in one tensor: a copy."""
    return all_gather_into_tensor(output, input, group, async_op)


# Objects ------------------------------------------------------------------------------------------


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Everybody's object: a list of one."""
    check(group)
    object_list[0] = obj


def gather_object(
    obj: Any, object_gather_list: Any = None, dst: Any = None, group: Any = None, group_dst=None
) -> None:
    """Everybody's object at one process: a list of one."""
    all_gather_object(object_gather_list, obj, group)


def broadcast_object_list(
    object_list: list, src: Any = None, group: Any = None, device: Any = None, group_src=None
) -> None:
    """One process's objects for all: the list stays as it is."""
    check(group)


def scatter_object_list(
    scatter_object_output_list: list, scatter_object_input_list: Any = None, src: Any = None,
    group: Any = None, group_src: Any = None,
) -> None:  # fmt: skip
    """For each process its object: the only one."""
    all_gather_object(scatter_object_output_list, scatter_object_input_list[0], group)


# From one to another ------------------------------------------------------------------------------


def _alone(*args: Any, **kwargs: Any) -> Any:
    """An error: there is nobody else to send to.

    Raises:
        ValueError: always.
    """
    check()
    raise ValueError("Invalid destination or source rank: the group has one process, rank 0")


send = isend = recv = irecv = send_object_list = recv_object_list = _alone


class P2POp:
    """One exchange of several that `batch_isend_irecv` is asked for: `isend` or `irecv`, a tensor,
    and with whom."""

    def __init__(
        self, op: Any, tensor: Tensor, peer: int | None = None, group: Any = None, tag: int = 0,
        group_peer: int | None = None,
    ):  # fmt: skip
        self.op, self.tensor, self.peer = op, tensor, peer
        self.group, self.tag, self.group_peer = group, tag, group_peer


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list:
    """Several exchanges: there is nobody to have one with.

    Raises:
        ValueError: always.
    """
    return _alone()

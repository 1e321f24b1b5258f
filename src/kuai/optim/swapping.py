"""Other parameters and state in an optimizer for a while."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.optim.optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer,
    swapin_parameters: dict[str, Tensor],
    swapin_optim_state: dict[str, Any],
) -> Iterator[None]:
    """For a while an optimizer steps other parameters, with another state.

    Args:
        swapin_parameters: the parameters, in the order of the optimizer's own.
        swapin_optim_state: as `optimizer.state_dict()` gives it; its tensors change in place.

    Example:
        >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(1))], lr=0.5)
        >>> other = kuai.nn.Parameter(kuai.ones(1))
        >>> other.grad = kuai.ones(1)
        >>> swap = kuai.optim.swap_in_optimizer_params_and_state
        >>> with swap(optimizer, {"w": other}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> other.data
        tensor([0.5000])
    """
    groups = swapin_optim_state["param_groups"]
    given = _by_group(optimizer, list(swapin_parameters.values()), groups)
    own_state, snapshots = optimizer.state, [dict(group) for group in optimizer.param_groups]
    state: defaultdict = defaultdict(dict)
    try:
        for group, params, said in zip(optimizer.param_groups, given, groups, strict=True):
            group.update({name: value for name, value in said.items() if name != "params"})
            group["params"] = params
            for param, number in zip(params, said["params"], strict=True):
                state[param] = dict(swapin_optim_state["state"].get(number, {}))
        optimizer.state = state
        yield
    finally:
        optimizer.state = own_state
        for group, snapshot in zip(optimizer.param_groups, snapshots, strict=True):
            group.clear()
            group.update(snapshot)


def _by_group(optimizer: Optimizer, params: list[Tensor], groups: list) -> list[list[Tensor]]:
    """The parameters of each group, which has to have as many as before."""
    counts = [len(group["params"]) for group in optimizer.param_groups]
    if [len(group["params"]) for group in groups] != counts or sum(counts) != len(params):
        raise ValueError(
            f"expected parameters and state for groups of {counts} parameters, but got "
            f"{len(params)} parameters"
        )
    ends = [sum(counts[: number + 1]) for number in range(len(counts))]
    return [params[end - count : end] for end, count in zip(ends, counts, strict=True)]

"""`kuai.utils.checkpoint`: trade computation for memory."""

import contextlib
import enum
import warnings
from typing import Any

import kuai
from kuai.engine.autograd.checkpointing import (
    CheckpointFunction,
    check_backward_validity,
    checkpoint,
    detach_variable,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)
from kuai.errors import RecomputationError as CheckpointError

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]


class CheckpointPolicy(enum.Enum):
    """Whether the result of an operation in a checkpointed part is kept or computed anew."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """Contexts for `checkpoint(context_fn=…)`, one for the first run, one for the second.

    Differs from PyTorch: all of the part is computed anew, whatever the policy; numbers are the
    same, and memory is what `checkpoint` alone needs.
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """Run a chain of modules or functions in checkpointed segments; the last one is not.

    Args:
        functions: a `Sequential`, or a list of functions.
        segments: how many parts the chain is divided into.
        input: the argument of the first function.

    Example:
        >>> net = kuai.nn.Sequential(*[kuai.nn.Linear(2, 2) for _ in range(4)])
        >>> x = kuai.ones(1, 2, requires_grad=True)
        >>> kuai.utils.checkpoint.checkpoint_sequential(net, 2, x, use_reentrant=False).shape
        torch.Size([1, 2])
    """
    if use_reentrant is None:
        warnings.warn(_EXPLICITLY, stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    options: dict[str, Any] = dict(use_reentrant=use_reentrant, preserve_rng_state=preserve)
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(functions) // segments
    end = -1
    for start in range(0, size * (segments - 1), size):
        end = start + size - 1
        part = _chain(functions[start : end + 1])
        input = checkpoint(part, input, **options)
    return _chain(functions[end + 1 :])(input)


def get_device_states(*args):
    """The devices, other than the CPU, of tensors, and the states of their random numbers.

    Example:
        >>> kuai.utils.checkpoint.get_device_states(kuai.ones(1))
        ([], [])
    """
    places = sorted(
        {
            each.get_device()
            for each in args
            if isinstance(each, kuai.Tensor) and each.device.type != "cpu"
        }
    )
    return places, [kuai.cuda.get_rng_state(f"cuda:{place}") for place in places]


def set_device_states(devices, states, *, device_type=None):
    """Put back what `get_device_states` gave."""
    for place, state in zip(devices, states, strict=True):
        kuai.cuda.set_rng_state(state, f"cuda:{place}")


_EXPLICITLY = (
    "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
    "explicitly. In version 2.9 we will raise an exception if use_reentrant is not passed. "
    "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
    "you can pass use_reentrant=True. Refer to docs for more details on the differences between "
    "the two variants."
)


def _chain(functions):
    def run(input):
        for function in functions:
            input = function(input)
        return input

    return run

"""What can be proven of schedulers: a step changes options of the optimizer, and nothing else.

So a replayed call steps them itself; its program runs with the rates from before.
"""

from kuai.engine.compile.abstract_values import is_plain, text_of_value
from kuai.engine.compile.arithmetic import watch_arithmetic
from kuai.engine.compile.knowledge import Description, Refused, describes
from kuai.engine.compile.own_code import watch_classes
from kuai.optim.lr_scheduler.base import LRScheduler
from kuai.optim.lr_scheduler.plateau import ReduceLROnPlateau
from kuai.optim.proof import is_own_optimizer

__all__ = ["describe_schedulers"]

_OF_FUNCTIONS = "lr_lambdas"
_OF_SCHEDULERS = "_schedulers"


def describe_schedulers() -> None:
    """Make Kuai's own schedulers known to the prover; one that looks at a loss is not."""
    describes(LRScheduler, Description({}, changing={"step": _watch_step}))
    describes(ReduceLROnPlateau, Description({}))


def _watch_step(prover, scheduler) -> None:
    parts: list = []
    _watch(prover, scheduler, parts)
    optimizer = scheduler.optimizer
    if any(part.optimizer is not optimizer for part in parts) or not is_own_optimizer(optimizer):
        raise Refused(f"a scheduler of {text_of_value(optimizer)}")
    prover.watch.object(optimizer)
    prover.watch.entries(vars(optimizer), ["param_groups"])
    prover.watch.list(optimizer.param_groups)
    for group in optimizer.param_groups:
        _watch_group(prover, group)
    for part in parts:
        prover.watch.written(vars(part))
    for group in optimizer.param_groups:
        prover.watch.written(group, stays=("params",))


def _watch(prover, scheduler, parts) -> None:
    """Watch the code of a scheduler, and of those that it is made of."""
    kind, state, watch = type(scheduler), vars(scheduler), prover.watch
    if LRScheduler not in kind.__mro__ or ReduceLROnPlateau in kind.__mro__:
        raise Refused(f"a scheduler that is {text_of_value(scheduler)}")
    parts.append(scheduler)
    watch.object(scheduler)
    watch_classes(prover, kind.__mro__[: kind.__mro__.index(LRScheduler) + 1])
    watch.size(state)  # another attribute may hide a method
    for name, value in state.items():
        if callable(value) or hasattr(kind, name) and callable(getattr(kind, name)):
            raise Refused(f"{name} of {text_of_value(scheduler)}")
    watch.entries(state, ["optimizer", _OF_FUNCTIONS, _OF_SCHEDULERS, "_scale_fn_custom"])
    for row in (state.get(_OF_FUNCTIONS, []), state.get(_OF_SCHEDULERS, [])):
        if type(row) is not list:
            raise Refused(f"a scheduler made of {text_of_value(row)}")
        watch.list(row)
    for function in state.get(_OF_FUNCTIONS, []):
        watch_arithmetic(watch, function)
    for part in state.get(_OF_SCHEDULERS, []):
        _watch(prover, part, parts)


def _watch_group(prover, group) -> None:
    """Watch that the options are plain: a rate that is a tensor would be written."""
    if not prover.watch.has_entry(group, "lr"):
        raise Refused("a scheduler's step before the optimizer's")  # better split off
    prover.watch.size(group)
    prover.watch.entries(group, ["params"])
    for name, value in group.items():
        if name != "params" and not is_plain(value) and name != "param_names":
            raise Refused(f"an optimizer's option {name} that is {text_of_value(value)}")

"""What can be proven of optimizers: what a step of Kuai's own depends on."""

from collections.abc import Iterable

from kuai.engine.compile.abstract_values import is_plain, text_of_value
from kuai.engine.compile.knowledge import Description, Refused, describes
from kuai.engine.compile.own_code import watch_classes, watch_own
from kuai.engine.tensor import Tensor
from kuai.optim.functional import FunctionalOptimizer
from kuai.optim.optimizer import Optimizer, _global_hooks

__all__ = ["describe_optimizers", "is_own_optimizer"]


_INHERITED = ("step", "zero_grad", "_all_params", "_evaluate")
_OWN: set[type] = set()  # not somebody's class that inherits from one of Kuai's


def describe_optimizers(kinds: Iterable[type]) -> None:
    """Make Kuai's own optimizers known to the prover."""
    _OWN.update(kinds)
    describes(
        FunctionalOptimizer, Description({"step": _watch_step, "zero_grad": _watch_zero_grad})
    )


def is_own_optimizer(optimizer) -> bool:
    """Whether it is one of Kuai's own, of which no method has been replaced."""
    state = vars(optimizer)
    return type(optimizer) in _OWN and "step" not in state and "zero_grad" not in state


def _watch_code(prover, optimizer) -> None:
    kind, state, watch = type(optimizer), vars(optimizer), prover.watch
    if not is_own_optimizer(optimizer):
        raise Refused(f"{text_of_value(optimizer)}, which is not one of Kuai's own")
    watch.object(optimizer)
    watch_classes(prover, kind.__mro__[: kind.__mro__.index(Optimizer)])
    watch_own(prover, kind, _INHERITED)
    watch.size(state)  # another attribute may hide a method
    watch.entries(state, [name for name in state if "_dict_" not in name])


def _watch_zero_grad(prover, optimizer) -> None:
    """Its parameters alone: a scheduler may have changed the other options."""
    _watch_code(prover, optimizer)
    prover.watch.list(optimizer.param_groups)
    for group in optimizer.param_groups:
        _watch_params(prover, group)


def _watch_params(prover, group) -> None:
    prover.watch.entries(group, ["params"])
    prover.watch.list(group["params"])
    for param in group["params"]:
        prover.tensor(param)


def _watch_step(prover, optimizer) -> None:
    _watch_code(prover, optimizer)
    state, watch = vars(optimizer), prover.watch
    hooks = [state[f"_optimizer_step_{when}_hooks"] for when in ("pre", "post")]
    for each in (*_global_hooks.values(), *hooks):
        if each:
            raise Refused("hooks of an optimizer")
        watch.whole(each)
    watch.list(optimizer.param_groups)
    for group in optimizer.param_groups:
        _watch_group(prover, optimizer, group)
    watch.whole(optimizer.state)
    for name in ("state", "_first"):
        for value in state.get(name, {}).values():
            _watch_state(prover, value)
        watch.whole(state.get(name, {}))


def _watch_group(prover, optimizer, group) -> None:
    free = set(optimizer.numbers) - set(optimizer.switches)
    free = {name for name in free if type(group[name]) is float}
    for name in free:
        prover.watch.number(group, name)
    prover.watch.entries(group, [name for name in group if name not in free])
    _watch_params(prover, group)
    for name, value in group.items():
        if isinstance(value, Tensor):
            prover.tensor(value)
        elif name not in ("params", "param_names") and not is_plain(value):
            raise Refused(f"an optimizer's option {name} that is {text_of_value(value)}")


def _watch_state(prover, value) -> None:
    if isinstance(value, Tensor):
        prover.tensor(value)
        return
    prover.watch.whole(value)
    for each in value.values():
        if not isinstance(each, Tensor):
            raise Refused(f"an optimizer's state that is {text_of_value(each)}")
        prover.tensor(each)

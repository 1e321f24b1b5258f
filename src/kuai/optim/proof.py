"""What can be proven of optimizers: what a step of Kuai's own depends on."""

from collections.abc import Iterable

from kuai.engine.compile.abstract_values import is_plain, text_of_value
from kuai.engine.compile.knowledge import Description, Refused, describes
from kuai.engine.compile.own_code import watch_classes, watch_own
from kuai.engine.tensor import Tensor
from kuai.optim.functional import FunctionalOptimizer
from kuai.optim.optimizer import Optimizer, _global_hooks, _with_hooks

__all__ = ["describe_optimizers", "is_own_optimizer"]


_INHERITED = ("step", "zero_grad", "_all_params", "_evaluate")
_OWN: set[type] = set()  # not somebody's class that inherits from one of Kuai's


def describe_optimizers(kinds: Iterable[type]) -> None:
    """Make Kuai's own optimizers known to the prover."""
    _OWN.update(kinds)
    describes(Optimizer, Description({}, calls={"step": _call_step}))
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


def _call_step(prover, optimizer):
    """The `step` that somebody has written, which Kuai has put hooks around."""
    kind, state, watch = type(optimizer), vars(optimizer), prover.watch
    watch.object(optimizer)
    watch.attribute(kind, "step")
    watch.attribute(kind, "__setattr__")
    around = kind.step
    if getattr(around, "__code__", None) is not _AROUND or kind.__setattr__ is not _SETATTR:
        raise Refused(f"step of {text_of_value(optimizer)}")
    watch.attribute(around, "__code__")
    watch.entries(state, ["step", "_opt_called"])
    if "step" in state or state.get("_opt_called") is not True:
        raise Refused(f"the first step of {text_of_value(optimizer)}, or one that was replaced")
    _watch_hooks(watch, state)
    cell = around.__closure__[_AROUND.co_freevars.index("function")]
    watch.cell(cell)
    return cell.cell_contents


_AROUND, _SETATTR = _with_hooks(len).__code__, object.__setattr__


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
    _watch_hooks(watch, state)
    watch.list(optimizer.param_groups)
    for group in optimizer.param_groups:
        _watch_group(prover, optimizer, group)
    watch.whole(optimizer.state)
    for name in ("state", "_first"):
        for value in state.get(name, {}).values():
            _watch_state(prover, value)
        watch.whole(state.get(name, {}))


def _watch_hooks(watch, state) -> None:
    """Watch that nobody has registered hooks around steps."""
    names = [f"_optimizer_step_{when}_hooks" for when in ("pre", "post")]
    watch.entries(state, names)
    for each in (*_global_hooks.values(), *[state.get(name) for name in names]):
        if each or each is None:
            raise Refused("hooks of an optimizer")
        watch.whole(each)


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

"""What can be proven of loss scalers: from `scale` to `update` they change tensors only.

In between a scaler notes what has been done for which optimizer; `update` forgets it. So a call
that begins and ends with nothing noted leaves a scaler as it was, but for its tensors.
"""

from kuai.amp.grad_scaler import GradScaler
from kuai.engine.compile.abstract_values import text_of_value
from kuai.engine.compile.knowledge import Description, Refused, describes
from kuai.engine.compile.own_code import watch_classes

__all__ = ["describe_scalers"]


def describe_scalers() -> None:
    """Make Kuai's own scalers known to the prover."""
    calls = {"scale": _watch}
    calls |= {name: _called(function) for name, function in _READ.items()}
    describes(GradScaler, Description({}, calls=calls))


def _watch(prover, scaler) -> None:
    kind, state, watch = type(scaler), vars(scaler), prover.watch
    watch.object(scaler)
    watch_classes(prover, kind.__mro__[: kind.__mro__.index(GradScaler) + 1])
    watch.size(state)  # another attribute may hide a method
    watch.entries(state, state)
    for name in ("_scale", "_growth_tracker"):
        prover.tensor(state[name])
    for name in ("_stages", "_found_inf"):
        if state[name]:
            raise Refused(f"{text_of_value(scaler)} that has not been updated")
        watch.whole(state[name])


def _called(function):
    def call(prover, scaler):
        """The function of Python's that reads what the method reads."""
        _watch(prover, scaler)
        return function

    return call


def _read_by_unscale(scaler, optimizer):
    if scaler._enabled:
        for group in optimizer.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    pass


def _read_by_step(scaler, optimizer):
    _read_by_unscale(scaler, optimizer)
    return optimizer.step()


def _read_by_update(scaler):
    pass


_READ = {"unscale_": _read_by_unscale, "step": _read_by_step, "update": _read_by_update}

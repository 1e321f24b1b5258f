"""`x[...] = y` in one program, where nothing is differentiated.

A window that is only written to need not be read first, and what is written need not be made apart:
loops that fill a tensor element by element, as those that prepare data do, cost a third of that.
"""

import functools

from kuai.engine.tensor import Tensor, modes, views
from kuai.engine.tensor.calls import Call, in_tiers, perform
from kuai.engine.tensor.storage import put
from kuai.ops.known_values import check_written

__all__ = ["write_window"]


def write_window(target, step, source, fill) -> bool:
    """Write into a window of a tensor in one program; False if that is not so simple.

    Args:
        target: the tensor.
        step: the view operation of the window and its arguments.
        source: what is written: a number, or a tensor on the same device.
        fill: the pure function of the window and the source that gives the window's new values.
    """
    state = modes.state
    if state.capture is not None or state.recorder is not None or state.around is not None:
        return False
    if state.block is not None or not _is_simple(target) or not _may_be_written(target, source):
        return False
    if type(source) is Tensor:
        source = views.held(source)
    else:
        check_written(source, target.dtype.jax)
    static, numbers = views.split((*(target._steps or ()), step))
    flat = [number for group in numbers for number in group]
    call = _writing(static, tuple(map(len, numbers)), fill)
    put(target._storage, perform(call, [target._storage.held, source, *flat]))
    return True


def _is_simple(target):
    """Whether it has no history, no element twice, and nobody else writes beside it."""
    base = target._base
    if not target._storage.is_array:
        return False
    if modes.state.grad_enabled and (
        target.requires_grad or (base is not None and base.requires_grad)
    ):
        return False
    return not any(step.view.may_overlap or step.view.repeats for step in target._steps or ())


def _may_be_written(target, source):
    if type(source) is not Tensor:
        return type(source) in (bool, int, float)
    if modes.state.grad_enabled and source.requires_grad:
        return False
    ours, other = target._storage.held, source._storage.held
    return (
        source.dtype is target.dtype
        and getattr(ours, "sharding", None) == getattr(other, "sharding", ours)
        and source._storage is not target._storage
    )


@functools.lru_cache(maxsize=4096)
def _writing(chain, counts, fill):
    def write_window(base, source, *flat):
        numbers = views.regroup(flat, counts)
        part = fill(views.read_chain(chain, base, numbers), source)
        return views.write_chain(chain, base, part, numbers)

    return Call(in_tiers(write_window), "write_window")

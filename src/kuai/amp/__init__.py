"""`kuai.amp`: mixed precision: `autocast`, and `GradScaler` for float16."""

import functools

from kuai.amp.grad_scaler import GradScaler
from kuai.engine.late import late
from kuai.engine.op.autocast import autocast, cast_floating, is_autocast_enabled
from kuai.engine.tensor.modes import state

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

__getattr__, __dir__ = late("kuai.amp", ("autocast_mode",), {})


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a kind of device.

    Example:
        >>> kuai.amp.is_autocast_available("cpu")
        True
    """
    return device_type in ("cpu", "cuda", "tpu")


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """For the `forward` of an `autograd.Function`: note the autocast state for `custom_bwd`.

    Args:
        cast_inputs: the dtype that floating point arguments are cast to; autocast is then off
            inside.

    Example:
        >>> class Double(kuai.autograd.Function):
        ...     @staticmethod
        ...     @kuai.amp.custom_fwd(device_type="cpu")
        ...     def forward(ctx, x):
        ...         return x * 2
        ...     @staticmethod
        ...     @kuai.amp.custom_bwd(device_type="cpu")
        ...     def backward(ctx, grad):
        ...         return grad * 2
        >>> Double.apply(kuai.ones(2))
        tensor([2., 2.])
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapped(ctx, *args, **kwargs):
        if cast_inputs is None or not is_autocast_enabled(device_type):
            ctx._autocast = state.autocast
            return fwd(ctx, *args, **kwargs)
        ctx._autocast = None
        args, kwargs = cast_floating((args, kwargs), cast_inputs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *args, **kwargs)

    return wrapped


def custom_bwd(bwd=None, *, device_type):
    """For the `backward` of an `autograd.Function`: run it with autocast as `forward` had it."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapped(ctx, *grads):
        before, state.autocast = state.autocast, ctx._autocast
        try:
            return bwd(ctx, *grads)
        finally:
            state.autocast = before

    return wrapped

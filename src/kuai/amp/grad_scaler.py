"""GradScaler: losses are scaled up so that small gradients survive float16.

The scale, and whether any gradient was infinite, are tensors nobody reads: a step with infinite
gradients keeps the old parameters and optimizer state by a choice inside the step's program. So a
training step with a scaler compiles as one program, and eagerly nothing waits for the device.
"""

import enum
import warnings

import jax.numpy as jnp

from kuai.engine.autograd.running import Operation, run
from kuai.engine.tensor import Tensor, devices, from_array, modes
from kuai.engine.tensor.views import assign, held
from kuai.ops.array.creation import tensor

__all__ = ["GradScaler", "OptState"]

_unscale = Operation("unscale", "UnscaleBackward0")
_grow = Operation("update_scale", "UpdateScaleBackward0")


class OptState(enum.Enum):
    """How far an optimizer is: its gradients are scaled, unscaled, or have been used."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _refresh_per_optimizer_state():
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scale the loss, skip steps with infinite gradients, and adapt the scale to them.

    Args:
        device: "cuda" does nothing where there is no GPU, as in PyTorch, and says so.
        init_scale: the first scale.
        growth_factor: what the scale is multiplied by after `growth_interval` good steps.
        backoff_factor: what it is multiplied by after a step with infinite or NaN gradients.
        enabled: False makes everything here do nothing.

    Example:
        >>> net = kuai.nn.Linear(2, 1)
        >>> optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
        >>> scaler = kuai.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale(net(kuai.ones(1, 2)).sum()).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> scaler.get_scale()
        4.0
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        if enabled and device == "cuda" and devices.device_count("cuda") == 0:
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._device, self._enabled = device, enabled
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale = tensor(float(init_scale))
        self._growth_tracker = from_array(jnp.zeros((), jnp.int32))
        self._stages = {}  # id of an optimizer -> what has been done since update()
        self._found_inf = {}  # id of an optimizer -> tensor
        self._is_used = False  # whether something was scaled

    def scale(self, outputs):
        """A loss, or nested lists of them, times the scale."""
        if not self._enabled:
            return outputs
        if not self._is_used:
            self._is_used = True
        if isinstance(outputs, Tensor):
            return outputs * self._scale.to(outputs.device)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(output) for output in outputs])
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _check_used(self, name):
        if not self._is_used:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def unscale_(self, optimizer):
        """Divide an optimizer's gradients by the scale, before clipping them, say."""
        if not self._enabled:
            return
        self._check_used("unscale_")
        stage = self._stages.get(id(optimizer), OptState.READY)
        if stage is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._unscale(optimizer)
        self._stages[id(optimizer)] = OptState.UNSCALED

    def _unscale(self, optimizer):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in params if p.grad is not None]
        if not gradients:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        if any(g.dtype.name == "float16" for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        with modes.no_grad():
            *made, found = run(_unscale, None, lambda: _unscaled, [self._scale, *gradients])
        for gradient, array in zip(gradients, made, strict=True):
            assign(gradient, held(array))
        self._found_inf[id(optimizer)] = found

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step()`, which changes nothing if a gradient was infinite or NaN."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_used("step")
        stage = self._stages.get(id(optimizer), OptState.READY)
        if stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage is OptState.READY:
            self.unscale_(optimizer)
        before, modes.state.skip_updates = modes.state.skip_updates, self._found_inf[id(optimizer)]
        try:
            result = optimizer.step(*args, **kwargs)
        finally:
            modes.state.skip_updates = before
        self._stages[id(optimizer)] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Adapt the scale to what the steps since the last call have found, or set it."""
        if not self._enabled:
            return
        self._check_used("update")
        if new_scale is not None:
            given = new_scale if isinstance(new_scale, Tensor) else tensor(float(new_scale))
            assign(self._scale, held(given.detach()))
        else:
            self._adapt()
        self._stages.clear()
        self._found_inf.clear()

    def _adapt(self):
        if not self._found_inf:
            raise AssertionError("No inf checks were recorded prior to update.")
        numbers = [self._growth_factor, self._backoff_factor, self._growth_interval]
        values = [self._scale, self._growth_tracker, *numbers, *self._found_inf.values()]
        with modes.no_grad():
            scale, tracker = run(_grow, None, lambda: _adapted, values)
        assign(self._scale, held(scale))
        assign(self._growth_tracker, held(tracker))

    # Settings and state ---------------------------------------------------------------------------

    def get_scale(self) -> float:
        """The scale now, as a number; 1.0 if disabled."""
        return self._scale.item() if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after a row of good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the growth factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a bad step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the backoff factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the growth interval."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict:
        """The state as plain numbers; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker.item(),
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on from a state that `state_dict` returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._scale.fill_(state_dict["scale"])
        self._growth_tracker.fill_(state_dict["_growth_tracker"])


def _unscaled(scale, *gradients):
    """The gradients divided by the scale, and whether any of them is infinite or NaN."""
    inverse = 1 / scale.astype(jnp.float64)
    made = [(g * inverse.astype(jnp.float32)).astype(g.dtype) for g in gradients]
    finite = [jnp.isfinite(g).all() for g in gradients]
    return (*made, ~jnp.stack(finite).all())


def _adapted(scale, tracker, growth, backoff, interval, *found):
    bad = jnp.stack(found).any()
    count = tracker + jnp.int32(1)
    grown = scale * jnp.asarray(growth, scale.dtype)
    grows = (count == interval) & jnp.isfinite(grown)
    better = jnp.where(grows, grown, scale)
    new_scale = jnp.where(bad, scale * jnp.asarray(backoff, scale.dtype), better)
    return new_scale, jnp.where(bad | (count == interval), jnp.int32(0), count)

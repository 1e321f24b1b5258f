"""What `kuai.cpu.amp` and `kuai.cuda.amp` share: PyTorch's older names, each with a warning."""

import warnings

from kuai.amp.grad_scaler import GradScaler

__all__ = ["OutdatedGradScaler", "warn_outdated"]


def warn_outdated(device: str, name: str) -> None:
    """Say what to write instead, at the line that made an object of a class which calls this."""
    warnings.warn(
        f"`torch.{device}.amp.{name}(args...)` is deprecated. Please use "
        f"`torch.amp.{name}('{device}', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class OutdatedGradScaler(GradScaler):
    """A scaler with PyTorch's older arguments, for the device that a subclass names."""

    _named: str

    def __init__(
        self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
        enabled=True,
    ):  # fmt: skip
        warn_outdated(self._named, "GradScaler")
        super().__init__(
            self._named, init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )

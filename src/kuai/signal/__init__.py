"""`torch.signal`: what belongs to the processing of signals."""

from kuai.signal import windows

__all__ = ["windows"]

"""`kuai.autograd.anomaly_mode`: PyTorch's file of the search for NaN in gradients."""

from kuai.nn.watching.debugging import detect_anomaly, set_detect_anomaly

__all__ = ["detect_anomaly", "set_detect_anomaly"]

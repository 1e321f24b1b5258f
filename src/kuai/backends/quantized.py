"""`kuai.backends.quantized`: engines for quantized tensors, which Kuai does not have."""

__all__ = ["engine", "supported_engines"]

engine = "none"
supported_engines = ["none"]

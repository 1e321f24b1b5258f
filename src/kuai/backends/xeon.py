"""`kuai.backends.xeon`: PyTorch's launcher for Intel's processors, which Kuai does not need."""

__all__: list[str] = []

"""`kuai.onnx.symbolic_opset11`: a table of PyTorch's older exporter; it is empty."""

__all__: list[str] = []

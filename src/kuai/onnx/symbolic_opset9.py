"""`kuai.onnx.symbolic_opset9`: a table of PyTorch's older exporter; it is empty."""

__all__: list[str] = []

"""PyTorch's path of `kuai.scan`."""

from kuai.ops.control.control_flow import scan as scan

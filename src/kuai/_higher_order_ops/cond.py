"""PyTorch's path of `kuai.cond`."""

from kuai.ops.control.control_flow import cond as cond

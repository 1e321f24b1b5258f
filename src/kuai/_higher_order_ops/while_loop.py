"""PyTorch's path of `kuai.while_loop`."""

from kuai.ops.control.control_flow import while_loop as while_loop

"""`kuai._higher_order_ops`: loops and branches of functions of tensors, at PyTorch's path."""

from kuai._higher_order_ops.associative_scan import associative_scan
from kuai._higher_order_ops.cond import cond
from kuai._higher_order_ops.map import map
from kuai._higher_order_ops.scan import scan
from kuai._higher_order_ops.while_loop import while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]

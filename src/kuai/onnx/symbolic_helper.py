"""`kuai.onnx.symbolic_helper`: for functions that tell PyTorch's older exporter about operations.

They are defined when a package is imported, and never called here.
"""

from kuai.standin.refusing import refused

__all__ = ["_get_tensor_sizes", "_unimplemented", "parse_args"]

_WHY = "it belongs to PyTorch's older exporter", "Leave it out"


def parse_args(*arg_descriptors):
    """A decorator that gives back the function."""
    return lambda fn: fn


quantized_args = parse_args
_unimplemented = refused("torch.onnx.symbolic_helper._unimplemented", *_WHY)
_get_tensor_sizes = refused("torch.onnx.symbolic_helper._get_tensor_sizes", *_WHY)

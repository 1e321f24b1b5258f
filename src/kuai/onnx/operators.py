"""`kuai.onnx.operators`: shapes as tensors."""

from kuai.ops.array.creation import tensor
from kuai.ops.array.shaping import reshape

__all__ = ["reshape_from_tensor_shape", "shape_as_tensor"]


def shape_as_tensor(x):
    """The shape of a tensor, as a tensor.

    Example:
        >>> kuai.onnx.operators.shape_as_tensor(kuai.ones(2, 3))
        tensor([2, 3])
    """
    return tensor(list(x.shape))


def reshape_from_tensor_shape(x, shape):
    """A tensor in a shape that is a tensor."""
    return reshape(x, shape.tolist())

"""Pooling under the names that always give the places of the maxima, too."""

from kuai.engine.op import composite
from kuai.ops.nn import pooling

__all__ = [
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
]


def _with_indices(pool, name):
    def face(
        input,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    face.__doc__ = f"`{name}` with the places of the maxima, whatever `return_indices` says."
    return _exported(face, f"{name}_with_indices")


def _adaptive_with_indices(pool, name):
    def face(input, output_size, return_indices=False):
        return pool(input, output_size, True)

    face.__doc__ = f"`{name}` with the places of the maxima, whatever `return_indices` says."
    return _exported(face, f"{name}_with_indices")


def _exported(face, name):
    face.__name__ = face.__qualname__ = name
    return composite(export=f"nn.functional.{name}")(face)


max_pool1d_with_indices = _with_indices(pooling.max_pool1d, "max_pool1d")
max_pool2d_with_indices = _with_indices(pooling.max_pool2d, "max_pool2d")
max_pool3d_with_indices = _with_indices(pooling.max_pool3d, "max_pool3d")
adaptive_max_pool1d_with_indices = _adaptive_with_indices(
    pooling.adaptive_max_pool1d, "adaptive_max_pool1d"
)
adaptive_max_pool2d_with_indices = _adaptive_with_indices(
    pooling.adaptive_max_pool2d, "adaptive_max_pool2d"
)
adaptive_max_pool3d_with_indices = _adaptive_with_indices(
    pooling.adaptive_max_pool3d, "adaptive_max_pool3d"
)

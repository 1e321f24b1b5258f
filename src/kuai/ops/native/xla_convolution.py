"""XLA's own convolution, in either order of the axes.

PyTorch has two switches for float32 on a GPU: matrices are multiplied precisely by default,
convolutions in TensorFloat32. JAX has one for both, so a convolution says its precision itself.
"""

import jax
from jax import lax

from kuai.engine.tensor.acceleration import is_tensor_float_allowed
from kuai.engine.tensor.portable import is_portable

__all__ = ["convolve_on_xla"]


def convolve_on_xla(x, weight, window, layout):
    """Convolve x with weight (O, C / groups, *kernel) as `window` moves.

    `layout` names the axes of x and of the result, `{}` standing for the spatial ones: "NC{}" or
    "N{}C".
    """
    sizes = "DHW"[3 - len(window.stride) :]
    axes = layout.format(sizes)
    return lax.conv_general_dilated(
        x,
        weight,
        window.stride,
        window.padding,
        rhs_dilation=window.dilation,
        feature_group_count=window.groups,
        dimension_numbers=(axes, f"OI{sizes}", axes),
        precision=_precision(),
    )


def _precision():
    """That of `backends.cudnn.allow_tf32` for a GPU; elsewhere that of matrix products."""
    if is_portable() or jax.default_backend() != "gpu":
        return None
    return lax.Precision.DEFAULT if is_tensor_float_allowed() else lax.Precision.HIGHEST

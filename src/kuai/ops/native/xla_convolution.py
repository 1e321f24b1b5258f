"""XLA's own convolution, in either order of the axes."""

from jax import lax

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
    )

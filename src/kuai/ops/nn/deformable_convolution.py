"""Convolution whose kernel looks at places that are moved by offsets, one for each of its points.

    y[p] = Σₖ w[k] · m[k, p] · x[p + k + Δ[k, p]]

The moved places lie between pixels: `grid_sampling` says how those are combined.
"""

import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.ops.nn.grid_sampling import between_pixels

__all__ = ["deform_conv2d"]


def _positions(offset, kernel, stride, padding, dilation):
    """Where each point of the kernel looks, `(2, B, groups, points, H, W)`: rows, then columns."""
    batch, channels, *size = offset.shape
    points = kernel[0] * kernel[1]
    moved = offset.reshape(batch, channels // (2 * points), points, 2, *size)
    axes = []
    for dim in (0, 1):
        of_output = jnp.arange(size[dim]) * stride[dim] - padding[dim]
        of_kernel = jnp.arange(kernel[dim]) * dilation[dim]
        grid = [of_kernel[:, None], jnp.zeros(kernel[1 - dim], int)[None]]
        of_kernel = (grid[0] + grid[1] if dim == 0 else grid[0].T + grid[1].T).reshape(points, 1, 1)
        of_output = of_output[:, None] if dim == 0 else of_output[None]
        axes.append(moved[:, :, :, dim] + (of_kernel + of_output))
    return axes


@op(function=False, method=False, grad="DeformConv2DBackward0")
def _deform_conv2d(
    input: Array,
    weight: Array,
    offset: Array,
    mask: Array | None,
    bias: Array | None,
    stride: tuple,
    padding: tuple,
    dilation: tuple,
    groups: int,
):
    kind = jnp.promote_types(input.dtype, jnp.float32)
    x, w, moved = (each.astype(kind) for each in (input, weight, offset))
    batch, channels, *_ = x.shape
    rows, columns = _positions(moved, w.shape[2:], stride, padding, dilation)
    parts, points, *size = rows.shape[1:]

    def by_part(each):  # what has offsets of its own is a picture of its own
        return each.reshape(batch * parts, points, *size)

    pictures = x.reshape(batch * parts, channels // parts, *x.shape[2:])
    found = between_pixels(pictures, [by_part(rows), by_part(columns)])  # (B·g, C/g, K, H, W)
    if mask is not None:
        found = found * by_part(mask.astype(kind))[:, None]
    found = found.reshape(batch, groups, channels // groups, points, *size)
    w = w.reshape(groups, w.shape[0] // groups, channels // groups, points)
    out = jnp.einsum("bgckhw,gock->bgohw", found, w, precision="highest")
    out = out.reshape(batch, weight.shape[0], *size)
    out = out if bias is None else out + bias.astype(kind)[:, None, None]
    return out.astype(input.dtype)


def _check(input, weight, offset, mask, stride, padding, dilation, groups, parts):
    if input.ndim != 4 or offset.ndim != 4 or weight.ndim != 4:
        raise RuntimeError("input, offset and weight have to be 4-dimensional")
    kernel = weight.shape[2:]
    if weight.shape[1] * groups != input.shape[1] or weight.shape[0] % groups:
        raise RuntimeError(
            f"weight of shape {list(weight.shape)} does not fit {input.shape[1]} input channels in "
            f"{groups} groups"
        )
    wanted = parts * 2 * kernel[0] * kernel[1]
    if offset.shape[1] != wanted:
        raise RuntimeError(
            f"offset.shape[1] is not valid: got: {offset.shape[1]} expected: {wanted}"
        )
    if input.shape[1] % parts:
        raise RuntimeError(
            f"{input.shape[1]} input channels cannot be divided into {parts} groups of offsets"
        )
    if mask is not None and mask.shape[1] * 2 != wanted:
        raise RuntimeError(
            f"mask.shape[1] is not valid: got: {mask.shape[1]} expected: {wanted // 2}"
        )
    size = tuple(
        (length + 2 * pad - (dil * (points - 1) + 1)) // step + 1
        for length, pad, dil, points, step in zip(
            input.shape[2:], padding, dilation, kernel, stride, strict=True
        )
    )
    if tuple(offset.shape[2:]) != size:
        raise RuntimeError(f"offset output dims: {tuple(offset.shape[2:])}, wanted: {size}")


@composite(function=False, method=False)
def deform_conv2d(
    input,
    weight,
    offset,
    mask,
    bias,
    stride_h,
    stride_w,
    pad_h,
    pad_w,
    dilation_h,
    dilation_w,
    groups,
    offset_groups,
    use_mask,
):
    """Convolution at places that offsets move, weighted by a mask if `use_mask`.

    Shape:
        input `(N, C, H, W)`, weight `(O, C / groups, h, w)`, offset
        `(N, 2·offset_groups·h·w, H', W')` as row and column of one point after the other, mask
        half of that, bias `(O,)`, output `(N, O, H', W')`.

    Example:
        >>> x, moved = kuai.arange(4.0).reshape(1, 1, 2, 2), kuai.full((1, 2, 2, 2), 0.5)
        >>> one = kuai.ones(1, 1, 1, 1)
        >>> f = kuai.ops.torchvision.deform_conv2d
        >>> f(x, one, moved, moved[:, :1], one[0, 0, 0], 1, 1, 0, 0, 1, 1, 1, 1, False)
        tensor([[[[2.5000, 2.0000],
                  [2.2500, 1.7500]]]])

    Reference: Zhu et al., Deformable ConvNets v2, 2019.
    """
    stride, padding = (stride_h, stride_w), (pad_h, pad_w)
    dilation = dilation_h, dilation_w
    mask = mask if use_mask else None
    _check(input, weight, offset, mask, stride, padding, dilation, groups, offset_groups)
    return _deform_conv2d(input, weight, offset, mask, bias, stride, padding, dilation, groups)

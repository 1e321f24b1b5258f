"""What packages compile for the real PyTorch, in JAX: `torch.ops.torchvision.nms` and the like.

A package that loads its compiled part finds these instead. They have gradients of any order of
their own, so the gradients that the package registers for its compiled ones are not needed.
"""

from collections.abc import Callable

import kuai
from kuai.ops.nn import boxes, deformable_convolution, region_pooling, regions, sound_filters
from kuai.standin import picture_files
from kuai.standin.refusing import refused

__all__ = ["OPERATIONS"]


def _no_cuda_version() -> int:
    """None is what it was compiled with; so say torchvision's own builds for CPUs."""
    return -1


def _unknown_cuda_version() -> None:
    """None: torchaudio's own builds for CPUs say so."""


def _derivative_of(forward: Callable, name: str) -> Callable:
    """The gradient by the features, of an operation that is linear in them."""

    def backward(grad, rois, *rest):
        more = list(rest)
        if isinstance(more[0], kuai.Tensor):
            del more[0]  # which channel was read follows from the sizes
        start = 3 if forward is not regions.ps_roi_align else 4
        sizes, options = more[start : start + 4], more[:start] + more[start + 4 :]
        features = grad.new_zeros(sizes, requires_grad=True)
        with kuai.enable_grad():
            pooled = forward(features, rois, *options)
        pooled = pooled[0] if isinstance(pooled, tuple) else pooled
        return kuai.autograd.grad(pooled, features, grad)[0]

    backward.__name__ = name
    return backward


def _roi_pool_backward(grad, rois, argmax, scale, height, width, *sizes):
    """The gradient by the features: that of a bin belongs to its largest value."""
    batch, channels, *places = sizes
    found = grad.new_zeros(batch, channels, places[0] * places[1])
    number, channel = rois[:, 0].long()[:, None, None, None], kuai.arange(channels)[:, None, None]
    values = kuai.where(argmax < 0, 0, grad)
    index = (number, channel, argmax.clamp(min=0).long())
    return found.index_put(index, values, accumulate=True).reshape(sizes)


def _deform_conv2d_backward(grad, input, weight, offset, mask, bias, *options):
    """The gradients by input, weight, offset, mask and bias."""
    given = [each.detach().requires_grad_() for each in (input, weight, offset, mask, bias)]
    with kuai.enable_grad():
        output = deformable_convolution.deform_conv2d(*given, *options)
    found = kuai.autograd.grad(output, given, grad, allow_unused=True)
    return tuple(
        kuai.zeros_like(each) if part is None else part
        for each, part in zip(given, found, strict=True)
    )


_roi_align_backward = _derivative_of(regions.roi_align, "_roi_align_backward")
_ps_roi_align_backward = _derivative_of(regions.ps_roi_align, "_ps_roi_align_backward")
_ps_roi_pool_backward = _derivative_of(region_pooling.ps_roi_pool, "_ps_roi_pool_backward")


def _no_alignment() -> bool:
    """So torchaudio's own builds without that part say; it then refuses at use."""
    return False


_QUANTIZED = "XLA has no quantized tensors as PyTorch has them", "Use the operation for floats"
_SOUND = "torchaudio compiles it for the real PyTorch", "Use ctc_loss, or align in NumPy"

#: By namespace and name.
OPERATIONS: dict[str, dict[str, Callable]] = {
    "torchvision": {
        "_cuda_version": _no_cuda_version,
        "_deform_conv2d_backward": _deform_conv2d_backward,
        "_ps_roi_align_backward": _ps_roi_align_backward,
        "_ps_roi_pool_backward": _ps_roi_pool_backward,
        "_roi_align_backward": _roi_align_backward,
        "_roi_pool_backward": _roi_pool_backward,
        "box_iou_rotated": boxes.box_iou_rotated,
        "deform_conv2d": deformable_convolution.deform_conv2d,
        "nms": boxes.nms,
        "ps_roi_align": regions.ps_roi_align,
        "ps_roi_pool": region_pooling.ps_roi_pool,
        "qnms": refused("torch.ops.torchvision.qnms", *_QUANTIZED),
        "qroi_align": refused("torch.ops.torchvision.qroi_align", *_QUANTIZED),
        "roi_align": regions.roi_align,
        "roi_pool": region_pooling.roi_pool,
    },
    "_torchaudio": {"cuda_version": _unknown_cuda_version, "is_align_available": _no_alignment},
    "torchaudio": {
        "_lfilter_core_loop": sound_filters.lfilter_core_loop,
        "_overdrive_core_loop": sound_filters.overdrive_core_loop,
        "forced_align": refused("torch.ops.torchaudio.forced_align", *_SOUND),
        "rnnt_loss_forward": refused("torch.ops.torchaudio.rnnt_loss_forward", *_SOUND),
    },
    "image": {name: getattr(picture_files, name) for name in picture_files.__all__},
}

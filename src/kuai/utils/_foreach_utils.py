"""`kuai.utils._foreach_utils`: which tensors may be updated together; optimizers of others ask."""

__all__ = []


def _get_foreach_kernels_supported_devices() -> list[str]:
    """The kinds of devices where lists of tensors are updated by one program."""
    return ["cpu", "cuda", "tpu"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """The same: XLA fuses everywhere."""
    return ["cpu", "cuda", "tpu"]


def _group_tensors_by_device_and_dtype(tensorlistlist, with_indices: bool = False) -> dict:
    """The places of several lists, by device and dtype of what the first list has there.

    Example:
        >>> from kuai.utils._foreach_utils import _group_tensors_by_device_and_dtype as group
        >>> list(group([[kuai.ones(1), kuai.ones(1).long()]], with_indices=True).values())
        [([[tensor([1.])]], [0]), ([[tensor([1])]], [1])]
    """
    groups: dict = {}
    for place, first in enumerate(tensorlistlist[0]):
        key = first.device, first.dtype
        lists, places = groups.setdefault(key, ([[] for _ in tensorlistlist], []))
        places.append(place)
        for group, given in zip(lists, tensorlistlist, strict=True):
            if given:
                group.append(given[place])
    return groups if with_indices else {key: (lists, []) for key, (lists, _) in groups.items()}


def _device_has_foreach_support(device) -> bool:
    return device.type in _get_foreach_kernels_supported_devices()


def _has_foreach_support(tensors, device) -> bool:
    return _device_has_foreach_support(device)

"""`kuai.utils.dlpack`: tensors for other libraries, and from them, without a copy."""

from kuai.ops.array.existing_data import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor):
    """A capsule that another library's `from_dlpack` takes."""
    return tensor.__dlpack__()

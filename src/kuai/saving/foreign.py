"""Tensors that PyTorch has and Kuai has not, with what turns them into one that it has."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Foreign", "foreign_dtype", "foreign_tensor"]


class Foreign(NamedTuple):
    """What a tensor is, what to call in PyTorch, and why it cannot be."""

    kind: str
    remedy: str
    why: str = "which Kuai does not have"


_BITS = Foreign("of {}", "tensor.view(torch.uint8)")
_DTYPES = {
    "complex32": Foreign("of {}", "tensor.to(torch.complex64)"),
    "float4_e2m1fn_x2": _BITS,
    **dict.fromkeys(["bits1x8", "bits2x4", "bits4x2", "bits8"], _BITS),
    "bits16": Foreign("of {}", "tensor.view(torch.int16)"),
    **dict.fromkeys([f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)], _BITS),
}
_CODES = {  # of safetensors: PyTorch's name
    "F4": "float4_e2m1fn_x2",
}
_SPARSE = Foreign("sparse", "tensor.to_dense()", "which only kuai.load reads")
_QUANTISED = Foreign("quantised", "tensor.dequantize()")
_NESTED = Foreign("nested", "tensor.to_padded_tensor(0.0)")
_TENSORS = {
    "torch._utils _rebuild_sparse_tensor": _SPARSE,
    "torch.serialization _get_layout": _SPARSE,
    "torch._utils _rebuild_sparse_csr_tensor": _SPARSE,
    "torch._utils _rebuild_qtensor": _QUANTISED,
    **{f"torch {name}Storage": _QUANTISED for name in ("QInt8", "QUInt8", "QInt32", "QUInt4x2")},
    "torch._utils _rebuild_nested_tensor": _NESTED,
    "torch.nested._internal.nested_tensor _rebuild_njt": _NESTED,
    "torch._utils _rebuild_meta_tensor_no_storage": Foreign(
        "without values (on the device 'meta')", "a tensor with values"
    ),
}


def foreign_tensor(name: str) -> Foreign | None:
    """What a global name of a PyTorch file, `"module name"`, stands for; None if nothing known."""
    module, _, attribute = name.partition(" ")
    return foreign_dtype(attribute) if module == "torch" else _TENSORS.get(name)


def foreign_dtype(name: str) -> Foreign | None:
    """The same for a dtype, by PyTorch's name or by that of safetensors."""
    name = _CODES.get(name, name)
    found = _DTYPES.get(name) or _TENSORS.get(f"torch {name}")
    return found and found._replace(kind=found.kind.format(name))

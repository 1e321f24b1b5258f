"""`kuai.onnx`: PyTorch's import path of the ONNX exporter."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kuai.errors import ExportError
from kuai.nn.base.module import Module
from kuai.saving.exports.entry import export as _export
from kuai.saving.exports.onnx_file import OPSET
from kuai.standin.refusing import refused

__all__ = [
    "OperatorExportTypes",
    "TensorProtoDataType",
    "TrainingMode",
    "export",
    "is_in_onnx_export",
    "register_custom_op_symbolic",
]


def export(
    model: Module,
    args: Any = (),
    f: str | os.PathLike | None = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = True,
    dynamic_shapes: Mapping[str, Any] | Sequence[Any] | None = None,
    optimize: bool = True,
    export_params: bool = True,
    dynamic_axes: Mapping[str, Any] | None = None,
    training: Any = None,
    do_constant_folding: bool = True,
) -> None:
    """Write a network to an ONNX file with `torch.onnx.export`'s arguments; see `kuai.export`.

    Args:
        model, args, f: the net, its arguments, and the path, which has to end in `.onnx`.
        dynamic_shapes, dynamic_axes: `{"x": {0: "batch"}}`; sizes not named here are fixed.
        verbose, dynamo, external_data, optimize, do_constant_folding: accepted and without effect.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/net.onnx"
        >>> kuai.onnx.export(kuai.nn.Linear(2, 1), (kuai.ones(4, 2),), path)

    Differs from PyTorch: it returns None, and always exports in evaluation mode.
    """
    if not (f is not None and os.fspath(f).endswith(".onnx")):
        raise ExportError(f"kuai.onnx.export writes to a path that ends in .onnx, not to {f!r}")
    if training not in (None, False, 0) and getattr(training, "name", "") != "EVAL":
        raise ExportError("A net is exported in evaluation mode only: leave training= out")
    if not export_params:
        raise ExportError("The weights are always part of the file: leave export_params= out")
    _export(
        model,
        args,
        f,
        kwargs=kwargs,
        dynamic_batch=False,
        dynamic_shapes=_chosen(dynamic_shapes, dynamic_axes, output_names or ()),
        input_names=input_names,
        output_names=output_names,
        opset_version=opset_version or OPSET,
    )


def _chosen(dynamic_shapes, dynamic_axes, output_names):
    """The open sizes of the inputs; PyTorch's `dynamic_axes` may name results too, or only axes."""
    if dynamic_shapes is not None or dynamic_axes is None:
        return dynamic_shapes
    return {
        name: axes if isinstance(axes, Mapping) else dict.fromkeys(axes, True)
        for name, axes in dynamic_axes.items()
        if name not in output_names
    }


def is_in_onnx_export() -> bool:
    """Whether the code is being exported by PyTorch's older exporter: never.

    Example:
        >>> kuai.onnx.is_in_onnx_export()
        False
    """
    return False


class OperatorExportTypes:
    """Names of what PyTorch's older exporter does with unknown operations."""

    ONNX, ONNX_ATEN, ONNX_ATEN_FALLBACK, ONNX_FALLTHROUGH = range(4)


class TrainingMode:
    """Names of modes in which PyTorch's older exporter exports."""

    EVAL, PRESERVE, TRAINING = range(3)


class TensorProtoDataType:
    """ONNX's numbers of element types."""

    FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE = range(1, 12)
    UINT32, UINT64, COMPLEX64, COMPLEX128, BFLOAT16 = range(12, 17)


_OLDER = (
    "it belongs to PyTorch's older exporter",
    "kuai.onnx.export writes operations as ONNX by itself",
)


def register_custom_op_symbolic(symbolic_name, symbolic_fn, opset_version, custom_opsets=None):
    """Does nothing: how an operation is written follows from what it is made of."""


dynamo_export = refused("torch.onnx.dynamo_export", *_OLDER)

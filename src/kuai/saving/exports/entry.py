"""`kuai.export`: hand a network over to programs that do not know Kuai."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kuai.errors import ExportError
from kuai.nn.base.module import Module
from kuai.saving.exports.inputs import Inputs
from kuai.saving.exports.onnx_file import OPSET, write_onnx
from kuai.saving.exports.program import write_program

__all__ = ["export"]

_PLATFORMS = ("cpu", "cuda", "tpu")


def export(
    net: Module,
    example: Any,
    path: str | os.PathLike,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dynamic_batch: bool = True,
    dynamic_shapes: Mapping[str, Any] | Sequence[Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    platforms: Sequence[str] = _PLATFORMS,
    opset_version: int = OPSET,
) -> None:
    """Write a network, in evaluation mode, as a program that runs without Kuai.

    The path's suffix chooses: `.zip` is StableHLO with its weights, for JAX (`docs/export.md` has
    the lines that run it, `kuai.load_exported` does so here); `.onnx` is ONNX and needs
    `pip install 'kuai-nn[onnx]'`. The net stays as it is; the file is written whole or not at all.

    Args:
        example: a tensor, or a tuple of arguments; only shapes and dtypes of tensors count. Plain
            Python values among them become part of the program.
        kwargs: keyword arguments of the call.
        dynamic_batch: leave the first size of the first tensor, and of others with the same first
            size, open.
        dynamic_shapes: `{"x": {0: "batch", 1: "time"}}` leaves these sizes open, and no others.
        input_names, output_names: names of the inputs, and for ONNX of the results; default: the
            parameters of `forward`.
        platforms: for which platforms a `.zip` is made: cpu, cuda, rocm, tpu.
        opset_version: the version of ONNX's operators.

    Raises:
        ExportError: the program would need the values of a tensor, random numbers, a write to a
            buffer, or a size that was left open.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/lenet.zip"
        >>> net = kuai.vision.models.LeNet()
        >>> kuai.export(net, kuai.zeros(1, 1, 28, 28), path)
        >>> kuai.load_exported(path)(kuai.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 10])
    """
    if not isinstance(net, Module):
        raise TypeError(f"kuai.export needs a Module, not a {type(net).__name__}")
    args = example if isinstance(example, tuple) else (example,)
    inputs = Inputs(net, args, dict(kwargs or {}), dynamic_batch, dynamic_shapes, input_names)
    suffix = pathlib.Path(path).suffix
    if suffix == ".onnx":
        write_onnx(net, inputs, path, output_names, opset_version)
    elif suffix == ".zip":
        write_program(net, inputs, path, tuple(platforms))
    else:
        raise ExportError(
            f"The suffix of {os.fspath(path)!r} names no format: .zip is StableHLO with its "
            "weights, for JAX; .onnx is ONNX."
        )

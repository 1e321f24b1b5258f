"""Export: a network as a program that runs without Kuai, as StableHLO or as ONNX."""

from kuai.saving.exports.entry import export
from kuai.saving.exports.program import ExportedProgram
from kuai.saving.exports.reading import load_exported

__all__ = ["ExportedProgram", "export", "load_exported"]

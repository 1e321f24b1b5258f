"""Files: tensors in PyTorch's own format and in safetensors, whole or not there at all."""

from kuai.errors import BrokenFileError
from kuai.saving.atomic import replacing, write_atomically
from kuai.saving.checkpoints import Checkpointer
from kuai.saving.exports import ExportedProgram, export, load_exported
from kuai.saving.files import load, save
from kuai.saving.safetensors_file import load_file, load_metadata, save_file
from kuai.saving.safetensors_handle import safe_open

__all__ = [
    "BrokenFileError",
    "Checkpointer",
    "ExportedProgram",
    "export",
    "load",
    "load_exported",
    "load_file",
    "load_metadata",
    "replacing",
    "safe_open",
    "save",
    "save_file",
    "write_atomically",
]

"""Files: tensors in PyTorch's own format and in safetensors, whole or not there at all."""

from kuai.errors import BrokenFileError
from kuai.saving.atomic import replacing, write_atomically
from kuai.saving.files import load, save
from kuai.saving.safetensors_file import load_file, load_metadata, save_file

__all__ = [
    "BrokenFileError",
    "load",
    "load_file",
    "load_metadata",
    "replacing",
    "save",
    "save_file",
    "write_atomically",
]

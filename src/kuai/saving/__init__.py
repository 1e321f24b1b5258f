"""Files: tensors by name in the safetensors format, written so that no file is ever half there."""

from kuai.saving.atomic import write_atomically
from kuai.saving.safetensors_file import BrokenFileError, load_file, load_metadata, save_file

__all__ = ["BrokenFileError", "load_file", "load_metadata", "save_file", "write_atomically"]

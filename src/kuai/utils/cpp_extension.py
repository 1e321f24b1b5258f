"""`kuai.utils.cpp_extension`: C++ that is compiled against PyTorch, which is refused at use."""

from kuai.standin.refusing import refused, refused_class

__all__ = [
    "BuildExtension",
    "CUDA_HOME",
    "CUDAExtension",
    "CppExtension",
    "IS_HIP_EXTENSION",
    "ROCM_HOME",
    "include_paths",
    "library_paths",
    "load",
    "load_inline",
]

CUDA_HOME = ROCM_HOME = CUDNN_HOME = None
IS_HIP_EXTENSION = False
_WHY = (
    "C++ code for PyTorch works on PyTorch's own tensors",
    "Write the operation in Python (kuai.library.custom_op), or as a JAX FFI call",
)


def _function(name):
    return refused(f"torch.utils.cpp_extension.{name}", *_WHY)


CppExtension, CUDAExtension = _function("CppExtension"), _function("CUDAExtension")
load, load_inline = _function("load"), _function("load_inline")
include_paths, library_paths = _function("include_paths"), _function("library_paths")
BuildExtension = refused_class("torch.utils.cpp_extension.BuildExtension", *_WHY)

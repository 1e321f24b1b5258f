"""Compiled extensions that are linked against PyTorch's own libraries say what is the matter.

Such a file asks the system for `libtorch.so` and the like, which are not there, or are those of a
PyTorch that does not run. What the linker says of it names neither the package nor a way out.
"""

import importlib.abc
import importlib.machinery
import re

from kuai.errors import StandInError

__all__ = ["ExtensionFinder", "explained"]

_THEIR_LIBRARIES = re.compile(
    r"lib(torch|c10|shm|caffe2)\w*[.\d]*\.(so|dylib|dll)|\b(torch|c10)\w*\.dll|_ZN?K?(2at|3c10|5torch)"
)


def explained(name: str, error: BaseException) -> StandInError | None:
    """The error to raise for a compiled module that cannot be loaded, if PyTorch is why.

    Example:
        >>> fault = ImportError("libtorch_cpu.so: cannot open shared object file")
        >>> str(explained("quick_ops._C", fault)).partition(":")[0]
        "The package 'quick_ops' has a compiled part, quick_ops._C"
        >>> explained("numpy._core", ImportError("libopenblas.so: cannot open")) is None
        True
    """
    if not _THEIR_LIBRARIES.search(str(error)):
        return None
    package = name.partition(".")[0]
    return StandInError(
        f"The package {package!r} has a compiled part, {name}: it is linked against PyTorch's own "
        "libraries and works with the real PyTorch only. Here `torch` is Kuai. Use the package's "
        f"pure Python way, if it has one, or run this program with PyTorch. ({error})",
        name=name,
    )


class ExtensionFinder(importlib.abc.MetaPathFinder):
    """Finds what Python's own finder finds, for compiled modules only, to explain their errors."""

    def find_spec(self, fullname, path=None, target=None):
        """The spec of a compiled module, with a loader that explains."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.ExtensionFileLoader:
            return None
        loader = spec.loader
        spec.loader = _ExplainingLoader(loader.name, loader.path)
        return spec


class _ExplainingLoader(importlib.machinery.ExtensionFileLoader):
    def create_module(self, spec):
        try:
            return super().create_module(spec)
        except ImportError as error:
            raise explained(spec.name, error) or error from error

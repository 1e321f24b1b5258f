"""Import paths: `torch` and `torch.x.y` are the very modules `kuai` and `kuai.x.y`.

Python asks the finders in `sys.meta_path` for a module that it does not know yet. The one here
answers for `torch` and everything below it, and loads by importing Kuai's module of that path: no
second module is made, so classes are the same classes under both names.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable

from kuai.standin import refused_paths

__all__ = ["RefusedPaths", "TorchPaths", "ours", "refused_part", "show_what_is_loaded"]

_THEIRS, _OURS = "torch", "kuai"
_BESIDE = {"functorch": "kuai._functorch.everything"}  # what comes with PyTorch
#: Modules of PyTorch's that are a part of what Kuai has in one.
_WITHIN = {
    "accelerator.memory": "accelerator",
    "autograd.profiler_legacy": "autograd.profiler",
    "cpu.amp.autocast_mode": "cpu.amp",
    "cpu.amp.grad_scaler": "cpu.amp",
    "distributed.checkpoint.state_dict_saver": "distributed.checkpoint",
    "export.dynamic_shapes": "export.dims",
    "export.exported_program": "export",
    "optim._multi_tensor": "optim",
    "nn.modules.linear_cross_entropy": "nn.modules.adaptive",
    "profiler.profiler": "profiler",
    "quantization.fuse_modules": "ao.quantization",
    "quantization.qconfig": "ao.quantization",
    "quantization.quantize": "ao.quantization",
    "quantization.stubs": "ao.quantization",
    "ao.quantization.quantize": "ao.quantization",
    "ao.quantization.stubs": "ao.quantization",
    "signal.windows.windows": "signal.windows",
    "xpu.memory": "xpu",
    "xpu.random": "xpu",
    "xpu.streams": "xpu",
}


def ours(name: str) -> str | None:
    """Kuai's path for one of PyTorch's, or None for any other.

    Example:
        >>> ours("torch.nn.functional"), ours("torchvision")
        ('kuai.nn.functional', None)
    """
    first, dot, rest = name.partition(".")
    home = _OURS if first == _THEIRS else _BESIDE.get(first)
    return home and home + dot + _WITHIN.get(rest, rest)


def show_what_is_loaded(below: str = "") -> None:
    """Have the modules of Kuai that are loaded stand in `sys.modules` under PyTorch's names, too.

    Packages look up `sys.modules["torch.nn"]` once they have imported `torch`. And Python, which
    loads a module under a name for the first time, puts it into its package, where a function of
    the same name may stand (`nn.utils.weight_norm`): those that are there it does not load.
    """
    start = f"{_OURS}{below}."
    for name, module in list(sys.modules.items()):
        theirs = _THEIRS + name.removeprefix(_OURS)
        if name.startswith(start) and theirs not in sys.modules:
            sys.modules[theirs] = module
            vars(module).setdefault("__path__", [])  # PyTorch may have more below what is a file


def refused_part(package: str, name: str) -> types.ModuleType | None:
    """What `torch.nested` is without an import: PyTorch loads such modules itself.

    Only the very names of paths that can be imported are there, so packages that ask whether a
    name is there get PyTorch's answer.
    """
    path = f"{_THEIRS}{package.removeprefix(_OURS)}.{name}"
    if name.startswith("_") or not refused_paths.has(path):
        return None
    return importlib.import_module(path)


class TorchPaths(importlib.abc.MetaPathFinder):
    """Finds Kuai's modules under PyTorch's names.

    Args:
        missed: told the name of each module that is asked for and not there.
    """

    def __init__(self, missed: Callable[[str], None] = lambda name: None):
        self.missed = missed

    def find_spec(self, fullname, path=None, target=None):
        """How `torch…` is loaded; None for other modules, and for those that Kuai has not."""
        name = ours(fullname)
        if name is None:
            return None
        if name not in sys.modules and _is_missing(name):
            made = refused_paths.module_of(fullname)
            if made is None:
                self.missed(fullname)
                return None
            return importlib.machinery.ModuleSpec(fullname, _Made(made), is_package=True)
        return importlib.machinery.ModuleSpec(fullname, _SameModule(name), is_package=True)


class RefusedPaths(importlib.abc.MetaPathFinder):
    """Finds what `from torch.x import y` asks for where `y` is such a module: it asks under `kuai`.

    It stands behind all other finders, so it is asked for what is nowhere.
    """

    def find_spec(self, fullname, path=None, target=None):
        """The module that says at use why it does nothing."""
        first, _, rest = fullname.partition(".")
        if first == _OURS and rest in _WITHIN:
            name = f"{_OURS}.{_WITHIN[rest]}"
            return importlib.machinery.ModuleSpec(fullname, _SameModule(name), is_package=True)
        made = refused_paths.module_of(f"{_THEIRS}.{rest}") if first == _OURS else None
        if made is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Made(made), is_package=True)


def _is_missing(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except ModuleNotFoundError:  # of what it would be a part of
        return True


class _Made(importlib.abc.Loader):
    """Loads a module that has been made."""

    def __init__(self, module):
        self.module = module

    def create_module(self, spec):
        """The module."""
        return self.module

    def exec_module(self, module):
        """Nothing is left to run."""


class _SameModule(importlib.abc.Loader):
    """Loads a module by importing it under its own name."""

    def __init__(self, name: str):
        self.name = name

    def create_module(self, spec):
        """The module itself."""
        module = importlib.import_module(self.name)
        show_what_is_loaded(self.name.removeprefix(_OURS))
        self.own_spec = module.__spec__  # which Python overwrites with the one asked for
        return module

    def exec_module(self, module):
        """Nothing is left to run; the module stays what it is."""
        module.__spec__ = self.own_spec

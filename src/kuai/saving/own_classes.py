"""Objects of the program's own classes, where `weights_only=False` says that a file is trusted.

PyTorch then runs whatever the file says. Here a file still cannot import or call anything: it may
name classes and functions that this program has in memory, and objects are made of these classes
as pickle makes them (`cls.__new__(cls)`, then their attributes). Those classes are
* modules, optimizers and schedulers;
* what the program itself defines: in its script or notebook, or in a file that is not installed;
* data classes, enumerations and named tuples of any package;
* what was given to `serialization.add_safe_globals`, which may be called, and needs no trust.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import pathlib
import sys
import sysconfig
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import Any

import kuai.optim.lr_scheduler as schedulers
from kuai import nn, optim
from kuai.engine.op.registry import REGISTRY
from kuai.engine.tensor import Tensor
from kuai.ops.table import FUNCTIONS
from kuai.saving.interpreter import Builder, Names
from kuai.saving.refusals import Refused, exactly
from kuai.saving.storages import StorageType
from kuai.saving.taking_apart import ours
from kuai.saving.trees import CONTAINERS

__all__ = ["ProgramNames", "check_objects", "safe_globals"]

#: What the program said may be loaded: callables, or pairs of one and the name it goes by.
safe_globals: list[Any] = []
_FAMILIES = (nn.Module, optim.Optimizer, schedulers.LRScheduler, schedulers.ReduceLROnPlateau)
_INSTALLED = (
    *(sysconfig.get_path(part) for part in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(pathlib.Path(__file__).parents[1]),
)
_PLAIN = {kind.__name__: kind for kind in (dict, list, set, int, float, str, tuple, bool)}
_FUNCTIONS = (FunctionType, BuiltinFunctionType)


class ProgramNames(Names):
    """A table of names, and what this program has beside it.

    Args:
        names: what every file may use.
        trusted: whether classes of the program may be used; what is in `safe_globals` always may.

    Attributes:
        used: whether the file has named anything of the program's.
    """

    def __init__(self, names: Mapping[str, Any], trusted: bool):
        super().__init__(names)
        self.used = False
        self._trusted = trusted
        self._safe = dict(_safe_names())
        if trusted:
            self.update(_values())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._find(str(name)) is not None

    def __missing__(self, name: str) -> Any:
        self.used = True
        return self._find(name)

    def may_make(self, kind: type) -> bool:
        """Whether objects of a class may be made."""
        return kind in self._safe.values() or (self._trusted and _is_own(kind))

    def may_call(self, function: Any) -> bool:
        """Whether a callable may be called: what was said to be safe, and choices of an enum."""
        choice = isinstance(function, type) and issubclass(function, enum.Enum)
        return any(function is safe for safe in self._safe.values()) or (
            choice and self.may_make(function)
        )

    def may_be_key(self, value: Any) -> bool:
        """Also what has its identity for a hash: parameters are keys of an optimizer's state."""
        return super().may_be_key(value) or (self._trusted and _has_identity(value))

    def _find(self, name: str) -> Any:
        if name in self._safe:
            return self._safe[name]
        found = _in_memory(name) if self._trusted else None
        if isinstance(found, type):
            return found if _is_own(found) else None
        if isinstance(found, _FUNCTIONS):
            return found if _is_kuais(found) or _is_the_programs(found) else None
        return None


def check_objects(root: Any, names: ProgramNames) -> None:
    """Refuse what is not finished: a name of the table where a value has to be."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (Builder, StorageType)):
            raise Refused(f"{value.name} stands where a value or an object has to be")
        if names.may_make(type(value)) or isinstance(value, (*CONTAINERS, *_MADE, Namespace)):
            waiting += _children(value)


def _children(value: Any) -> list:
    inside = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, functools.partial):
        inside += [value.func, value.args, value.keywords]
    if isinstance(value, dict):
        inside += [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, deque)):
        inside += value
    return inside


def _has_identity(value: Any) -> bool:
    return isinstance(value, (Tensor, nn.Module, type, *_FUNCTIONS, enum.Enum))


def _safe_names() -> Iterator[tuple[str, Any]]:
    for each in safe_globals:
        function, name = each if isinstance(each, tuple) else (each, None)
        name = name or f"{function.__module__}.{function.__qualname__}"
        module, _, last = name.rpartition(".")
        yield f"{module} {last}", function


def _in_memory(name: str) -> Any:
    """What a module that has been imported has under a name of PyTorch's or the program's."""
    module, _, path = name.partition(" ")
    found: Any = sys.modules.get(ours(module))
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None and module.startswith("torch.nn.modules"):
        return getattr(nn, path, None)  # where PyTorch keeps a layer in another file
    if found is None and module == "torch._C._nn":
        return getattr(nn.functional, path, None)
    return found


def _is_own(kind: type) -> bool:
    if issubclass(kind, _FAMILIES) or dataclasses.is_dataclass(kind):
        return True
    named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return named_tuple or issubclass(kind, enum.Enum) or _is_the_programs(kind)


def _is_kuais(function: Any) -> bool:
    """Whether it computes with tensors, and nothing else."""
    module = getattr(function, "__module__", None) or ""
    inside = module.startswith(("kuai.ops.", "kuai.nn.")) or module == "kuai.functional"
    return inside or REGISTRY.exports(function)


def _is_the_programs(value: Any) -> bool:
    """Whether the program itself defines it: it is in no package that is installed."""
    module = getattr(value, "__module__", None) or ""
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and not str(pathlib.Path(file).resolve()).startswith(_INSTALLED)


# Values of Python's that stand inside of modules and optimizers -----------------------------------


def _values() -> dict[str, Any]:
    builders: dict[str, Callable[[tuple], Any]] = {
        "collections defaultdict": _defaultdict,
        "collections deque": _deque,
        "functools partial": _partial,
        "pathlib PosixPath": functools.partial(_path, pathlib.PurePosixPath),
        "pathlib WindowsPath": functools.partial(_path, pathlib.PureWindowsPath),
        "types SimpleNamespace": _simple,
    }
    found: dict[str, Any] = {"torch._C _VariableFunctionsClass": _OPERATIONS}
    for module in ("builtins", "__builtin__"):
        builders[f"{module} getattr"] = _operation
        builders |= {f"{module} range": _range, f"{module} slice": _slice}
        kinds = {f"{module} {name}": kind for name, kind in _PLAIN.items() if name != "set"}
        found |= kinds
    return found | {name: Builder(name.replace(" ", "."), f) for name, f in builders.items()}


_OPERATIONS = Builder("torch._C._VariableFunctionsClass", lambda arguments: _wrong("it"))
_MADE = (defaultdict, deque, functools.partial, SimpleNamespace, range, slice,
         pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath)  # fmt: skip


def _wrong(name: str) -> Any:
    raise Refused(f"{name} is called with other arguments than PyTorch gives it")


def _defaultdict(arguments: tuple) -> defaultdict:
    if len(arguments) > 1:
        _wrong("collections.defaultdict")
    factory = arguments[0] if arguments else None
    if isinstance(factory, Builder) and factory.name in ("builtins.set", "__builtin__.set"):
        factory = set
    kinds = (None, Counter, OrderedDict, Namespace, *_PLAIN.values())
    return defaultdict(factory if factory in kinds else _wrong("collections.defaultdict"))


def _deque(arguments: tuple) -> deque:
    items = arguments[0] if arguments else ()
    longest = arguments[1] if arguments[1:] else None
    if type(items) not in (tuple, list) or type(longest) not in (int, type(None)):
        _wrong("collections.deque")
    return deque(items, longest)


def _partial(arguments: tuple) -> functools.partial:
    if len(arguments) != 1 or not isinstance(arguments[0], (type, *_FUNCTIONS)):
        _wrong("functools.partial")
    return functools.partial(arguments[0])


def _path(kind: type, arguments: tuple) -> Any:
    parts = [exactly(part, str, "a part of a path") for part in arguments]
    return pathlib.Path(*parts) if isinstance(pathlib.Path(), kind) else kind(*parts)


def _simple(arguments: tuple) -> SimpleNamespace:
    return SimpleNamespace() if not arguments else _wrong("types.SimpleNamespace")


def _range(arguments: tuple) -> range:
    return range(*(exactly(part, int, "a part of a range") for part in arguments))


def _slice(arguments: tuple) -> slice:
    if any(type(part) not in (int, type(None)) for part in arguments):
        _wrong("slice")
    return slice(*arguments)


def _operation(arguments: tuple) -> Any:
    """How pickle names `torch.relu`: by an attribute of one of PyTorch's own classes."""
    if len(arguments) != 2 or arguments[0] is not _OPERATIONS:
        _wrong("getattr")
    name = exactly(arguments[1], str, "the name of an operation")
    found = FUNCTIONS.get(name)
    return found if found is not None else _wrong("getattr")

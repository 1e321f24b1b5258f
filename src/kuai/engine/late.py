"""Modules and names that are loaded when they are first asked for: `import kuai` stays quick.

A package says what it has late, for Python and, under `TYPE_CHECKING`, for type checkers. Whoever
reads `kuai.optim` or writes `from kuai import optim` does not notice. A name that is also a file's
beside it cannot be late: Python puts the file there when somebody imports it.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["asked_last", "by_name", "elsewhere", "late"]

#: Asked for the name that a package (first argument) does not have, before that is an error; they
#: answer None where they do not have it either.
asked_last: list[Callable[[str, str], Any]] = []


def by_name(homes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Where each name comes from, of the names of each module.

    Example:
        >>> by_name({"saving": ("load", "save")})
        {'load': 'saving', 'save': 'saving'}
    """
    return {name: home for home, names in homes.items() for name in names}


def late(
    package: str, modules: Iterable[str], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`.

    Args:
        package: its name.
        modules: the modules in it that are loaded late.
        homes: names, and the modules in it that they are taken from; a taken name stays.
    """
    modules, names = frozenset(modules), vars(sys.modules[package])

    def find(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in homes:
            return _elsewhere_or_nowhere(package, name)
        names[name] = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        return names[name]

    return find, lambda: sorted({*names, *modules, *homes})


def _elsewhere_or_nowhere(package: str, name: str) -> Any:
    for ask in asked_last:
        found = ask(package, name)
        if found is not None:
            return found
    first, dot, rest = package.partition(".")
    shown = sys.modules[first].__name__ + dot + rest  # PyTorch's, where that is Kuai
    raise AttributeError(f"module {shown!r} has no attribute {name!r}")


def elsewhere(module: str, home: str, names: Iterable[str]) -> Callable[[str], Any]:
    """A module's `__getattr__` for names of another module, loaded when one is asked for."""
    names = frozenset(names)

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home), name)

    return find

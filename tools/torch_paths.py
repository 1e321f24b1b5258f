"""Write down PyTorch's import paths that Kuai has no module for, with the names in each.

`python -m tools.torch_paths` asks the PyTorch that is installed, and writes
`src/kuai/standin/other_paths.txt`, a line for each path.
"""

import importlib
import importlib.util
import pathlib
import re
import types
import warnings

import torch

from kuai.standin.paths import ours

__all__ = ["FILE", "names_in", "others", "paths"]

FILE = pathlib.Path(__file__).parents[1] / "src/kuai/standin/other_paths.txt"
#: Tests, examples and tables for builds: nobody imports them.
_LEFT_OUT = re.compile(r"\.(examples|tests|gen_pyi|hipify|valgrind_wrapper|templates)(\.|$)|_test$")


def paths() -> list[str]:
    """The public paths of PyTorch, without its own name.

    Example:
        >>> "ao.quantization.qconfig_mapping" in paths()
        True
    """
    root = pathlib.Path(torch.__file__).parent
    found = []
    for file in root.rglob("*.py"):
        parts = list(file.relative_to(root).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        path = ".".join(parts)
        private = any(part.startswith("_") for part in parts)
        if path and not private and not _LEFT_OUT.search("." + path):
            found.append(path)
    return sorted(found)


def names_in(path: str) -> list[str]:
    """The public functions and classes that a module of PyTorch's defines or lists.

    Example:
        >>> names_in("ao.quantization.stubs")
        ['DeQuantStub', 'QuantStub', 'QuantWrapper']
    """
    name = f"torch.{path}"
    try:
        module = importlib.import_module(name)
    except ImportError:  # of what is not installed here
        return []
    listed = getattr(module, "__all__", ())
    own = (
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and callable(value)
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", None) == name
    )
    found = {*listed, *own}
    return sorted(
        key for key in found if not isinstance(getattr(module, key, None), types.ModuleType)
    )


def _is_ours(path: str) -> bool:
    name = ours(f"torch.{path}")
    try:
        return name is not None and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of what it would be a part of
        return False


def others() -> list[str]:
    """The paths that Kuai has no module for."""
    return [path for path in paths() if not _is_ours(path)]


def main() -> None:
    """Write the file."""
    warnings.simplefilter("ignore")
    lines = [" ".join([path, *names_in(path)]) for path in others()]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

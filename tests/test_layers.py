"""Imports point downward only: a reader can trust the picture of the layers in CONTRIBUTING.md.

A file imports its own layer or a lower one, at the top of the file. Every package has a layer.
"""

import ast
import dataclasses
import pathlib
import re
import sys

import pytest

SOURCE = pathlib.Path(__file__).parent.parent / "src"

#: The files beside the packages: PyTorch's own import paths (`kuai.cuda`, …) and `kuai` itself.
FILES_BESIDE = "<files>"

#: Every package and `errors`, the lowest first.
LAYERS = [
    {"errors"},
    {"engine"},
    {"ops"},
    {"nn"},
    {"data", "distributions", "optim", "saving", "sparse"},
    {"train", "vision"},
    {
        *("_C", "_dynamo", "_functorch", "_higher_order_ops", "amp", "ao", "autograd"),
        *("backends", "cpu"),
        *("cuda", "distributed", "export", "func", "fx", "jit", "masked"),
        *("multiprocessing", "onnx", "profiler", "signal", "standin"),
        *("testing", "utils", FILES_BESIDE),
    },
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

#: The rooms of a package, the lowest first; a file beside them lies below them all.
ROOMS = {
    "nn": ["base", "modules", "attention", "parallel", "utils", "watching"],
    "ops": ["native", "math", "array", "analysis", "nn", "control"],
    "engine": ["tiers", "tensor", "autograd", "op", "compile"],
}

#: The files beside the rooms that lie above them, because they bring them together.
ROOFS = {"kuai.nn", "kuai.ops.operators", "kuai.ops.table"}

#: Packages a user may not have, or that are slow to import: these may be imported where needed.
LATE_PACKAGES = {
    "matplotlib": "slow to import, needed for curves only, comes with the extra `train`",
    "sklearn": "slow to import, needed for the digits only, comes with the extra `train`",
    "PIL": "needed for image files only",
    "scipy": "slow to import, needed for LDL factors only",
    "rich": "needed for progress bars and tables only; `import kuai` stays quick",
    "cloudpickle": "needed for the workers of a loader only; `import kuai` stays quick",
    "optax": "optional",
    "orbax": "optional",
    "grain": "optional",
    "tensorboard": "optional",
    "jax2onnx": "optional, and slow to import",
    "onnx": "optional",
    "IPython": "only where a notebook already runs",
}

#: (file, imported module) -> why the rule does not hold there.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("kuai_command.py", "kuai.cli.main"): "the command itself: it stands above the whole house",
}


@dataclasses.dataclass(frozen=True)
class Import:
    """One module imported by one file."""

    file: str
    line: int
    module: str
    in_function: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def module_name(path: pathlib.Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports_of(name: str) -> list[Import]:
    """Every import of a file, except those that only a type checker sees."""
    path = FILES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, in_function: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        for module in imported_modules(node, package):
            file = str(path.relative_to(SOURCE))
            found.append(Import(file, node.lineno, module, in_function))
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, in_function or is_function)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def imported_modules(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *([base] if base else [])])
    # `from kuai.ops.array import shaping` imports a module, `…shaping import view` a name.
    submodules = [f"{base}.{alias.name}" for alias in node.names]
    return [module if module in FILES else base for module in submodules]


def layer_of(module: str) -> str:
    """A module's package, which has to be known, or `FILES_BESIDE`."""
    name = ".".join(module.split(".")[:2])
    is_package = name != "kuai" and FILES.get(name, SOURCE).name == "__init__.py"
    return name.removeprefix("kuai.") if is_package or name == "kuai.errors" else FILES_BESIDE


def room_of(module: str) -> int:
    """The floor of a module's room in its package."""
    if module in ROOFS:
        return sys.maxsize
    _, package, room, *_ = [*module.split("."), "", ""]
    rooms = ROOMS.get(package, [])
    return rooms.index(room) + 1 if room in rooms else 0


def is_ours(module: str) -> bool:
    return module == "kuai" or module.startswith("kuai.")


def is_excepted(found: Import) -> bool:
    return (found.file, found.module) in EXCEPTIONS


ALL_IMPORTS = [found for name in FILES for found in imports_of(name)]


def test_every_package_has_a_layer():
    packages = {path.parent.name for path in (SOURCE / "kuai").glob("*/__init__.py")}
    assert packages | {"errors", FILES_BESIDE} == set(RANK)


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md", "README.zh-CN.md"])
def test_the_pictures_agree(document):
    text = (SOURCE.parent / document).read_text(encoding="utf-8")
    picture = text.partition("```text\ncli/")[2].partition("```")[0]
    lines = ["cli/" + picture.partition("\n")[0], *picture.splitlines()[1:]]
    names = [re.findall(r"(?<!\S)(\w+)/|^(errors)", line) for line in lines]
    drawn = [{folder or file for folder, file in found} for found in names]
    indented = [line.startswith(" ") for line in lines]
    expected = [
        (room, is_room)
        for layer in reversed(LAYERS)
        for room, is_room in [(layer - {FILES_BESIDE}, False), *rooms_of(layer)]
    ]
    assert list(zip(drawn, indented, strict=True)) == expected


def rooms_of(layer: set[str]) -> list[tuple[set[str], bool]]:
    """The rooms of a layer's packages as the picture has them, the highest first."""
    return [({room}, True) for name in layer for room in reversed(ROOMS.get(name, []))]


def test_files_that_contributing_names_exist():
    text = (SOURCE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests)/[\w/.]+\.py|setup\.py)`", text)
    assert len(named) > 8
    assert not [name for name in named if not (SOURCE.parent / name).is_file()]


@pytest.mark.parametrize("name", FILES)
def test_imports_point_downward(name):
    rank = RANK[layer_of(name)]
    upward = [
        str(found)
        for found in imports_of(name)
        if is_ours(found.module) and RANK[layer_of(found.module)] > rank and not is_excepted(found)
    ]
    assert not upward, f"{name} belongs to {layer_of(name)}, but imports upward"


def test_every_room_is_listed():
    folders = {
        package: {path.parent.name for path in (SOURCE / "kuai" / package).glob("*/__init__.py")}
        for package in ROOMS
    }
    assert folders == {package: set(rooms) for package, rooms in ROOMS.items()}


@pytest.mark.parametrize("name", [name for name in FILES if layer_of(name) in ROOMS])
def test_rooms_point_one_way(name):
    upward = [
        str(found)
        for found in imports_of(name)
        if layer_of(found.module) == layer_of(name) and room_of(found.module) > room_of(name)
    ]
    assert not upward, f"{name} imports from a room above its own"


@pytest.mark.parametrize("name", FILES)
def test_imports_stand_at_the_top(name):
    late = [
        str(found)
        for found in imports_of(name)
        if found.in_function
        and found.module.split(".")[0] not in LATE_PACKAGES
        and not is_excepted(found)
    ]
    assert not late


def test_no_import_cycles():
    graph = {}
    for name in FILES:
        found = {each.module for each in imports_of(name) if not is_excepted(each)}
        graph[name] = (found & set(FILES)) - {name}
    resolved: set[str] = set()
    while ready := {name for name in graph if name not in resolved and graph[name] <= resolved}:
        resolved |= ready
    circular = {name: sorted(graph[name] - resolved) for name in graph if name not in resolved}
    assert not circular


def test_every_exception_is_still_needed():
    present = {(found.file, found.module) for found in ALL_IMPORTS}
    assert set(EXCEPTIONS) <= present


def test_no_file_is_named_like_a_standard_module():
    import_paths_of_torch = {"kuai.random", "kuai.types", "kuai.inspect", "kuai.multiprocessing"}
    import_paths_of_torch |= {"kuai.cuda.random", "kuai.multiprocessing.queue"}
    names = {name for name, path in FILES.items() if path.name != "__init__.py"}  # not the rooms
    taken = {name for name in names if name.rpartition(".")[2] in sys.stdlib_module_names}
    assert taken <= import_paths_of_torch

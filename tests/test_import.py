"""`import kuai` stays quick: what a program may not ask for is loaded when it asks."""

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

import kuai
from kuai.engine.late import late

SOURCE = pathlib.Path(kuai.__file__).parent

#: What `import kuai` loads: nothing beside these, and of `nn` and `engine` not what is below.
LOADED = {"engine", "errors", "nn", "ops", "storage"}
NOT_LOADED = {
    "kuai.engine.compile.expressions",
    "kuai.engine.compile.parts",
    "kuai.engine.compile.proof",
    "kuai.engine.compile.split",
    "kuai.nn.attention",
    "kuai.nn.parallel",
    "kuai.nn.utils",
    "kuai.nn.watching",
    *("safetensors", "scipy", "matplotlib", "optax", "rich", "multiprocessing", "zipfile"),
}
#: Bytes of source that `import kuai` reads: most of its time goes by them. A new family of
#: operations may raise it; what is no operation or layer can be late.
MOST_BYTES = 2_130_000

#: What programs reach after `import kuai` alone.
REACHED = [
    "fft.fft",
    "nn.attention.flex_attention",
    "nn.DataParallel",
    "nn.parallel.DataParallel",
    "nn.utils.fusion",
    "nn.utils.parameters_to_vector",
    "nn.utils.parametrizations.orthogonal",
    "nn.utils.parametrize.cached",
    "nn.utils.prune.identity",
    "nn.utils.rnn.pad_sequence",
    "nn.utils.spectral_norm",
    "optim.lr_scheduler.StepLR",
    "saving.load_file",
    "utils.data.DataLoader",
    "load",
    "vmap",
    "vision.models",
    "engine.compile.proof",
]

#: Packages with modules and names that are loaded late, and what a type checker reads of them.
PACKAGES = ["kuai.nn", "kuai.nn.utils", "kuai.utils"]


def run(code: str) -> str:
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    before = "import jax, jax.numpy, sys; before = set(sys.modules); import kuai;"
    return set(run(f"{before} print(*set(sys.modules) - before)").split())


def test_import_loads_only_what_every_program_needs(loaded):
    assert {name.split(".")[1] for name in loaded if name.startswith("kuai.")} == LOADED


def test_import_leaves_out_what_can_be_late(loaded):
    for name in NOT_LOADED:
        assert not [each for each in loaded if f"{each}.".startswith(f"{name}.")]


def test_import_reads_little_source(loaded):
    names = [name.split(".") for name in loaded if name.split(".")[0] == "kuai"]
    paths = [SOURCE.joinpath(*rest) for _, *rest in names]
    files = [p / "__init__.py" if p.is_dir() else p.with_suffix(".py") for p in paths]
    in_python = [file for file in files if file.exists()]  # what is in C takes no reading
    assert len(in_python) >= len(files) - 2
    assert sum(file.stat().st_size for file in in_python) <= MOST_BYTES


def test_late_names_are_reached_without_another_import():
    code = "import kuai; print(*[name for name in {} if not eval(f'kuai.{{name}}')])"
    assert run(code.format(REACHED)) == "\n"


#: Prints the modules among the attributes of `torch`, and of those, once it is imported.
MODULES_OF_TORCH = """
import types, torch

def walk(module, path):
    for name, value in list(vars(module).items()):
        inner = f"{path}.{name}"
        if isinstance(value, types.ModuleType) and value.__name__ == inner:
            print(inner.removeprefix("torch."))
            walk(value, inner)

walk(torch, "torch")
"""
#: Prints which of those that are there have to be imported first.
NOT_REACHED = """
import functools, importlib, kuai

def reached(path):
    try:
        return functools.reduce(getattr, path.split("."), kuai)
    except AttributeError:
        return None

missing = [path for path in {} if reached(path) is None]
for path in missing:
    try:
        importlib.import_module("kuai." + path)
    except (ImportError, AttributeError):
        continue
    print(path)
"""


def test_modules_are_reached_as_in_pytorch_without_another_import():
    paths = run(MODULES_OF_TORCH).split()
    assert len(paths) > 500
    assert run(NOT_REACHED.format(paths)).split() == []


def test_libraries_of_operations_are_reached():
    code = "import kuai; print(kuai.ops.torchvision.nms, kuai.ops.aten.add, hasattr(kuai.ops, 'a'))"
    assert run(code) == "torchvision.nms aten.add False\n"


def test_a_star_gives_late_names():
    assert run("from kuai import *; print(optim.SGD.__name__, vmap.__name__)") == "SGD vmap\n"


@pytest.mark.parametrize("package", ["kuai", *PACKAGES])
def test_dir_and_all_have_late_names(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in dir(module):
        assert getattr(module, name, None) is not None or name in ("newaxis", "__builtins__")


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_late_names(package):
    """Those with a stub file have them there; these say them under `TYPE_CHECKING`."""
    module = importlib.import_module(package)
    tree = ast.parse(pathlib.Path(module.__file__).read_text(encoding="utf-8"))
    blocks = [n for n in tree.body if isinstance(n, ast.If) and "CHECKING" in ast.unparse(n.test)]
    imports = [each for block in blocks for each in block.body]
    seen = {alias.asname or alias.name for each in imports for alias in each.names}
    code = f"import {package} as p; print(*[n for n in p.__all__ if n not in vars(p)])"
    assert seen == set(run(code).split())


@pytest.mark.parametrize("package", ["kuai", *PACKAGES])
def test_no_late_name_is_a_file(package):
    """Whoever imports the file first would find it where the name should be."""
    folder = SOURCE.joinpath(*package.split(".")[1:])
    code = f"import {package} as p; print(*[n for n in dir(p) if n not in vars(p)])"
    for name in run(code).split():
        if (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists():
            found = getattr(importlib.import_module(package), name)
            is_both = (package, name) == ("kuai", "export")  # a module that can be called
            assert is_both or found is sys.modules[f"{package}.{name}"]


def test_an_unknown_name_is_an_error_that_names_the_package():
    find, names = late("kuai.nn", ("utils",), {"DataParallel": "parallel"})
    assert {"utils", "DataParallel", "Linear"} <= set(names())
    with pytest.raises(AttributeError, match="module 'kuai.nn' has no attribute 'nonesuch'"):
        find("nonesuch")
    for package in PACKAGES:
        assert not hasattr(importlib.import_module(package), "nonesuch")


@pytest.mark.parametrize("state", ["enable", "disable"])
def test_import_leaves_the_collector_as_it_was(state):
    assert run(f"import gc; gc.{state}(); import kuai; print(gc.isenabled())") == (
        f"{state == 'enable'}\n"
    )

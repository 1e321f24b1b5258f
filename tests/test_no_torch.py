"""Kuai needs nothing of PyTorch, and `import kuai` loads nothing that it does not need."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).parent.parent / "src"
HEAVY = {
    "torch",
    "matplotlib",
    "sklearn",
    "scipy",
    "pandas",
    "rich",
    "optax",
    "flax",
    "orbax",
    "tensorboard",
    "PIL",
}


def imported_packages(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_file_imports_torch(path):
    assert not imported_packages(path) & {"torch", "torchvision", "torchaudio"}


def loaded_after(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    return set(done.stdout.split())


def test_import_loads_no_heavy_package():
    by_jax = loaded_after("import jax, jax.numpy")
    by_kuai = loaded_after("import kuai")
    assert "kuai" in by_kuai
    assert not (by_kuai - by_jax) & HEAVY

"""The stub files say what the op table attaches; they are generated, and must be up to date."""

import ast
import importlib

import pytest

from kuai.engine.op import REGISTRY
from tools import make_stubs

STUBS = make_stubs.stubs()
#: How many results of each stub file are Any, overloads counted once: these numbers only fall.
ANY = {
    "__init__.pyi": 5,  # cond, infer_shapes, load and from_torch, to_torch give what they are given
    "functional.pyi": 0,
    "fft.pyi": 0,
    "linalg.pyi": 0,
    "special.pyi": 0,
    "return_types.pyi": 1,  # return_type makes a class
    "tensor.pyi": 7,  # protocols of NumPy, JAX and pickle; tolist; method
}


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.name)
def test_stub_is_up_to_date(path):
    assert path.read_text() == STUBS[path], f"{path.name} is out of date: run `make stubs`"


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.name)
def test_results_have_types(path):
    found = results(ast.parse(STUBS[path]))
    untyped = sorted(name for name, texts in found.items() if set(texts) == {"Any"})
    assert len(untyped) == ANY[path.name], f"{untyped}; where they are fewer, lower the number"


def results(tree):
    """What each function and method of a stub gives, a text for each overload."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(ast.unparse(node.returns))
    return found


@pytest.mark.parametrize("name", [*REGISTRY.modules, "random", "nn.functional"])
def test_a_module_of_operations_is_a_file(name):
    module = importlib.import_module(f"kuai.{name}")
    assert module.__file__.endswith(f"{name.replace('.', '/')}.py")
    assert set(REGISTRY.modules.get(name, ())) <= set(module.__all__)

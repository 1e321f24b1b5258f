"""Write down PyTorch's signatures of every public name that Kuai has: tests/torch_signatures.json.

    make signatures

A name's entry is a list of texts like `(input, dim, keepdim=False, *, dtype=None)`, one for each
way to call it. They come from `inspect.signature` where PyTorch's function is Python's, else from
the stub files that PyTorch brings, else from the first line of its docstring. `...` is a default
that is no plain value.
"""

import ast
import importlib
import inspect
import json
import pathlib
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

TABLE = pathlib.Path(__file__).parent.parent / "tests" / "torch_signatures.json"
#: The modules that are compared, by their path below `torch` and `kuai`.
MODULES = (
    "",
    "amp",
    "autograd",
    "autograd.functional",
    "compiler",
    "cuda",
    "distributions",
    "distributions.constraints",
    "fft",
    "func",
    "linalg",
    "masked",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "onnx",
    "optim",
    "optim.lr_scheduler",
    "profiler",
    "random",
    "signal.windows",
    "special",
    "testing",
    "utils.checkpoint",
    "utils.data",
)
STUBS = pathlib.Path(torch.__file__).parent
_PLAIN = (type(None), bool, int, float, str, tuple)


def main() -> None:
    """Write the table."""
    TABLE.write_text(json.dumps(table(), indent=0, sort_keys=True) + "\n")


def table() -> dict[str, list[str]]:
    """The signatures of every name that both have and that PyTorch says something about."""
    return {path: texts for path, theirs, _ in pairs() if (texts := signatures(path, theirs))}


def pairs() -> Iterator[tuple[str, Any, Any]]:
    """Every public callable that both have: its path below the package, PyTorch's, and Kuai's."""
    for path in MODULES:
        theirs, ours = (importlib.import_module(_join(name, path)) for name in ("torch", "kuai"))
        for name in dir(ours):
            public = getattr(theirs, name, None)
            is_callable = callable(public) and not isinstance(public, types.ModuleType)
            if not name.startswith("_") and is_callable:
                yield from _with_methods(_join(path, name), public, getattr(ours, name))


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _with_methods(path: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    yield path, theirs, ours
    if not (isinstance(theirs, type) and isinstance(ours, type)):
        return
    names = dir(theirs) if theirs is torch.Tensor else vars(theirs)
    for name in sorted(names):
        with warnings.catch_warnings(action="ignore"):  # of storages
            is_method = callable(getattr(theirs, name, None))
        is_method = is_method and callable(getattr(ours, name, None))
        if not is_method or name.startswith("_") or _is_inherited(theirs, name):
            continue
        if not isinstance(getattr(theirs, name, None), property):  # some may be called
            yield f"{path}.{name}", getattr(theirs, name), getattr(ours, name)


def _is_inherited(kind: type, name: str) -> bool:
    """Whether a class only wraps what it inherits, as PyTorch's optimizers do when first made."""
    method = getattr(kind, name)
    return hasattr(method, "__wrapped__") and method.__qualname__ in [
        f"{base.__name__}.{name}" for base in kind.__mro__[1:]
    ]


def signatures(path: str, public: Callable) -> list[str]:
    """Every way to call one of PyTorch's functions or classes, as far as PyTorch says."""
    try:
        found = _text(inspect.signature(public))
        if found != "(*args, **kwargs)":
            return [found]
    except (TypeError, ValueError):
        pass  # it is built in
    name = public.__name__ if hasattr(public, "__name__") else path.rpartition(".")[2]
    return _stubs(path).get(path.rpartition(".")[2], []) or _documented(name, public)


# inspect ------------------------------------------------------------------------------------------


def _text(signature: inspect.Signature) -> str:
    parameters = [
        p.replace(annotation=p.empty, default=_plain(p.default))
        for p in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


class _Unknown:
    def __repr__(self) -> str:
        return "..."


def _plain(default: Any) -> Any:
    if default is inspect.Parameter.empty:
        return default
    return default if type(default) in _PLAIN and default == default else _Unknown()


# Stub files ---------------------------------------------------------------------------------------


def _stubs(path: str) -> dict[str, list[str]]:
    """The functions of the stub file that a name is in."""
    if path.startswith("Tensor."):
        return _STUBBED["_C/__init__.pyi"]
    if path.startswith("nn.functional."):
        return _STUBBED["nn/functional.pyi"] | _STUBBED["_C/_nn.pyi"]
    return _STUBBED["_C/_VariableFunctions.pyi"] if "." not in path else {}


def _read(file: str) -> dict[str, list[str]]:
    tree = ast.parse((STUBS / file).read_text())
    body = tree.body
    if file == "_C/__init__.pyi":
        classes = (node for node in body if isinstance(node, ast.ClassDef))
        body = next(node.body for node in classes if node.name == "TensorBase")
    found: dict[str, list[str]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and not _is_of_names(node):
            texts = found.setdefault(node.name, [])
            texts += [text for text in [_stub_text(node.args)] if text not in texts]
    return found


def _is_of_names(node: ast.FunctionDef) -> bool:
    """Whether a way to call it is for PyTorch's named dimensions, which Kuai has not."""
    names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
    texts = [ast.unparse(a.annotation) for a in node.args.args if a.annotation is not None]
    return any("EllipsisType" in text for text in texts) or "names" in names or "out_dim" in names


def _stub_text(arguments: ast.arguments) -> str:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for one in [*every, *filter(None, [arguments.vararg, arguments.kwarg])]:
        one.annotation = None
    arguments.args, arguments.posonlyargs = [*arguments.posonlyargs, *arguments.args], []
    arguments.defaults = [_plain_node(default) for default in arguments.defaults]
    arguments.kw_defaults = [default and _plain_node(default) for default in arguments.kw_defaults]
    return f"({ast.unparse(arguments)})"


def _plain_node(default: ast.expr) -> ast.expr:
    plain = isinstance(default, (ast.Constant, ast.Tuple, ast.UnaryOp))
    return default if plain else ast.Constant(...)


_STUBBED = {
    file: _read(file)
    for file in ("_C/_VariableFunctions.pyi", "_C/__init__.pyi", "nn/functional.pyi", "_C/_nn.pyi")
}


# Docstrings ---------------------------------------------------------------------------------------


def _documented(name: str, public: Callable) -> list[str]:
    first = next(iter((inspect.getdoc(public) or "").strip().splitlines()), "")
    text = first.partition("->")[0].strip()
    if not text.endswith(")") or "(" not in text:
        return []
    try:
        tree = ast.parse(f"def f{text[text.index('(') :]}: ...")
    except SyntaxError:
        return []  # prose
    return [_stub_text(tree.body[0].args)]


if __name__ == "__main__":
    main()

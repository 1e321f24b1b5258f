"""Runs a document's code twice, statement by statement: on torch, the oracle, and on Kuai.

A document is a file of blocks, each under a line `# %% title`. As in a notebook the blocks share
one namespace, and a block that ends in an expression shows its value. On Kuai only the import
lines differ. The numbers agree because every new module gets torch's parameters, and every random
function that the document itself calls gets torch's numbers; all else Kuai computes on its own.
"""

import ast
import contextlib
import importlib
import io
import os
import pathlib
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CODE = pathlib.Path(__file__).parent / "code"
RANDOM_FUNCTIONS = [
    "rand",
    "randn",
    "nn.init.normal_",
    "nn.init.uniform_",
    "nn.init.xavier_uniform_",
]
NUMBER = re.compile(r"(-?\d+\.\d*(?:e[+-]?\d+)?)")


def read_blocks(document: str) -> dict[str, str]:
    """The blocks of a document, by title."""
    text = (CODE / document).read_text(encoding="utf-8")
    parts = re.split(r"^# %% (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def imports_for(library: str, source: str) -> str:
    """The same source, importing `library` under torch's name."""
    source = re.sub(r"^import torch$", f"import {library} as torch", source, flags=re.MULTILINE)
    return re.sub(r"^(import|from) torch\b", rf"\1 {library}", source, flags=re.MULTILINE)


@dataclass
class Side:
    """One library and what the document has done with it so far."""

    library: str
    folder: pathlib.Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "document"})
    shown: io.StringIO = field(default_factory=io.StringIO)
    error: BaseException | None = None

    def run(self, statement: ast.stmt, is_last: bool) -> None:
        with contextlib.redirect_stdout(self.shown), inside(self.folder):
            if is_last and isinstance(statement, ast.Expr):
                value = eval(code_of(ast.Expression(statement.value), "eval"), self.namespace)
                if value is not None:
                    print(repr(value))
            else:
                exec(code_of(ast.Module([statement], []), "exec"), self.namespace)


def code_of(tree: ast.AST, mode: str) -> Any:
    return compile(ast.fix_missing_locations(tree), "<document>", mode)


@contextlib.contextmanager
def inside(folder: pathlib.Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@dataclass
class Outcome:
    """What one block showed on both sides, and the error that ended it on ours."""

    theirs: str
    ours: str
    error: BaseException | None

    def check(self) -> None:
        if self.error is not None:
            raise self.error
        expected = self.theirs.replace("<class 'torch.", "<class 'kuai.")
        assert_same_text(self.ours, expected)


def assert_same_text(ours: str, theirs: str) -> None:
    """Equal to the letter, but for rounding in the last printed digit of a number."""
    if ours == theirs:
        return
    our_parts, their_parts = NUMBER.split(ours), NUMBER.split(theirs)
    assert our_parts[::2] == their_parts[::2], f"Kuai shows\n{ours}\ntorch shows\n{theirs}"
    numbers = [np.array(parts[1::2], dtype=float) for parts in (our_parts, their_parts)]
    np.testing.assert_allclose(*numbers, rtol=1e-4, atol=1.01e-4, err_msg=f"{ours}\n{theirs}")


def run_document(document: str, folder: pathlib.Path, library: str = "kuai") -> dict[str, Outcome]:
    """Runs all blocks on both sides; an error on ours ends the block, not the document."""
    for name in ("theirs", "ours"):
        (folder / name).mkdir()
    theirs, ours = Side("torch", folder / "theirs"), Side(library, folder / "ours")
    for side in (theirs, ours):
        importlib.import_module(side.library).manual_seed(0)
    with same_random_numbers(theirs, ours) as recorded:
        return {
            title: run_block(source, theirs, ours, recorded)
            for title, source in read_blocks(document).items()
        }


def run_block(source: str, theirs: Side, ours: Side, recorded: list) -> Outcome:
    for side in (theirs, ours):
        side.shown, side.error = io.StringIO(), None
    statements = [ast.parse(imports_for(side.library, source)).body for side in (theirs, ours)]
    for at, (their_statement, our_statement) in enumerate(zip(*statements, strict=True), start=1):
        recorded.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.run(their_statement, at == len(statements[0]))
        if ours.error is None:
            run_ours(our_statement, at == len(statements[0]), theirs, ours)
    return Outcome(theirs.shown.getvalue(), ours.shown.getvalue(), ours.error)


def run_ours(statement: ast.stmt, is_last: bool, theirs: Side, ours: Side) -> None:
    known = {id(part) for module in modules_in(ours).values() for part in parts_of(module)}
    try:
        ours.run(statement, is_last)
        for name, module in modules_in(ours).items():
            if id(module) not in known:
                copy_parameters(ours, theirs.namespace[name], module)
    except Exception as error:  # noqa: BLE001 - the block's own test raises it again
        ours.error = error


def modules_in(side: Side) -> dict[str, Any]:
    return {
        name: value
        for name, value in side.namespace.items()
        if hasattr(value, "_parameters") and not isinstance(value, type)
    }


def parts_of(module: Any) -> Iterator[Any]:
    """Like `modules()`, which one of the documents' modules does not have."""
    yield module
    for child in module._modules.values():
        yield from parts_of(child)


def copy_parameters(ours: Side, source: Any, target: Any) -> None:
    """Like `load_state_dict`, which one of the documents' modules does not have."""
    for slot in ("_parameters", "_buffers"):
        given, found = getattr(source, slot), getattr(target, slot)
        assert list(given) == list(found)
        for name, value in given.items():
            if value is not None and type(value).__name__ != "UninitializedParameter":
                put(ours, found[name], value.detach().numpy())
    children = zip(source._modules.values(), target._modules.values(), strict=True)
    for their_child, our_child in children:
        copy_parameters(ours, their_child, our_child)


def put(ours: Side, target: Any, numbers: np.ndarray) -> None:
    library = importlib.import_module(ours.library)
    assert tuple(target.shape) == numbers.shape
    target.data.copy_(library.tensor(numbers))


@contextlib.contextmanager
def same_random_numbers(theirs: Side, ours: Side) -> Iterator[list[np.ndarray]]:
    """Records what torch draws for the document, and puts it into what Kuai draws."""
    recorded: list[np.ndarray] = []

    def record(result: Any) -> None:
        recorded.append(result.detach().numpy().copy())

    def replay(result: Any) -> None:
        put(ours, result, recorded.pop(0))

    with contextlib.ExitStack() as stack:
        for path in RANDOM_FUNCTIONS:
            for side, then in ((theirs, record), (ours, replay)):
                stack.enter_context(followed(side, path, then))
        yield recorded


@contextlib.contextmanager
def followed(side: Side, path: str, then: Any) -> Iterator[None]:
    """Calls `then(result)` after the function at `path`, where the document itself calls it."""
    *folders, name = path.split(".")
    owner = importlib.import_module(".".join([side.library, *folders]))
    original = getattr(owner, name)

    def wrapper(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        caller = sys._getframe(1)
        while caller.f_code is wrapper.__code__:  # torch against torch: one is around the other
            caller = caller.f_back
        if caller.f_globals is side.namespace:
            then(result)
        return result

    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        setattr(owner, name, original)

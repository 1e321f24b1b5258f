"""The tests that every row of `tests/rows/*.py` gets."""

import dataclasses
import importlib
import os
import pathlib
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import kuai
from kuai.engine.compile import replays
from tests.compilations import compilations
from tests.rowkit import (
    Row,
    assert_same,
    is_inexact,
    is_tensor,
    leaves,
    to_numpy,
    to_tensors,
    weighted_sum,
)

FAMILIES = sorted(
    path.stem
    for path in (pathlib.Path(__file__).parent / "rows").glob("*.py")
    if path.stem != "__init__"
)


def collect() -> tuple[list[Row], dict[str, BaseException]]:
    """All rows, and the families whose file cannot be imported (each a failing test of its own)."""
    rows, broken = [], {}
    for family in FAMILIES:
        try:
            module = importlib.import_module(f"tests.rows.{family}")
        except Exception as error:  # noqa: BLE001 - any error of one family must not hide the others
            broken[family] = error
            continue
        for row in module.ROWS:
            row.family = family
        rows += module.ROWS
    return rows, broken


ROWS, BROKEN = collect()

# Each compiled check compiles a program or two: every third of them, `make rows` runs all.
_SAMPLE = 1 if "KUAI_ROWS" in os.environ else 3


def sampled(check: str, row: Row, dtype: str) -> bool:
    return zlib.crc32(f"{check} {row.family} {row.name} {dtype}".encode()) % _SAMPLE == 0


@pytest.fixture(autouse=True)
def replayed_from_the_second_call(monkeypatch):
    """`make ways`: what can be replayed is, in the second call already."""
    monkeypatch.setattr(replays, "at_once", os.environ.get("KUAI_ROWS") == "replayed")


def cases(wanted: Callable[[Row, str], bool] = lambda row, dtype: True) -> Any:
    chosen = [
        pytest.param(row, dtype, id=f"{row.family}-{row.name}-{dtype}")
        for row in ROWS
        for dtype in row.dtypes
        if wanted(row, dtype)
    ]
    return pytest.mark.parametrize(("row", "dtype"), chosen)


def has_gradient(row: Row, dtype: str) -> bool:
    return row.grad and not row.random and is_inexact(dtype)


@dataclasses.dataclass
class Setup:
    """A row made ready on one of the two modules."""

    call: Callable[..., Any]
    inputs: list[Any]
    module: Any = None

    def outputs(self) -> list[Any]:
        return list(leaves(self.call(*self.inputs)))

    def sources(self) -> dict[str, Any]:
        """Everything the outputs can be differentiated by, under a name for the messages."""
        found = {f"input {at}": value for at, value in enumerate(self.inputs)}
        if self.module is not None:
            found.update(self.module.named_parameters())
        return {name: value for name, value in found.items() if value.requires_grad}


def set_up(t: Any, row: Row, dtype: str, *, requires_grad: bool = False) -> Setup:
    t.manual_seed(0)
    inputs = to_tensors(t, row, dtype, requires_grad)
    if not row.layer:
        return Setup(lambda *values: row.call(t, *values), inputs)
    module = row.call(t, *inputs)
    if dtype != "float32":
        module = module.to(getattr(t, dtype))
    return Setup(module, inputs, module)


def set_up_both(row: Row, dtype: str, *, requires_grad: bool = False) -> tuple[Setup, Setup]:
    theirs = set_up(torch, row, dtype, requires_grad=requires_grad)
    ours = set_up(kuai, row, dtype, requires_grad=requires_grad)
    if row.layer:
        if any(map(torch.nn.parameter.is_lazy, theirs.module.parameters())):
            theirs.outputs(), ours.outputs()  # the first call makes the parameters
        copy_state(theirs.module, ours.module)
    return ours, theirs


def copy_state(theirs: Any, ours: Any) -> None:
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state), "state_dict: keys and their order"
    ours.load_state_dict({name: to_kuai(value) for name, value in state.items()})


def to_kuai(value: Any) -> Any:
    if not torch.is_tensor(value):
        return value
    dtype = getattr(kuai, str(value.dtype).removeprefix("torch."))
    return kuai.tensor(to_numpy(value), dtype=dtype)


def differentiable(setup: Setup) -> list[Any]:
    return [value for value in setup.outputs() if is_tensor(value) and value.requires_grad]


@pytest.mark.parametrize("family", FAMILIES)
def test_family_can_be_imported(family):
    if family in BROKEN:
        raise BROKEN[family]


def test_names_are_unique():
    names = [(row.family, row.name) for row in ROWS]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}


@cases(lambda row, dtype: not row.random)
def test_values(row, dtype):
    ours, theirs = set_up_both(row, dtype)
    our_outputs, their_outputs = ours.outputs(), theirs.outputs()
    assert len(our_outputs) == len(their_outputs), "number of outputs"
    for at, pair in enumerate(zip(our_outputs, their_outputs, strict=True)):
        assert_same(*pair, row.tolerance, f"output {at}")
    if row.layer:
        assert repr(ours.module) == repr(theirs.module)
        assert_same_state(ours.module, theirs.module, row)


def assert_same_state(ours: Any, theirs: Any, row: Row) -> None:
    """Running statistics have moved on by the same amount."""
    our_state = ours.state_dict()
    for name, value in theirs.state_dict().items():
        assert_same(our_state[name], value, row.tolerance, f"{name} after the call")


@cases(has_gradient)
def test_gradients(row, dtype):
    ours, theirs = set_up_both(row, dtype, requires_grad=True)
    their_outputs = differentiable(theirs)
    our_outputs = differentiable(ours)
    assert len(our_outputs) == len(their_outputs), "number of outputs that require a gradient"
    if not their_outputs:
        pytest.skip("no output depends on a floating input; the row should say grad=False")
    weighted_sum(torch, their_outputs).backward()
    weighted_sum(kuai, our_outputs).backward()
    our_sources = ours.sources()
    for name, source in theirs.sources().items():
        found = our_sources[name].grad
        if source.grad is None:  # torch knows of no way for a gradient; zeros say the same
            assert found is None or not found.any(), f"gradient of {name}"
        else:
            assert found is not None, f"gradient of {name}"
            assert_same(found, source.grad, row.tolerance, f"gradient of {name}")


@cases(lambda row, dtype: row.compiled and sampled("values", row, dtype))
def test_compiled_equals_eager(row, dtype):
    eager, _ = set_up_both(row, dtype)
    traced, _ = set_up_both(row, dtype)
    if row.layer:
        traced.module.load_state_dict(eager.module.state_dict())
    kuai.manual_seed(1)
    expected = [eager.outputs(), eager.outputs()]
    traced.call = kuai.compile(traced.call)
    kuai.manual_seed(1)
    first = traced.outputs()
    with compilations() as programs:
        second = traced.outputs()
    for outputs, wanted in zip([first, second], expected, strict=True):
        for pair in zip(outputs, wanted, strict=True):
            assert_same(*pair, row.tolerance, "compiled and eager")
    assert programs == [], "the second call compiled something"
    if row.layer:
        assert_same_state(traced.module, eager.module, row)


@cases(
    lambda row, dtype: (
        row.compiled and has_gradient(row, dtype) and sampled("gradients", row, dtype)
    )
)
def test_compiled_gradients_equal_eager(row, dtype):
    eager, _ = set_up_both(row, dtype, requires_grad=True)
    traced, _ = set_up_both(row, dtype, requires_grad=True)
    if not differentiable(set_up_both(row, dtype, requires_grad=True)[0]):
        return
    expected = [gradients(eager), gradients(eager)]
    step = kuai.compile(lambda: gradients(traced))
    first = step()
    with compilations() as programs:
        second = step()
    for found, wanted in zip([first, second], expected, strict=True):
        for pair in zip(found, wanted, strict=True):
            assert_same(*pair, row.tolerance, "compiled and eager gradient")
    assert programs == [], "the second call compiled something"


def gradients(setup: Setup) -> list[Any]:
    loss = weighted_sum(kuai, differentiable(setup))
    return list(kuai.autograd.grad(loss, list(setup.sources().values()), allow_unused=True))


@cases(lambda row, dtype: row.gradcheck and dtype == row.dtypes[0])
def test_finite_differences(row, dtype):
    setup = set_up(kuai, row, "float64", requires_grad=True)
    sources = [value for value in setup.inputs if value.requires_grad]

    def function(*values):
        given = iter(values)
        inputs = [next(given) if value.requires_grad else value for value in setup.inputs]
        return setup.call(*inputs)

    assert kuai.autograd.gradcheck(function, sources)


@cases(lambda row, dtype: row.random)
def test_random_shapes_and_seeds(row, dtype):
    ours, theirs = set_up_both(row, dtype)
    kuai.manual_seed(3)
    first = ours.outputs()
    for value, wanted in zip(first, theirs.outputs(), strict=True):
        assert is_tensor(value) == is_tensor(wanted)
        if is_tensor(wanted):
            assert tuple(value.shape) == tuple(wanted.shape)
            assert str(value.dtype) == str(wanted.dtype)
    fresh, _ = set_up_both(row, dtype)
    kuai.manual_seed(3)
    for value, again in zip(first, fresh.outputs(), strict=True):
        if is_tensor(value):
            np.testing.assert_array_equal(to_numpy(value), to_numpy(again))

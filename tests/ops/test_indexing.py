"""Indexing errors say what torch says, and integers do not compile anew."""

import pytest
import torch

import kuai
from tests.compilations import compilations

WRONG = {
    "beyond the end": lambda t: t.zeros(3)[5],
    "too many": lambda t: t.zeros(3)[0, 0],
    "0-d": lambda t: t.tensor(3)[0],
    "step": lambda t: t.zeros(3)[::-1],
    "float": lambda t: t.zeros(3)[1.0],
    "float tensor": lambda t: t.zeros(3)[t.tensor([1.0])],
    "tensor beyond the end": lambda t: t.zeros(3)[t.tensor([3])],
    "mask of another size": lambda t: t.zeros(3)[t.tensor([True])],
    "a list as value": lambda t: t.zeros(3).__setitem__(0, [1]),
    "value of another size": lambda t: t.zeros(3).__setitem__(slice(None), t.zeros(2)),
    "value of another size at a list": lambda t: t.zeros(3).__setitem__([0, 1], t.zeros(3)),
    "dtype": lambda t: t.zeros(3).__setitem__([0, 1], t.zeros(2).double()),
    "gather": lambda t: t.gather(t.zeros(3), 0, t.tensor([5])),
    "gather dims": lambda t: t.gather(t.zeros(2, 3), 1, t.tensor([0])),
    "index_select": lambda t: t.zeros(3).index_select(0, t.tensor([4])),
    "masked_fill": lambda t: t.zeros(3).masked_fill(t.tensor([1, 0, 1]), 1),
    "leaf": lambda t: t.ones(2, requires_grad=True).fill_(1),
    "view of a leaf": lambda t: t.ones(2, requires_grad=True)[0].fill_(1),
}


@pytest.mark.parametrize("name", WRONG)
def test_error_is_torchs(name):
    with pytest.raises(Exception) as expected:
        WRONG[name](torch)
    with pytest.raises(expected.type) as found:
        WRONG[name](kuai)
    assert str(found.value) == str(expected.value)


def test_integers_and_starts_do_not_compile_anew():
    x = kuai.arange(12.0).view(4, 3)

    def visit(row):
        x[row], x[row, 1], x[-1 - row], x[row : row + 1]
        x[row] = float(row)

    for _ in range(20):  # until eager operations are compiled
        visit(0)
    with compilations() as programs:
        visit(1), visit(2), visit(3)
    assert programs == []


def test_a_number_through_a_mask_compiles():
    @kuai.compile(fullgraph=True)
    def step(x):
        x[x > 1] = 0
        return x

    assert step(kuai.arange(4.0)).tolist() == [0, 1, 0, 0]


def test_boolean_indexing_cannot_be_compiled():
    @kuai.compile(fullgraph=True)
    def step(x):
        return x[x > 1]

    with pytest.raises(kuai.errors.CompileError, match="boolean indexing"):
        step(kuai.arange(4.0))


def put(library, shape, index, value, kind="float32"):
    """What is there after an assignment, or the error."""
    x = library.zeros(shape, dtype=getattr(library, kind))
    try:
        x[index(library)] = value(library)
    except (RuntimeError, IndexError, TypeError) as error:
        return type(error), str(error)
    return x.tolist()


ASSIGNED = {
    "True, of another dtype": ((2, 2), lambda t: True, lambda t: t.arange(2)),
    "False, of a shape that does not fit": ((2, 2), lambda t: False, lambda t: t.arange(3)),
    "integers, a number of another dtype": ((2,), lambda t: t.tensor([0]), lambda t: t.tensor(5)),
    "integers, neither shape nor dtype": ((3, 4), lambda t: [0, 2], lambda t: t.arange(2)),
    "between integers": ((2, 3, 4), lambda t: ([0], slice(None), [1]), lambda t: t.arange(2)),
    "a slice before": ((3, 4), lambda t: (slice(None), [1, 2]), lambda t: t.arange(5)),
    "a mask": ((3,), lambda t: t.tensor([True, False, True]), lambda t: t.arange(3)),
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_what_is_assigned_is_looked_at_in_pytorchs_order(name):
    assert put(kuai, *ASSIGNED[name]) == put(torch, *ASSIGNED[name])


@pytest.mark.parametrize(
    "indices", [lambda t: (None, t.tensor([0])), lambda t: (t.tensor([0]),) * 3]
)
def test_index_put_takes_tensors_one_for_each_dimension(indices):
    said = []
    for library in (torch, kuai):
        with pytest.raises((TypeError, IndexError)) as caught:
            library.ones(3, 3).index_put(indices(library), library.tensor(1.0))
        said.append((caught.type, str(caught.value)))
    assert said[1] == said[0]

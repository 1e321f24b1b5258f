"""`func.rearrange` beside PyTorch's: shapes, numbers, and the errors of its patterns."""

import pytest
import torch

import kuai

PATTERNS = [
    ("a b c -> c b a", {}),
    ("a b c->(a b) c", {}),
    ("a (b d) c -> a d b c", {"b": 3}),
    ("(a e) b c -> b (c a) e", {"e": 1}),
    ("a ... -> ... a", {}),
    ("a b ... -> (...) a b", {}),
    ("... c -> c (...)", {}),
    ("a b c ... -> a b c ...", {}),
    ("a (b 1) c -> a 1 b c ()", {}),
    ("a b", {}),
    ("a b c -> a", {}),
    ("a b c -> a b c d", {}),
    ("a a b -> a b", {}),
    ("a b c -> a (b c", {}),
    ("a b c -> (a (b c))", {}),
    ("a (b d) c -> a b c d", {"b": 2}),
    ("a (b d) c -> a b c d", {}),
    ("a b c -> (c b) a", {"c": 5}),
    ("a b c -> a b c", {"z": 1}),
    ("a b c d -> a b c d", {}),
    ("... -> ... ...", {}),
    ("a b c -> a b c ...", {}),
    ("(a ...) -> a ...", {}),
    ("(...) b -> b ...", {}),
    ("a b.c -> a", {}),
    ("a b 2c -> a", {}),
    ("a b _c -> a b _c", {}),
    ("a b c -> a b 2", {}),
    ("(a b) c d -> a b c d", {"a": 1.5}),
]


def _outcome(t, pattern, lengths):
    try:
        return t.func.rearrange(t.arange(24).reshape(2, 3, 4), pattern, **lengths).tolist()
    except Exception as error:  # noqa: BLE001 (its type and text are compared)
        text = str(error).split(" d1")[0].split(" (")[0].split(" vs")[0].split("{")[0]
        return type(error).__name__, text.split(" b and")[0]


@pytest.mark.parametrize("pattern", PATTERNS, ids=[p for p, _ in PATTERNS])
def test_as_pytorch(pattern):
    assert _outcome(kuai, *pattern) == _outcome(torch, *pattern)


def test_a_list_is_stacked():
    made = kuai.func.rearrange([kuai.zeros(2), kuai.ones(2)], "a b -> b a")
    assert made.tolist() == [[0, 1], [0, 1]]


def test_gradients_and_compiled():
    x = kuai.arange(6.0).requires_grad_()
    kuai.compile(lambda x: kuai.func.rearrange(x, "(a b) -> b a", a=2))(x)[1, 0].backward()
    assert x.grad.tolist() == [0, 1, 0, 0, 0, 0]

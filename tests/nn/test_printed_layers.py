"""What every layer prints, beside PyTorch's, with whatever arguments both take."""

import ast
import itertools
import pathlib
import re

import pytest
import torch

import kuai

POSITIONAL = [(), (3,), (4, 2), (2, 4, 3), (4, 4, 4, 4), (0.5,), (1, 2.0)]
NAMED = [
    {},
    *({"inplace": True}, {"bias": False}, {"affine": False}, {"padding": 1}, {"ceil_mode": True}),
]
NAMES = [name for name in torch.nn.modules.__all__ if hasattr(kuai.nn, name)]
NAMES.remove("LinearCrossEntropyOptions")  # which is no layer


def printed(t, name, args, kwargs):
    return repr(getattr(t.nn, name)(*args, **kwargs))


def calls_that_torch_takes(name):
    for args, kwargs in itertools.product(POSITIONAL, NAMED):
        try:
            yield args, kwargs, printed(torch, name, args, kwargs)
        except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError):
            continue  # not arguments of this layer


@pytest.mark.filterwarnings("ignore")  # both warn of dropout between the layers of a single one
@pytest.mark.parametrize("name", NAMES)
def test_layers_print_as_in_pytorch(name):
    for args, kwargs, text in calls_that_torch_takes(name):
        assert printed(kuai, name, args, kwargs) == text


def test_no_layer_formats_what_the_base_does():
    """What only shows attributes says so as `_shown`."""
    found = {}
    for path in pathlib.Path(kuai.nn.modules.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "extra_repr":
                found[f"{path.name}:{node.lineno}"] = only_shows_attributes(node)
    assert len(found) > 10
    assert [place for place, only in found.items() if only] == []


def only_shows_attributes(function):
    """Whether a function returns nothing but a text with attributes of `self` in it."""
    *_, last = function.body
    text = last.value if isinstance(last, ast.Return) else None
    if not isinstance(text, ast.JoinedStr):
        return False
    shown = [
        ast.unparse(part.value) for part in text.values if isinstance(part, ast.FormattedValue)
    ]
    return all(re.fullmatch(r"self\.\w+", each) for each in shown)

"""What the docstrings of losses and activations have to say: formula, shapes, values, once each."""

import collections
import doctest
import inspect

import pytest

from kuai.nn import functional
from kuai.nn.modules import activation, distance, loss

LAYERS = [
    getattr(file, name)
    for file in (activation, loss, distance)
    for name in file.__all__
    if name != "MultiheadAttention"
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_formula_shape_and_values(layer):
    text = inspect.getdoc(layer)
    paragraphs = text.split("\n\n")
    assert "\n" not in paragraphs[0] and paragraphs[0].endswith(".")
    assert paragraphs[1].startswith("    "), "the formula stands apart, after the first line"
    assert "\nShape:\n" in text
    examples = doctest.DocTestParser().get_examples(text)
    assert any("tensor(" in example.want for example in examples), "an example shows values"
    assert not any(".shape" in example.source for example in examples)


def test_no_two_layers_say_the_same():
    said = collections.Counter(
        inspect.getdoc(thing).partition("\n")[0] for layer in LAYERS for thing in own_parts(layer)
    )
    assert [line for line, count in said.items() if count > 1] == []


def own_parts(layer):
    yield layer
    for thing in vars(layer).values():
        if inspect.isfunction(thing) and thing.__doc__:
            yield thing


LOSSES = [name for name in dir(functional) if name.endswith("_loss") or "entropy" in name]


@pytest.mark.parametrize("name", [*LOSSES, "kl_div"])
def test_losses_as_functions_say_it_too(name):
    text = inspect.getdoc(getattr(functional, name))
    for part in ("Args:", "Shape:", "Example:", "reduction"):
        assert part in text

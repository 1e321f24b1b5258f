"""The pages in docs/api/ say what the docstrings say, and their pictures are there."""

import re

import pytest

from kuai import nn
from tools import make_api_pages


@pytest.mark.parametrize("name", make_api_pages.pages())
def test_pages_are_up_to_date(name):
    path = make_api_pages.FOLDER / name
    written = path.read_text(encoding="utf-8")
    assert written == make_api_pages.pages()[name], f"{path} is out of date: run `make pages`"


def test_every_curve_is_shown_and_drawn():
    text = make_api_pages.pages()["activations.md"]
    shown = set(re.findall(rf"\({make_api_pages.CURVES}/(.*?)\)", text))
    drawn = {path.name for path in (make_api_pages.FOLDER / make_api_pages.CURVES).iterdir()}
    assert shown == drawn


def test_a_curve_has_its_values_and_slopes():
    points, values, slopes = make_api_pages.curve(make_api_pages.nn.ReLU)
    assert values == [max(0.0, point) for point in points]
    assert slopes == [float(point > 0) for point in points]


def test_every_layer_stands_on_a_page():
    shown = {thing for _, things in make_api_pages.FAMILIES.values() for thing in things}
    layers = {getattr(nn, name) for name in nn.modules.__all__}
    assert {layer.__name__ for layer in layers - shown if is_documented(layer)} == set()


def is_documented(thing):
    """Whether a name of `nn.modules` is a layer: not a base, nor what PyTorch calls deprecated."""
    is_layer = isinstance(thing, type) and issubclass(thing, nn.Module) and thing is not nn.Module
    return is_layer and not thing.__module__.endswith(".deprecated")

"""What `tensor.__dict__` shows: what the program put there, and nothing of the engine's."""

import copy
import functools
import pickle

import pytest
import torch

import kuai

BOTH = pytest.mark.parametrize("library", [torch, kuai], ids=["torch", "kuai"])


def parameter(library):
    made = library.nn.Parameter(library.ones(2))
    made.tag = "a"
    return made


@BOTH
def test_only_what_the_program_put_there(library):
    p = parameter(library)
    (p * 2).sum().backward()
    p.register_hook(lambda grad: grad)
    assert vars(p) == p.__dict__ == {"tag": "a"}
    assert vars(library.ones(3)[0]) == vars(p.sum()) == {} and "tag" in dir(p)


@BOTH
def test_a_parameter_made_anew_from_it(library):
    p = parameter(library)
    del p.tag
    options = p.__dict__
    options["requires_grad"] = False
    made = type(p)(library.zeros(3), **options)
    assert made.tolist() == [0, 0, 0] and not made.requires_grad


@BOTH
def test_attributes_taken_over(library):
    p, other = parameter(library), library.nn.Parameter(library.zeros(3))
    other.__dict__.update(p.__dict__)
    assert other.tag == "a" and other.tolist() == [0, 0, 0]
    other.__dict__ = {"more": 1}
    assert vars(other) == {"more": 1} and other.shape == (3,)


@BOTH
def test_what_is_written_there_is_an_attribute(library):
    p = parameter(library)
    shown = p.__dict__
    shown["x"] = 1
    assert p.x == 1 and shown.setdefault("y", 2) == p.y == 2
    assert shown.pop("x") == 1 and shown.pop("x", None) is None and not hasattr(p, "x")
    del shown["y"]
    shown |= {"z": 3}
    assert p.z == 3 and shown.popitem() == ("z", 3) and vars(p) == {"tag": "a"}
    shown.clear()
    assert vars(p) == {} and p.tolist() == [1, 1]


@BOTH
def test_copies_keep_it(library):
    p = parameter(library)
    assert copy.copy(p).tag == pickle.loads(pickle.dumps(p)).tag == "a"
    assert copy.copy(p.__dict__) == {"tag": "a"} == pickle.loads(pickle.dumps(p.__dict__))


@BOTH
def test_cached_properties_of_subclasses(library):
    class Counting(library.Tensor):
        @functools.cached_property
        def big(self):
            return object()

    x = library.ones(1).as_subclass(Counting)
    assert x.big is x.big and list(vars(x)) == ["big"]


def test_a_step_sees_an_attribute_change():
    p = parameter(kuai)
    p.scale = 2.0

    @kuai.compile
    def step():
        return (p * p.scale).sum()

    found = [step().item(), step().item()]
    p.scale = 3.0
    found += [step().item()]
    p.__dict__["scale"] = 4.0
    assert [*found, step().item()] == [4, 4, 6, 8]

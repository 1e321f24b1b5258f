"""Where operations are exported, and that a place belongs to one of them."""

import pickle

import pytest

import kuai
from kuai.engine.op import composite, op
from kuai.engine.op.registry import REGISTRY, Registry, places_of

DEFAULTS = {"function": True, "method": True, "functional": False}


def test_a_second_registration_is_an_error_and_changes_nothing():
    before = kuai.linalg.inv
    with pytest.raises(
        ValueError, match=r"^linalg\.inv is exported twice: by kuai\.ops\.math\.solutions"
    ):
        composite(export="linalg.inv")(lambda A: A)
    with pytest.raises(ValueError, match=r"^sum is exported twice: by kuai\.ops\.math\.reduction"):
        op(lambda input: input, export="sum")
    with pytest.raises(ValueError, match=r"^Tensor\.where is exported twice"):
        composite(export="Tensor.where")(lambda input: input)
    assert kuai.linalg.inv is before
    assert kuai.tensor([1.0, 2.0]).where(kuai.tensor([True, False]), 0.0).tolist() == [1, 0]


def test_places():
    def plain():
        pass

    registry = Registry()
    for place in ("one", "nn.functional.two", "linalg.three"):
        registry.export(plain, place)
    assert registry.functions == {"one": plain}
    assert registry.functional == {"two": plain}
    assert registry.modules == {"linalg": {"three": plain}}


@pytest.mark.parametrize(
    ("export", "aliases", "expected"),
    [
        (None, (), ["square", "Tensor.square"]),
        (None, ("sq",), ["square", "Tensor.square", "sq", "Tensor.sq"]),
        (None, ("linalg.square",), ["square", "Tensor.square", "linalg.square"]),
        ("linalg.square", (), ["linalg.square"]),
        (("linalg.square", "Tensor.sq"), (), ["linalg.square", "Tensor.sq"]),
    ],
)
def test_where_an_operation_is_exported(export, aliases, expected):
    def square(input):
        return input * input

    assert places_of(square, export, aliases, **DEFAULTS) == expected


def test_a_name_given_at_run_time_has_to_be_said():
    def pure(input):
        return input

    pure.__name__ = pure.__qualname__ = "a_new_name"
    for decorate in (op, composite):
        with pytest.raises(TypeError, match="not defined under that name: say with export="):
            decorate(pure)
    assert not hasattr(kuai, "a_new_name")
    assert op(pure, function=False, method=False).operation.name == "a_new_name"


def test_every_public_function_can_be_pickled():
    functional = kuai.nn.functional
    functions = {**REGISTRY.functions, "F.relu": functional.relu, "F.relu_": functional.relu_}
    functions |= {f"Tensor.{name}": function for name, function in REGISTRY.methods.items()}
    lost = []
    for name, function in functions.items():
        if "Tensor." in name or hasattr(kuai, name.rpartition(".")[2]) or name.startswith("F."):
            try:
                same = pickle.loads(pickle.dumps(function)) is function
            except pickle.PicklingError:
                same = False
            if not same:
                lost.append(name)
    assert not lost

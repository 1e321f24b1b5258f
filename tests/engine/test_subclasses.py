"""Classes of tensors and parameters as packages write them, in both libraries.

Each program gives the same with PyTorch and with Kuai, run eagerly.
"""

import copy
import pickle

import pytest
import torch

import kuai

PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


def same(value):
    """Values of both libraries as plain ones."""
    if isinstance(value, type):
        return value.__name__
    if hasattr(value, "tolist"):
        return value.tolist()
    return [same(v) for v in value] if isinstance(value, (list, tuple)) else value


def noted(t):
    """A tensor that takes its attributes along, as fastai's and MONAI's do."""

    class Noted(t.Tensor):
        def __new__(cls, values, **notes):
            made = t.as_tensor(values).as_subclass(cls)
            made.__dict__.update(notes)
            return made

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            result = super().__torch_function__(func, types, args, kwargs or {})
            if isinstance(result, Noted):
                result.__dict__ = args[0].__dict__.copy()
            return result

    return Noted


@program
def attributes_go_along(t):
    a = noted(t)([1.0, 2.0], size=(3, 4))
    b = (a + 1) * 2
    return b, b.size, dict(b.__dict__), vars(a), a


@program
def dictionary_that_is_written_to(t):
    a, b = noted(t)([1.0]), noted(t)([2.0])
    a.__dict__["x"] = 1
    a.__dict__.setdefault("y", 2)
    b.__dict__ = a.__dict__.copy()
    b.__dict__.pop("x")
    del b.y
    return a.x, a.y, hasattr(b, "x"), hasattr(b, "y"), sorted(a.__dict__), a, b


@program
def more_arguments_than_values(t):
    class Unit(t.Tensor):
        @staticmethod
        def __new__(cls, values, unit, **options):
            return t.as_tensor(values, **options).as_subclass(cls)

        def __init__(self, values, unit, **options):
            self.unit = unit

    class Scaled(t.Tensor):
        @staticmethod
        def __new__(cls, values, scale=None):
            made = t.Tensor._make_subclass(cls, values)
            made.scale = scale
            return made

    found = Unit([1.0], "m", dtype=t.float64), Scaled(t.ones(2), scale=3)
    return found[0].unit, str(found[0].dtype), found[1].scale, *found


@program
def parameter_with_arguments_of_its_own(t):
    class Tagged(t.nn.Parameter):
        def __new__(cls, data=None, requires_grad=True, tag=None, **more):
            made = super().__new__(cls, data, requires_grad)
            made.tag = tag
            return made

        def __deepcopy__(self, memo):
            return type(self)(self.data.clone(), self.requires_grad, tag=self.tag)

    net = t.nn.Linear(2, 1, bias=False)
    net.weight = Tagged(t.ones(1, 2), tag="first", bits=4)
    net(t.ones(1, 2)).sum().backward()
    t.optim.SGD(net.parameters(), 0.5).step()
    other = copy.deepcopy(net)
    return net.weight, net.weight.tag, other.weight, other.weight.tag, type(other.weight)


@program
def parameter_of_a_class_of_tensors(t):
    class Packed(t.Tensor):
        pass

    net = t.nn.Linear(2, 1, bias=False)
    net.weight = t.nn.Parameter(t.ones(1, 2).as_subclass(Packed))
    result = net(t.ones(1, 2))
    result.sum().backward()
    weight = net.weight
    kinds = [type(each) for each in (weight, result, weight + 1, t.nn.Parameter(weight))]
    is_both = isinstance(weight, Packed) and isinstance(weight, t.nn.Parameter)
    return kinds, is_both, isinstance(weight + 1, t.nn.Parameter), weight.grad, repr(weight)


@program
def data_is_of_the_class(t):
    a = noted(t)([1.0, 2.0], unit="m")
    return type(a.data), type(t.nn.Parameter(t.ones(1)).data)


@program
def attributes_of_plain_tensors(t):
    a = t.ones(2)
    a.note = [1]
    b = copy.deepcopy(a)
    return b.note, b.note is a.note, pickle.loads(pickle.dumps(a)).note


@program
def nobody_answers(t):
    class A(t.Tensor):
        pass

    class B(t.Tensor):
        pass

    try:
        return t.ones(1).as_subclass(A) + t.ones(1).as_subclass(B)
    except TypeError as error:
        return str(error)


@program
def what_is_told_is_what_was_called(t):
    class Asked:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func

    F, asked = t.nn.functional, Asked()
    names = "relu elu celu selu silu mish relu6 hardtanh leaky_relu gelu dropout softmax".split()
    told = [getattr(F, name)(asked) is getattr(F, name) for name in names]
    item = t.Tensor.__getitem__
    return told, item.__name__, t.Tensor.__setitem__.__name__, t.overrides.resolve_name(item)


@program
def nodes_are_named(t):
    x = t.ones(2, requires_grad=True)
    node = (x * 2).sum().grad_fn
    return type(node).__name__, type(node.next_functions[0][0]).__name__


class Kept(kuai.Tensor):
    """One that pickle finds."""


@pytest.mark.parametrize("run", PROGRAMS, ids=lambda function: function.__name__)
def test_same(run):
    assert same(run(kuai)) == same(run(torch))


def test_copies_are_of_the_class():
    """PyTorch refuses to copy this one deeply, for `new_empty` gives another class."""
    a = kuai.arange(2.0).as_subclass(Kept)
    a.note = [1]
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a)), copy.copy(a)):
        assert type(b) is Kept and b.note == [1] and b.tolist() == [0.0, 1.0]


def test_a_compiled_step_with_a_class_of_tensors():
    """Twice, for the second call is the one that goes another way."""
    Noted = noted(kuai)
    net = kuai.nn.Linear(2, 1)
    optimizer = kuai.optim.SGD(net.parameters(), 0.1)

    @kuai.compile
    def step(x):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(kuai.ones(1, 2).as_subclass(Noted)) for _ in range(3)]
    assert losses[0] > losses[1] > losses[2] > 0

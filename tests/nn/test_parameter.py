"""Parameter and Buffer: storage, text, copies, pickles, and the uninitialized ones."""

import copy
import pickle

import pytest
import torch

import kuai
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def copied(how):
    """A program that copies a parameter with a gradient and an attribute of the user's."""

    def program(t):
        parameter = t.nn.Parameter(t.ones(2), requires_grad=False)
        parameter.note = "mine"
        other = how(parameter)
        kept = getattr(other, "note", None)
        return type(other).__name__, other, other.requires_grad, kept, other.grad

    return program


PROGRAMS = {
    "printed": lambda t: t.nn.Parameter(t.ones(2)),
    "frozen": lambda t: t.nn.Parameter(t.ones(2), requires_grad=False),
    "empty": lambda t: t.nn.Parameter(),
    "double": lambda t: t.nn.Parameter(t.ones(2, dtype=t.float64)),
    "integers": lambda t: t.nn.Parameter(t.ones(2, dtype=t.int64)),
    "frozen integers": lambda t: t.nn.Parameter(t.ones(2, dtype=t.int64), False),
    "of a parameter": lambda t: t.nn.Parameter(t.nn.Parameter(t.ones(2), False)),
    "of a list": lambda t: t.nn.Parameter([1.0]),
    "of a result": lambda t: t.nn.Parameter(t.nn.Parameter(t.ones(2)) * 2).is_leaf,
    "is a parameter": lambda t: isinstance(t.nn.Parameter(t.ones(1)) * 2, t.nn.Parameter),
    "is a tensor": lambda t: isinstance(t.nn.Parameter(), t.Tensor),
    "deepcopy": copied(copy.deepcopy),
    "copy": copied(copy.copy),
    "pickle": copied(lambda p: pickle.loads(pickle.dumps(p))),
    "detached": lambda t: type(t.nn.Parameter(t.ones(1)).detach()).__name__,
    "buffer": lambda t: t.nn.Buffer(t.ones(1)),
    "buffer persistent": lambda t: t.nn.Buffer(t.ones(1), persistent=False).persistent,
    "lazy printed": lambda t: (t.nn.UninitializedParameter(), t.nn.UninitializedBuffer()),
    "lazy shape": lambda t: t.nn.UninitializedParameter().shape,
    "lazy dtype": lambda t: t.nn.UninitializedParameter(dtype=t.float64).dtype,
    "lazy device": lambda t: t.nn.UninitializedParameter(device="cpu").device,
    "lazy to": lambda t: t.nn.UninitializedParameter().double().dtype,
    "lazy shared": lambda t: t.nn.UninitializedParameter().share_memory_(),
    "lazy is lazy": lambda t: [
        t.nn.parameter.is_lazy(x)
        for x in (t.nn.UninitializedParameter(), t.nn.UninitializedBuffer(), t.nn.Parameter(), 3)
    ],
    "lazy copied": lambda t: copy.deepcopy(t.nn.UninitializedParameter(dtype=t.float64)).dtype,
    "materialized": lambda t: materialized(t, t.nn.UninitializedParameter(dtype=t.float64)),
    "materialized other": lambda t: materialized(t, t.nn.UninitializedParameter(), dtype=t.float16),
    "frozen materialized": lambda t: materialized(t, t.nn.UninitializedParameter(False)),
}


def materialized(t, tensor, **options):
    tensor.materialize((2, 3), **options)
    return type(tensor).__name__, tensor.shape, tensor.dtype, tensor.requires_grad


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_shares_storage_with_its_data():
    data = kuai.zeros(2)
    parameter = kuai.nn.Parameter(data)
    data.fill_(3)
    assert parameter.tolist() == [3.0, 3.0]


def test_a_materialized_buffer_is_a_buffer():
    buffer = kuai.nn.UninitializedBuffer()
    buffer.materialize((2,))
    assert isinstance(buffer, kuai.nn.Buffer)


@pytest.mark.parametrize(
    "use", [lambda p: p + 1, lambda p: p.sum(), lambda p: p.copy_(kuai.ones(1))]
)
def test_values_of_uninitialized_parameters_are_refused(use):
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        use(kuai.nn.UninitializedParameter())


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_ties_survive_copies(how):
    # A pickle needs a class that can be imported.
    net = kuai.nn.Sequential(kuai.nn.Module(), kuai.nn.Module())
    net[0].weight = net[1].weight = kuai.nn.Parameter(kuai.ones(2))
    other = how(net)
    assert other[0].weight is other[1].weight
    assert other[0].weight is not net[0].weight
    assert other._modules.__class__ is net._modules.__class__


def test_a_copied_network_learns_alone():
    net = blocks(kuai).Net()
    other = copy.deepcopy(net)
    with kuai.no_grad():
        other.one.weight.zero_()
    assert net.one.weight.tolist() == [2.0, 2.0]


def subclasses_of(t):
    class Named(t.Tensor):
        @staticmethod
        def __new__(cls, values, name, *args):
            return super().__new__(cls, values, *args)

        def __init__(self, values, name):
            self.label = name

    class Tagged(t.nn.Parameter):
        def __new__(cls, data, requires_grad=True, tag=None):
            return super().__new__(cls, data, requires_grad)

        def __init__(self, data, requires_grad=True, tag=None):
            self.tag = tag

    class Made(t.nn.Parameter):
        def __new__(cls, data):
            return t.Tensor._make_subclass(cls, data, True)

    return Named, Tagged, Made


def test_subclasses_with_a_new_of_their_own():
    said = []
    for t in (torch, kuai):
        Named, Tagged, Made = subclasses_of(t)
        named, tagged, made = Named([1.0, 2.0], "x"), Tagged(t.ones(2), tag=3), Made(t.zeros(1))
        block = t.nn.Module()
        block.weight = tagged
        t.optim.SGD(block.parameters(), 1.0).zero_grad()
        (block.weight.sum() + made.sum()).backward()
        said.append((repr(named), named.label, repr(named + 1), repr(tagged), tagged.tag))
        said[-1] += (repr(made), repr(made.grad), type(block.double().weight).__name__)
        said[-1] += (t.ones(1).new(2, 3).shape, t.ones(1).new([1, 2]).tolist())
    assert said[1] == said[0]

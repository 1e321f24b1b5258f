"""Converting a module's tensors: what changes, what stays, and what is refused."""

import pytest

import kuai
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def converted(change):
    """A program that shows every tensor of a network after `change(library, network)`."""

    def program(t):
        net = blocks(t).Net()
        net.one.register_buffer("count", t.zeros(1, dtype=t.int64))
        returned = change(t, net)
        return returned is net, [(k, v.dtype) for k, v in net.state_dict().items()]

    return program


def with_gradient(t, net):
    net.one.weight.grad = t.ones(2)
    net.double()
    return net.one.weight.grad.dtype


def zeroed(set_to_none):
    def program(t):
        block = blocks(t).Scale()
        block(t.ones(2)).sum().backward()
        block.zero_grad(set_to_none=set_to_none)
        return block.weight.grad

    return program


PROGRAMS = {
    "double": converted(lambda t, net: net.double()),
    "half": converted(lambda t, net: net.half()),
    "bfloat16": converted(lambda t, net: net.bfloat16()),
    "float": converted(lambda t, net: net.double().float()),
    "type": converted(lambda t, net: net.type(t.float64)),
    "cpu": converted(lambda t, net: net.cpu()),
    "to dtype": converted(lambda t, net: net.to(t.float64)),
    "to dtype keyword": converted(lambda t, net: net.to(dtype=t.float16)),
    "to device": converted(lambda t, net: net.to("cpu")),
    "to device dtype": converted(lambda t, net: net.to("cpu", t.float64)),
    "to device dtype non_blocking": converted(lambda t, net: net.to("cpu", t.float64, True)),
    "to tensor": converted(lambda t, net: net.to(t.zeros(1, dtype=t.float64))),
    "to integer": lambda t: t.nn.Module().to(t.int64),
    "to complex": lambda t: t.nn.Module().to(t.complex64),
    "to_empty": converted(lambda t, net: net.to_empty(device="cpu")),
    "gradient": lambda t: with_gradient(t, blocks(t).Net()),
    "zero_grad": zeroed(True),
    "zero_grad to zero": zeroed(False),
    "frozen": lambda t: [
        p.requires_grad for p in blocks(t).Net().requires_grad_(False).parameters()
    ],
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_parameters_stay_the_same_objects():
    net = blocks(kuai).Net()
    weight = net.one.weight
    net.double()
    assert net.one.weight is weight is net.pair.second.weight
    assert weight.dtype is kuai.float64


def test_wrong_arguments_of_to_are_refused():
    with pytest.raises(TypeError, match=r"to\(\) received an invalid combination"):
        blocks(kuai).Net().to("cpu", "cpu")


def test_sharing_memory_shares_parameters_buffers_and_gradients():
    net = kuai.nn.BatchNorm1d(2)
    net(kuai.ones(3, 2)).sum().backward()
    assert net.share_memory() is net
    assert all(each.is_shared() for each in (*net.parameters(), *net.buffers()))
    assert all(each.grad.is_shared() for each in net.parameters())

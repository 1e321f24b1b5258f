"""Module.compile and Module.hybridize run a block as one program and notice changes of it."""

import copy

import kuai
from tests.nn.blocks import blocks


def test_compiled_and_back():
    block = blocks(kuai).Scale()
    block.hybridize()
    assert block._compiled_call_impl is not None
    assert block(kuai.ones(2)).tolist() == [2.0, 2.0]
    block.hybridize(False)
    assert block._compiled_call_impl is None
    assert block(kuai.ones(2)).tolist() == [2.0, 2.0]


def test_a_compiled_block_is_copied_uncompiled():
    block = blocks(kuai).Scale()
    block.compile()
    assert copy.deepcopy(block)._compiled_call_impl is None


def test_changes_are_noticed():
    class Mode(kuai.nn.Module):
        factor = 1

        def forward(self, x):
            return x * (10 if self.training else 1) * self.factor

    block = Mode()
    block.compile()
    x = kuai.ones(1)
    assert block(x).tolist() == [10.0]
    assert block.eval()(x).tolist() == [1.0]
    block.factor = 3
    assert block(x).tolist() == [3.0]
    with block.register_forward_hook(lambda module, args, output: output + 1):
        assert block(x).tolist() == [4.0]
    assert block(x).tolist() == [3.0]


def test_gradients_flow_out_of_a_compiled_block():
    block = blocks(kuai).Pair()
    block.compile()
    for _ in range(2):
        block.zero_grad()
        block(kuai.ones(2)).sum().backward()
    assert block.first.weight.grad.tolist() == [2.0, 2.0]

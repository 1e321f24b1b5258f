"""Backward hooks see and replace the gradients PyTorch shows them."""

import pytest

from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def recorded(said, *, result=None):
    def hook(module, grad_input, grad_output):
        said.append((module._get_name(), grad_input, grad_output))
        return result

    return hook


def leaf(t, *values):
    return t.tensor(values, requires_grad=True)


class TwoInputs:
    """Makes a block of two inputs and two outputs; `use_second` decides what it computes."""

    def __init__(self, use_second=True):
        self.use_second = use_second

    def __call__(self, t):
        use_second = self.use_second

        class Block(t.nn.Module):
            def forward(self, x, y, word=None):
                return x * 2, (y * 3 if use_second else x * 5)

        return Block()


def full(t):
    block, said = blocks(t).Pair(), []
    for module in block.modules():
        module.register_full_backward_hook(recorded(said))
    x = leaf(t, 1.0, 2.0)
    block(x).sum().backward()
    return said, x.grad, block.first.weight.grad


def replaced(t):
    block, said = blocks(t).Scale(), []
    block.register_full_backward_hook(recorded(said, result=(t.ones(2) * 100,)))
    block.register_full_backward_hook(recorded(said))
    x = leaf(t, 1.0, 2.0)
    block(x).sum().backward()
    return said, x.grad


def pre_hooks(t):
    block, said = blocks(t).Scale(), []
    block.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 10,))
    block.register_full_backward_pre_hook(lambda m, grads: said.append(grads), prepend=True)
    block.register_full_backward_hook(recorded(said))
    x = leaf(t, 1.0, 2.0)
    block(x).sum().backward()
    return said, x.grad, block.weight.grad


def wrong_number(t):
    block = blocks(t).Scale()
    block.register_full_backward_hook(lambda m, a, b: (None, None))
    block(leaf(t, 1.0, 2.0)).sum().backward()


def wrong_number_of_pre_hook(t):
    block = blocks(t).Scale()
    block.register_full_backward_pre_hook(lambda m, grads: (None, None))
    block(leaf(t, 1.0, 2.0)).sum().backward()


def no_input_requires_grad(t):
    block, said = blocks(t).Scale(), []
    block.register_full_backward_hook(recorded(said))
    block(t.ones(2)).sum().backward()
    return said, block.weight.grad


def no_input_requires_grad_but_replaced(t):
    block = blocks(t).Scale()
    block.register_full_backward_hook(lambda m, a, b: (t.ones(2),))
    block(t.ones(2)).sum().backward()


def two_inputs(t):
    block, said = TwoInputs()(t), []
    block.register_full_backward_hook(recorded(said))
    x, y = leaf(t, 1.0), leaf(t, 2.0)
    first, second = block(x, y, "word")
    (first + second).sum().backward()
    return said, x.grad, y.grad


def one_output_unused(t):
    block, said = TwoInputs()(t), []
    block.register_full_backward_hook(recorded(said))
    first, _ = block(leaf(t, 1.0), leaf(t, 2.0))
    first.sum().backward()
    return said


def one_input_unused(t):
    block, said = TwoInputs(use_second=False)(t), []
    block.register_full_backward_hook(recorded(said))
    first, second = block(leaf(t, 1.0), leaf(t, 2.0))
    (first + second).sum().backward()
    return said


def one_input_without_grad(t):
    block, said = TwoInputs()(t), []
    block.register_full_backward_hook(recorded(said))
    first, second = block(leaf(t, 1.0), t.ones(1))
    (first + second).sum().backward()
    return said


def output_not_a_tensor(t):
    class Block(t.nn.Module):
        def forward(self, x):
            return {"out": x * 2}

    block, said = Block(), []
    block.register_full_backward_hook(recorded(said))
    block(leaf(t, 1.0))["out"].sum().backward()
    return said


def grad_fn_of_output(t):
    block = blocks(t).Scale()
    block.register_full_backward_hook(recorded([]))
    return block(leaf(t, 1.0, 2.0)).grad_fn.name()


def without_grad(t):
    block, said = blocks(t).Scale(), []
    block.register_full_backward_hook(recorded(said))
    with t.no_grad():
        return block(leaf(t, 1.0, 2.0)), said


def mixed(t):
    block = blocks(t).Scale()
    block.register_full_backward_hook(recorded([]))
    block.register_backward_hook(recorded([]))


def mixed_other_way(t):
    block = blocks(t).Scale()
    block.register_backward_hook(recorded([]))
    block.register_full_backward_hook(recorded([]))


def regular(t):
    class Double(t.nn.Module):
        def forward(self, x):
            return x * 2

    block, said = Double(), []
    block.register_backward_hook(recorded(said))
    block(leaf(t, 1.0)).sum().backward()
    return len(said), said[0][2]


def global_hooks(t):
    module, said = t.nn.modules.module, []
    with (
        module.register_module_full_backward_hook(recorded(said)),
        module.register_module_full_backward_pre_hook(lambda m, g: said.append(m._get_name())),
    ):
        blocks(t).Pair()(leaf(t, 1.0, 2.0)).sum().backward()
    return said


def global_hooks_mixed(t):
    module = t.nn.modules.module
    with module.register_module_full_backward_hook(recorded([])):
        module.register_module_backward_hook(recorded([]))


PROGRAMS = {
    program.__name__: program
    for program in (
        full,
        replaced,
        pre_hooks,
        wrong_number,
        wrong_number_of_pre_hook,
        no_input_requires_grad,
        no_input_requires_grad_but_replaced,
        two_inputs,
        one_output_unused,
        one_input_unused,
        one_input_without_grad,
        output_not_a_tensor,
        grad_fn_of_output,
        without_grad,
        mixed,
        mixed_other_way,
        regular,
        global_hooks,
        global_hooks_mixed,
    )
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)

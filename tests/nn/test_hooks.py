"""Hooks run when, with what and in which order PyTorch runs them."""

import copy
import gc
import pickle

import pytest

import kuai
from kuai.nn.base.hooks import RemovableHandle, WrappedHook
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def facade(t):
    """Where a library keeps the hooks common to all modules."""
    return t.nn.modules.module


def forward_hooks(t):
    block, said = blocks(t).Scale(), []
    block.register_forward_pre_hook(lambda m, args: said.append(("pre", args)))
    block.register_forward_pre_hook(lambda m, args: args[0] + 1, prepend=True)
    block.register_forward_hook(lambda m, args, out: said.append(("post", args, out)))
    block.register_forward_hook(lambda m, args, out: out * 10, prepend=True)
    return block(t.ones(2)).detach(), said


def keyword_hooks(t):
    block, said = blocks(t).Scale(), []
    block.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"times": kwargs["times"] + 1}), with_kwargs=True
    )
    block.register_forward_hook(
        lambda m, args, kwargs, out: said.append((args, kwargs)), with_kwargs=True
    )
    return block(t.ones(2), times=2).detach(), said


def wrong_pre_hook(t):
    block = blocks(t).Scale()
    block.register_forward_pre_hook(lambda m, args, kwargs: 5, with_kwargs=True)
    return block(t.ones(2))


def always_called(t):
    said = []

    class Broken(t.nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    block = Broken()
    block.register_forward_hook(lambda *a: said.append(a[1:]), always_call=True)
    block.register_forward_hook(lambda *a: said.append("never"))
    block.register_forward_hook(lambda *a: 1 / 0, always_call=True)
    try:
        block(3)
    except ValueError as error:
        return str(error), said


def failing_hook_is_called_once(t):
    said = []

    def hook(module, args, output):
        said.append(output)
        raise ValueError("hook")

    block = t.nn.Identity()
    block.register_forward_hook(hook, always_call=True)
    try:
        block(1)
    except ValueError:
        return said


def removed(t):
    block, said = blocks(t).Scale(), []
    handle = block.register_forward_hook(
        lambda *a: said.append(1), with_kwargs=True, always_call=True
    )
    with block.register_forward_pre_hook(lambda *a: said.append(2)):
        block(t.ones(2))
    handle.remove()
    handle.remove()
    block(t.ones(2))
    left = (block._forward_hooks, block._forward_hooks_with_kwargs)
    return said, left, block._forward_hooks_always_called


def global_hooks(t):
    module, said = facade(t), []
    with (
        module.register_module_forward_pre_hook(lambda m, args: said.append(("pre", repr(m)))),
        module.register_module_forward_hook(lambda m, args, out: said.append(("post", repr(m)))),
        module.register_module_forward_hook(
            lambda m, args, kwargs, out: said.append(kwargs), with_kwargs=True
        ),
    ):
        blocks(t).Pair()(t.ones(2))
    blocks(t).Pair()(t.ones(2))
    return said


def registration_hooks(t):
    module, said = facade(t), []
    with (
        module.register_module_parameter_registration_hook(lambda m, n, p: said.append(("p", n))),
        module.register_module_buffer_registration_hook(lambda m, n, b: said.append(("b", n))),
        module.register_module_module_registration_hook(lambda m, n, c: said.append(("m", n))),
    ):
        blocks(t).Pair()
    return said


def replacing_registration_hook(t):
    with facade(t).register_module_module_registration_hook(lambda m, n, c: t.nn.Module()):
        return blocks(t).Pair()


PROGRAMS = {
    program.__name__: program
    for program in (
        forward_hooks,
        keyword_hooks,
        wrong_pre_hook,
        always_called,
        failing_hook_is_called_once,
        removed,
        global_hooks,
        registration_hooks,
        replacing_registration_hook,
    )
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def announce(module, args, output):
    """A hook that can be pickled."""
    module.announced = True


def test_hooks_are_copied_and_pickled_with_the_module():
    block = kuai.nn.Module()
    block.forward = len
    handle = block.register_forward_hook(announce)
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        other("abc")
        assert other.announced
    assert not hasattr(block, "announced")
    copied, again = pickle.loads(pickle.dumps((block, handle)))
    again.remove()
    assert not copied._forward_hooks
    assert block._forward_hooks


def test_handles_outlive_their_module():
    handle = kuai.nn.Module().register_forward_hook(announce)
    gc.collect()
    handle.remove()
    assert isinstance(handle, RemovableHandle)


def test_wrapped_hook_of_a_dead_module():
    hook = WrappedHook(announce, kuai.nn.Module())
    gc.collect()
    with pytest.raises(RuntimeError, match="dead Module"):
        hook(1, 2)

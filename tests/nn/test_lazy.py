"""Lazy modules become what they are to be at their first call, as PyTorch's do."""

import copy
import functools
import pickle

import pytest

import kuai
from tests.nn.sameness import assert_same


@functools.cache
def lazy_scale(lib):
    class Scale(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.ones(1))

        def forward(self, x):
            return x * self.weight

    class LazyScale(lib.nn.modules.lazy.LazyModuleMixin, Scale):
        cls_to_become = Scale

        def __init__(self):
            super().__init__()
            self.weight = lib.nn.UninitializedParameter()
            self.register_buffer("mean", lib.nn.UninitializedBuffer())

        def initialize_parameters(self, x):
            if not self.has_uninitialized_params():
                return
            with lib.no_grad():
                self.weight.materialize(x.shape[-1:])
                self.weight.fill_(2)
                self.mean.materialize(x.shape[-1:])
                self.mean.fill_(0)

    return LazyScale


def first_call(t):
    block = lazy_scale(t)()
    before = type(block).__name__, block.has_uninitialized_params(), block.weight
    result = block(t.ones(3)).detach()
    hooks = block._forward_pre_hooks, block._load_state_dict_pre_hooks
    return before, result, type(block).__name__, hooks, hasattr(block, "_load_hook")


def loaded(t):
    source, target = lazy_scale(t)(), lazy_scale(t)()
    source(t.ones(3))
    said = target.load_state_dict(source.state_dict())
    return said, target.weight, type(target).__name__, type(target(t.ones(3))).__name__


def lazy_into_lazy(t):
    block = lazy_scale(t)()
    return block.load_state_dict(lazy_scale(t)().state_dict()), block.weight


def lazy_into_real(t):
    block = lazy_scale(t)()
    block(t.ones(3))
    return block.load_state_dict(lazy_scale(t)().state_dict())


def not_implemented(t):
    class Plain(t.nn.modules.lazy.LazyModuleMixin, t.nn.Module):
        pass

    return Plain()(1)


def not_fully(t):
    class Lazier(lazy_scale(t)):
        def initialize_parameters(self, x):
            pass

    return Lazier()(t.ones(3))


def kept_class(t):
    class Kept(lazy_scale(t)):
        cls_to_become = None

    block = Kept()
    block(t.ones(3))
    return type(block).__name__


def converted(t):
    block = lazy_scale(t)().double()
    return block(t.ones(3, dtype=t.float64)).dtype


PROGRAMS = {
    program.__name__: program
    for program in (
        first_call,
        loaded,
        lazy_into_lazy,
        lazy_into_real,
        not_implemented,
        not_fully,
        kept_class,
        converted,
    )
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_lazy_modules_can_be_copied():
    block = lazy_scale(kuai)()
    other = copy.deepcopy(block)
    assert other(kuai.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert block.has_uninitialized_params()
    assert not other._forward_pre_hooks


def test_uninitialized_tensors_can_be_pickled():
    block = kuai.nn.Module()
    block.weight = kuai.nn.UninitializedParameter(dtype=kuai.float64)
    other = pickle.loads(pickle.dumps(block))
    assert kuai.nn.parameter.is_lazy(other.weight)
    assert other.weight.dtype is kuai.float64

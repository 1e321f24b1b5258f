"""Module's attributes, registration, texts and errors are PyTorch's."""

import pytest

import kuai
from kuai.engine.tensor.changes import counter
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def scale(lib, size=2):
    return blocks(lib).Scale(size)


def forgotten_init(lib):
    class Forgotten(lib.nn.Module):
        def __init__(self):
            pass

    return Forgotten()


def call(method, *arguments):
    """A program that calls a method of a Scale block."""
    return lambda t: getattr(scale(t), method)(*arguments)


def assign(name, make):
    """A program that assigns to an attribute of a Scale block and shows what became of it."""

    def program(t):
        block = scale(t)
        setattr(block, name, make(t))
        slots = [list(d) for d in (block._parameters, block._buffers, block._modules)]
        return slots, name in vars(block), sorted(block._non_persistent_buffers_set)

    return program


ATTRIBUTES = {
    "parameter over plain": assign("size", lambda t: t.nn.Parameter(t.ones(1))),
    "parameter over buffer": assign("scratch", lambda t: t.nn.Parameter(t.ones(1))),
    "module over parameter": assign("weight", lambda t: t.nn.Module()),
    "none over parameter": assign("weight", lambda t: None),
    "plain over parameter": assign("weight", lambda t: 3),
    "tensor over parameter": assign("weight", lambda t: t.ones(2)),
    "tensor over buffer": assign("scratch", lambda t: t.ones(2)),
    "plain over buffer": assign("calls", lambda t: "text"),
    "none over buffer": assign("calls", lambda t: None),
    "buffer": assign("mean", lambda t: t.nn.Buffer(t.ones(1))),
    "scratch buffer": assign("mean", lambda t: t.nn.Buffer(t.ones(1), persistent=False)),
    "buffer made persistent": assign("scratch", lambda t: t.nn.Buffer(t.ones(1))),
    "plain tensor": assign("other", lambda t: t.ones(1)),
    "parameter early": lambda t: setattr(forgotten_init(t), "w", t.nn.Parameter(t.ones(1))),
    "module early": lambda t: setattr(forgotten_init(t), "m", t.nn.Module()),
    "buffer early": lambda t: setattr(forgotten_init(t), "b", t.nn.Buffer(t.ones(1))),
    "register early": lambda t: forgotten_init(t).register_buffer("b", t.ones(1)),
    "call early": lambda t: forgotten_init(t)(1),
    "missing attribute": lambda t: scale(t).nothing,
    "delete": lambda t: (
        [delattr(m := scale(t), n) for n in ("weight", "scratch", "size")]
        + [list(m.state_dict()), m._non_persistent_buffers_set]
    ),
    "delete missing": lambda t: delattr(scale(t), "nothing"),
    "delete child": lambda t: delattr(n := blocks(t).Net(), "one") or list(n._modules),
    "child replaced by plain": lambda t: setattr(blocks(t).Net(), "one", 3),
    "child replaced by none": lambda t: setattr(n := blocks(t).Net(), "one", None) or repr(n),
    "dir": lambda t: [n for n in dir(blocks(t).Net()) if n in {"one", "pair", "training", "to"}],
    "slots": lambda t: (scale(t)._parameters, scale(t)._modules, scale(t)._forward_hooks),
    "unexpected keyword": lambda t: t.nn.Module(a=1),
    "unexpected argument": lambda t: t.nn.Module(1),
    "no forward": lambda t: t.nn.Module()(1),
    "version": lambda t: (t.nn.Module._version, t.nn.Module.dump_patches, t.nn.Module().training),
}

REGISTRATION = {
    "parameter": call("register_parameter", "new", None),
    "parameter name type": call("register_parameter", 3, None),
    "parameter with dot": call("register_parameter", "a.b", None),
    "parameter empty": call("register_parameter", "", None),
    "parameter exists": call("register_parameter", "size", None),
    "parameter wrong": call("register_parameter", "new", 3),
    "parameter tensor": lambda t: scale(t).register_parameter("new", t.ones(1)),
    "parameter again": call("register_parameter", "weight", None),
    "parameter not leaf": lambda t: scale(t).register_parameter(
        "new", (p := t.nn.Parameter(t.ones(1))) and p * 2
    ),
    "buffer name type": call("register_buffer", 3, None),
    "buffer with dot": call("register_buffer", "a.b", None),
    "buffer empty": call("register_buffer", "", None),
    "buffer exists": call("register_buffer", "size", None),
    "buffer wrong": call("register_buffer", "new", 3),
    "module name type": call("add_module", 3, None),
    "module with dot": call("add_module", "a.b", None),
    "module empty": call("add_module", "", None),
    "module exists": call("add_module", "size", None),
    "module wrong": call("add_module", "new", 3),
    "module tensor": lambda t: scale(t).add_module("new", t.ones(1)),
    "register_module": call("register_module", "new", 3),
}

LOOKUP = {
    "submodule": lambda t: blocks(t).Net().get_submodule("pair.first"),
    "submodule itself": lambda t: blocks(t).Pair().get_submodule(""),
    "submodule missing": lambda t: blocks(t).Net().get_submodule("pair.third"),
    "submodule wrong": lambda t: blocks(t).Net().get_submodule("one.weight"),
    "parameter": lambda t: blocks(t).Net().get_parameter("pair.first.weight").shape,
    "parameter missing": lambda t: blocks(t).Net().get_parameter("one.nothing"),
    "parameter wrong": lambda t: blocks(t).Net().get_parameter("one.calls"),
    "buffer": lambda t: blocks(t).Net().get_buffer("pair.first.calls").shape,
    "buffer missing": lambda t: blocks(t).Net().get_buffer("one.nothing"),
    "buffer wrong": lambda t: blocks(t).Net().get_buffer("one.weight"),
    "set": lambda t: (n := blocks(t).Net()).set_submodule("pair.first", t.nn.Module()) or n,
    "set new": lambda t: (n := blocks(t).Net()).set_submodule("pair.third", t.nn.Module()) or n,
    "set strict": lambda t: blocks(t).Net().set_submodule("pair.third", t.nn.Module(), strict=True),
    "set no target": lambda t: blocks(t).Net().set_submodule("", t.nn.Module()),
    "set no module": lambda t: blocks(t).Net().set_submodule("one", 3),
    "set over tensor": lambda t: blocks(t).Net().set_submodule("one.weight", t.nn.Module()),
    "set below missing": lambda t: blocks(t).Net().set_submodule("two.a", t.nn.Module()),
    "extra state": lambda t: t.nn.Module().get_extra_state(),
    "set extra state": lambda t: t.nn.Module().set_extra_state(1),
    "train not bool": lambda t: t.nn.Module().train(1),
    "train": lambda t: [m.training for m in blocks(t).Net().eval().modules()],
    "apply": lambda t: (
        (seen := []) or (blocks(t).Net().apply(lambda m: seen.append(repr(m))), seen)
    ),
}

TEXT = {
    "leaf": scale,
    "empty": lambda t: t.nn.Module(),
    "nested": lambda t: blocks(t).Net(),
    "extra with children": lambda t: _named(t, "a=1", t.nn.Module()),
    "several lines": lambda t: _named(t, "a=1\nb=2", None),
    "several lines with children": lambda t: _named(t, "a=1\n\nb=2", _named(t, "c\n\nd", None)),
}


def _named(lib, extra, child):
    class Named(lib.nn.Module):
        def extra_repr(self):
            return extra

    block = Named()
    if child is not None:
        block.child = child
    return block


PROGRAMS = ATTRIBUTES | {f"{k} (register)": v for k, v in REGISTRATION.items()} | LOOKUP | TEXT


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program):
    assert_same(program)


def test_slots_can_be_filled_by_hand():
    def program(t):
        block = t.nn.Module()
        block._modules["0"] = scale(t)
        block._parameters["w"] = t.nn.Parameter(t.zeros(1))
        block._buffers["b"] = t.zeros(1)
        return block, list(block.state_dict()), block.w.shape, block.b.shape

    assert_same(program)


def test_modules_may_be_keys_of_modules():
    block = kuai.nn.Module()
    inner = scale(kuai)
    block._modules[inner] = inner
    assert "Scale(size=2)" in repr(block)


def test_register_buffer_may_be_overridden_without_persistent():
    def program(t):
        class Old(t.nn.Module):
            def register_buffer(self, name, tensor):
                super().register_buffer(name, tensor)

        block = Old()
        block.a = t.nn.Buffer(t.zeros(1))
        block.b = t.nn.Buffer(t.zeros(1), persistent=False)

    assert_same(program)


def test_call_super_init_passes_arguments_on():
    def program(t):
        class Other:
            def __init__(self, word):
                self.word = word

        class Both(t.nn.Module, Other):
            call_super_init = True

        return Both("hello").word

    assert_same(program)


CHANGES = {
    "attribute": lambda m: setattr(m, "size", 3),
    "parameter": lambda m: setattr(m, "weight", kuai.nn.Parameter(kuai.zeros(1))),
    "child": lambda m: setattr(m, "child", kuai.nn.Module()),
    "buffer": lambda m: setattr(m, "calls", kuai.zeros(1)),
    "delete": lambda m: delattr(m, "size"),
    "eval": lambda m: m.eval(),
    "hook": lambda m: m.register_forward_hook(print),
    "by hand": lambda m: m._modules.update(child=kuai.nn.Module()),
    "clear": lambda m: m._parameters.clear(),
    "pop": lambda m: m._buffers.pop("calls"),
    "replaced": lambda m: setattr(m, "_modules", {}),
    "after replacement": lambda m: [setattr(m, "_modules", {}), m._modules.update(a=None)],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_reported(change):
    block = scale(kuai)
    before = counter.count
    change(block)
    assert counter.count > before


def test_no_change_is_not_reported():
    block = scale(kuai)
    before = counter.count
    block.train()
    assert block.weight is block.get_parameter("weight")
    assert counter.count == before


def test_removing_a_hook_is_reported():
    handle = scale(kuai).register_forward_hook(print)
    before = counter.count
    handle.remove()
    handle.remove()
    assert counter.count >= before

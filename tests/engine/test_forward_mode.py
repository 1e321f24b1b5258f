"""Dual tensors: tangents of operations, views, in-place changes, modules, users' functions; and
`func.jvp`, which runs on them. PyTorch is the oracle."""

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad

import kuai


def values(thing):
    if isinstance(thing, (tuple, list)):
        return [values(one) for one in thing]
    return None if thing is None else np.array(thing.detach().tolist())


def assert_both(program):
    ours, theirs = values(program(kuai)), values(program(torch))
    compare(ours, theirs)
    with kuai.fused():
        compare(values(program(kuai)), theirs)
    compiled = kuai.compile(lambda: program(kuai))
    for _ in range(2):
        compare(values(compiled()), theirs)


def compare(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other)
    elif theirs is None:
        assert ours is None
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def pushed(t, function, primal=((1.0, 2.0), (3.0, 4.0)), tangent=((0.1, 0.2), (0.3, 0.4))):
    forward = t.autograd.forward_ad
    with forward.dual_level():
        x = forward.make_dual(t.tensor(primal), t.tensor(tangent))
        return tuple(forward.unpack_dual(function(x)))


OPERATIONS = {
    "exp": lambda t, x: x.exp(),
    "matmul": lambda t, x: x @ x,
    "det": lambda t, x: t.det(x),
    "softmax": lambda t, x: x.softmax(-1),
    "max": lambda t, x: x.max(1).values,
    "cat": lambda t, x: t.cat([x, t.ones(1, 2)]),
    "view": lambda t, x: x.view(4)[1:3],
    "transpose": lambda t, x: x.t()[0],
    "where": lambda t, x: t.where(x > 2, x * x, x),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (2,)),
    "detach": lambda t, x: x.detach(),
    "argmax": lambda t, x: x.argmax(),
    "double": lambda t, x: x.double(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    function = OPERATIONS[name]
    ours = values(pushed(kuai, lambda x: function(kuai, x)))
    compare(ours, values(pushed(torch, lambda x: function(torch, x))))


def test_in_place_changes_bring_their_tangents():
    def program(t):
        def change(x):
            y = x.clone()
            y[0] = x[1] * 5
            y.mul_(x)
            z = t.zeros(2, 2)
            z[1] = y[0]
            return z + y.view(4).view(2, 2)

        return pushed(t, change)

    assert_both(program)


def test_derivatives_of_derivatives():
    def program(t):
        forward = t.autograd.forward_ad
        x = t.tensor([1.0, 2.0], requires_grad=True)
        with forward.dual_level():
            dual = forward.make_dual(x, t.tensor([1.0, 0.5]))
            y = (dual**3).sum()
            tangent = forward.unpack_dual(y).tangent
            (reverse,) = t.autograd.grad(tangent, x, retain_graph=True)
            (gradient,) = t.autograd.grad(y, dual, create_graph=True)
            return reverse, tuple(forward.unpack_dual(gradient))

    assert_both(program)


def test_a_users_function_says_how_tangents_go_on():
    def program(t):
        class Scaled(t.autograd.Function):
            @staticmethod
            def forward(x, factor=3.0):
                return x**2 * factor

            @staticmethod
            def setup_context(ctx, inputs, output):
                x, ctx.factor = inputs
                ctx.save_for_forward(x)
                ctx.save_for_backward(x)

            @staticmethod
            def backward(ctx, gradient):
                (x,) = ctx.saved_tensors
                return 2 * x * gradient * ctx.factor, None

            @staticmethod
            def jvp(ctx, tangent, _):
                (x,) = ctx.saved_tensors
                return 2 * x * tangent * ctx.factor + 100  # so that it is seen who was asked

        x = t.tensor([3.0, 4.0])
        return pushed(t, Scaled.apply), t.func.jvp(Scaled.apply, (x,), (t.ones(2),))

    assert_both(program)


def test_jvp_nests_and_goes_through_vmap():
    def program(t):
        x = t.tensor([2.0, 3.0])
        cube = lambda a: a**3  # noqa: E731

        def slope(a):
            return t.func.jvp(cube, (a,), (t.ones(2),))[1]

        inner = t.func.jvp(t.vmap(cube), (x,), (t.ones(2),))[1]
        return t.func.jvp(slope, (x,), (t.ones(2),)), inner, t.func.jacfwd(t.func.jacrev(cube))(x)

    assert_both(program)


def error_of(call):
    try:
        call()
    except (RuntimeError, ValueError) as error:
        return type(error).__name__, str(error)
    return None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t, f: f.make_dual(t.ones(2), t.ones(2)),
        lambda t, f: in_level(f, lambda: f.make_dual(t.ones(2), t.ones(3))),
        lambda t, f: in_level(f, lambda: f.make_dual(t.ones(2, dtype=t.int64), t.ones(2))),
        lambda t, f: in_level(f, lambda: in_level(f, lambda: None)),
        lambda t, f: in_level(f, lambda: f.make_dual(f.make_dual(t.ones(2), t.ones(2)), t.ones(2))),
    ],
)
def test_errors(wrong):
    ours = error_of(lambda: wrong(kuai, kuai.autograd.forward_ad))
    assert ours is not None
    assert ours == error_of(lambda: wrong(torch, torch.autograd.forward_ad))


def in_level(forward, call):
    with forward.dual_level():
        return call()


def test_no_level_no_tangent():
    forward = kuai.autograd.forward_ad
    with forward.dual_level():
        x = forward.make_dual(kuai.ones(2), kuai.ones(2))
        assert repr(x) == "tensor([1., 1.], tangent=tensor([1., 1.]))"
        with forward._set_fwd_grad_enabled(False):
            y = x * 3
        assert forward.unpack_dual(y).tangent is None
    with forward.dual_level():
        assert forward.unpack_dual(x).tangent is None
    assert kuai.autograd.forward_ad.unpack_dual(x).tangent is None

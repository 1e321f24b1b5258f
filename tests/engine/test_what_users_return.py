"""What hooks and `Function.backward` return, gradients kept after in-place changes, warnings."""

import warnings

import pytest
import torch

import kuai


def _leaf(t, *shape):
    return t.ones(*(shape or (2,)), requires_grad=True)


def _function(t, backward, forward=lambda ctx, x: x * 2):
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Double", (t.autograd.Function,), members)


def _backward(result, forward=lambda ctx, x: x * 2, arguments=()):
    def call(t):
        x = _leaf(t, 2, 3)
        _function(t, lambda ctx, g: result(t, g), forward).apply(x, *arguments).sum().backward()
        return x.grad

    return call


def _hook(result, leaf):
    def call(t):
        x = _leaf(t)
        hooked = x if leaf else x * 1
        hooked.register_hook(lambda g: result(t, g))
        (hooked * 2).sum().backward()
        return x.grad

    return call


def _node_hook(result, before=False):
    def call(t):
        x = _leaf(t)
        y = x * _leaf(t)
        register = y.grad_fn.register_prehook if before else y.grad_fn.register_hook
        register(lambda *given: result(t, given[0]))
        y.sum().backward()
        return x.grad

    return call


def _kept(change):
    def call(t):
        x = _leaf(t, 4)
        y = x * 2
        y.retain_grad()
        z = y * 3
        change(y)
        (z.sum() + (y * y).sum()).backward()
        return y.grad, x.grad, y.retains_grad

    return call


RESULTS = {
    "gradient": lambda t, g: g,
    "another shape": lambda t, g: t.ones(5),
    "a number": lambda t, g: t.tensor(1.0),
    "doubles": lambda t, g: g.double() * 2,
    "integers": lambda t, g: g.long(),
    "None": lambda t, g: None,
    "a float": lambda t, g: 3.0,
    "a string": lambda t, g: "a",
    "a list": lambda t, g: [g],
    "too many": lambda t, g: (g, g),
    "with None": lambda t, g: (g, None),
}
CASES = {
    **{f"backward: {name}": _backward(result) for name, result in RESULTS.items()},
    "backward: larger": _backward(lambda t, g: t.ones(4, 2, 3)),
    "backward: for a number": _backward(
        lambda t, g: (g, g), forward=lambda ctx, x, k: x * k, arguments=(2.0,)
    ),
    **{
        f"hook: {name} {leaf}": _hook(result, leaf)
        for name, result in RESULTS.items()
        for leaf in (True, False)
    },
    "node hook: too few": _node_hook(lambda t, grads: grads[:1]),
    "node hook: number": _node_hook(lambda t, grads: 3),
    "node hook: size": _node_hook(lambda t, grads: (t.ones(3), grads[1])),
    "node hook: right": _node_hook(lambda t, grads: tuple(g * 2 for g in grads)),
    "node pre-hook: too many": _node_hook(lambda t, grads: (grads[0], grads[0]), before=True),
    "kept after mul_": _kept(lambda y: y.mul_(3)),
    "kept after a view's mul_": _kept(lambda y: y[:2].mul_(5)),
    "kept unchanged": _kept(lambda y: None),
    "grad of nothing": lambda t: t.autograd.grad(_leaf(t).sum(), []),
}


def _outcome(call, t):
    try:
        found = call(t)
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        return type(error).__name__, str(error)
    return str(found)


@pytest.mark.parametrize("call", CASES.values(), ids=CASES)
def test_as_torch(call):
    assert _outcome(call, kuai) == _outcome(call, torch)


def _warned(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message).split(" (Triggered")[0] for warning in caught]


def test_warnings():
    """PyTorch's texts; it says the first only once in a process, so they are not compared live."""
    cycle = "Using backward() with create_graph=True will create a reference cycle"
    of_result = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed."
    (warned,) = _warned(lambda: (_leaf(kuai) ** 2).sum().backward(create_graph=True))
    assert warned.startswith(cycle)
    (warned,) = _warned(lambda: (_leaf(kuai) * 2).grad)
    assert warned.startswith(of_result)
    assert warned == _warned(lambda: (_leaf(torch) * 2).grad)[0]
    assert _warned(lambda: _leaf(kuai).grad) == []


def test_a_fitted_gradient_is_differentiable():
    """What `backward` returns too large is summed by an operation on the tape."""
    larger = _function(kuai, lambda ctx, g: (g * ctx.x).expand(3, 2), lambda ctx, x: _keep(ctx, x))
    x = kuai.tensor([2.0, 3.0], requires_grad=True)
    (gradient,) = kuai.autograd.grad(larger.apply(x).sum(), x, create_graph=True)
    assert gradient.tolist() == [6.0, 9.0]
    assert kuai.autograd.grad(gradient.sum(), x)[0].tolist() == [3.0, 3.0]


def _keep(ctx, x):
    ctx.x = x
    return x * x

"""Derivatives that go through a `vmap` from outside stop and turn where the code inside says so."""

import pytest
import torch

import kuai

X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
LIBRARIES = (kuai, torch)


class Functions:
    """Some `Function`s, of one of the libraries."""

    def __init__(self, t):
        class Steep(t.autograd.Function):  # another derivative than the true one
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x.exp()

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(output)

            @staticmethod
            def backward(ctx, gradient):
                return 3 * gradient * ctx.saved_tensors[0]

        class Rounded(t.autograd.Function):  # a straight-through estimator, with a rule of its own
            @staticmethod
            def forward(x):
                return x.round()

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def backward(ctx, gradient):
                return gradient * outside

            @staticmethod
            def vmap(info, in_dims, x):
                return Rounded.apply(x), in_dims[0]

        class Product(t.autograd.Function):  # two inputs, an output without a gradient
            generate_vmap_rule = True

            @staticmethod
            def forward(x, w, factor):
                return x * w, (x + w).round(), x > 0

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs[:2])
                ctx.factor = inputs[2]
                ctx.mark_non_differentiable(output[2])

            @staticmethod
            def backward(ctx, product, rounded, _):
                x, w = ctx.saved_tensors
                return (product * w + rounded) * ctx.factor, product * x + 2 * rounded, None

        class Passed(t.autograd.Function):  # the input itself
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x.view_as(x)

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def backward(ctx, gradient):
                return -gradient

        outside = t.tensor([1.0, 2.0, 3.0])
        self.steep, self.rounded = Steep.apply, Rounded.apply
        self.product, self.passed = Product.apply, Passed.apply


def _without_gradient(t, a):
    with t.no_grad():
        scale = a.abs().max()
    return a / scale


def _changed(t, a):
    b = a.clone()
    b[0] = b[0].detach() * 3
    return b.mul_(2) * a


BODIES = {
    "detach": lambda t, f, a, w: a.detach() * a,
    "no_grad": lambda t, f, a, w: _without_gradient(t, a),
    "in place": lambda t, f, a, w: _changed(t, a),
    "straight through": lambda t, f, a, w: a.round() - a.detach() + a * w,
    "outside": lambda t, f, a, w: (w.detach() * a + a.detach()) * w,
    "function": lambda t, f, a, w: f.steep(a) * a,
    "rule": lambda t, f, a, w: f.rounded(a * 2) * w,
    "two inputs": lambda t, f, a, w: sum(f.product(a, w, 5)[:2]) * a,
    "of an input from outside": lambda t, f, a, w: f.product(a.detach(), w, 5)[0] + f.steep(w),
    "passed through": lambda t, f, a, w: f.passed(a) * a,
    "derivatives inside": lambda t, f, a, w: t.func.grad(lambda b: (f.steep(b) * w).sum())(a),
    "slices of slices": lambda t, f, a, w: t.func.vmap(lambda b: f.steep(b) * b.detach())(a * w),
}


@pytest.mark.parametrize("name", BODIES)
def test_first_and_second_order_are_pytorchs(name):
    found = []
    for t in LIBRARIES:
        functions, x = Functions(t), t.tensor(X, requires_grad=True)
        w = t.tensor([0.3, -0.6, 1.2], requires_grad=True)
        made = t.func.vmap(lambda a, t=t, f=functions, w=w: BODIES[name](t, f, a, w))(x)
        first = t.autograd.grad((made**2).sum(), (x, w), create_graph=True, allow_unused=True)
        total = sum((g**3).sum() for g in first if g is not None)
        second = t.autograd.grad(total, (x, w), allow_unused=True)
        numbers = [[0.0] if g is None else g.flatten().tolist() for g in (made, *first, *second)]
        found.append(numbers)
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs if theirs != [0.0] else [0.0] * len(ours), rel=1e-4)


def test_transforms_around_a_vmap_see_what_is_cut_off():
    for t in LIBRARIES:
        x = t.tensor(X)
        function = lambda x, t=t: t.func.vmap(lambda a: a.detach() * a)(x)  # noqa: E731
        assert t.func.grad(lambda x, f=function: f(x).sum())(x).tolist() == X
        _, slope = t.func.jvp(function, (x,), (t.ones(2, 3),))
        assert slope.tolist() == X
        assert t.func.jacfwd(function)(x).sum((2, 3)).tolist() == X


def test_the_jvp_of_a_function_counts_in_forward_mode():
    for t in LIBRARIES:

        class Odd(t.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x, factor):
                return x.exp(), x * factor

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_forward(output[0])

            @staticmethod
            def jvp(ctx, tangent, _):
                return 5 * tangent * ctx.saved_tensors[0], 7 * tangent

        x, v = t.tensor(X), t.ones(2, 3)
        function = lambda x, f=Odd.apply, t=t: t.func.vmap(lambda a: f(a, 2))(x)  # noqa: E731
        made, slopes = t.func.jvp(function, (x,), (v,))
        assert slopes[0].flatten().tolist() == pytest.approx((5 * x.exp()).flatten().tolist())
        assert slopes[1].tolist() == (7 * v).tolist()
        assert made[1].tolist() == (2 * x).tolist()


def test_results_without_a_history():
    for t in LIBRARIES:
        x = t.tensor(X, requires_grad=True)
        made = t.func.vmap(lambda a: (a, a.detach(), a > 0, a * 2))(x)
        assert [each.requires_grad for each in made] == [True, False, False, True]


def test_a_tangent_of_what_is_only_read_inside():
    for t in LIBRARIES:
        x, w = t.tensor(X), t.tensor([1.0, 2.0, 3.0])
        _, slope = t.func.jvp(lambda w, t=t, x=x: t.func.vmap(lambda a: a * w)(x), (w,), (w,))
        assert slope.tolist() == (x * w).tolist()
        twice = t.func.jacfwd(t.func.jacfwd(lambda x: (x**3).sum()))(w)
        assert twice.diagonal().tolist() == [6.0, 12.0, 18.0]


def test_a_slice_changed_in_place_keeps_its_history():
    for t in LIBRARIES:
        x = t.tensor(X, requires_grad=True)
        z = x * 1
        made = t.func.vmap(lambda a: a.mul_(2).detach() * a, in_dims=1, out_dims=1)(z)
        (made.sum() + (z**2).sum()).backward()
        assert x.grad.tolist() == (12 * x).tolist()


def test_an_operation_of_ones_own_with_a_rule_has_its_gradient():
    for number, t in enumerate(LIBRARIES):
        operation = t.library.custom_op(f"outside::sin{number}", _sin(t), mutates_args=())
        operation.register_autograd(
            lambda ctx, g: g * ctx.saved_tensors[0] * 5,
            setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
        )
        operation.register_vmap(lambda info, dims, x, f=operation: (f(x), dims[0]))
        x = t.tensor(X, requires_grad=True)
        t.func.vmap(operation)(x).sum().backward()
        assert x.grad.tolist() == (5 * x).tolist()


def _sin(t):
    def sin(x):
        return x.sin()

    sin.__annotations__ = {"x": t.Tensor, "return": t.Tensor}
    return sin


def test_a_backward_that_fails_is_told_of_where_it_is_asked_for():
    class Broken(kuai.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

    x = kuai.tensor(X, requires_grad=True)
    made = kuai.vmap(Broken.apply)(x)
    assert made.tolist() == (2 * x).tolist()
    with pytest.raises(NotImplementedError, match="You must implement either the backward"):
        made.sum().backward()


def test_a_backward_that_calls_its_own_function_is_traced_a_few_times_only():
    calls = []

    class Exp(kuai.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            calls.append(1)
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gradient):
            return gradient * Exp.apply(ctx.saved_tensors[0])

    x = kuai.tensor(X, requires_grad=True)
    made = kuai.vmap(Exp.apply)(x)
    assert len(calls) < 20
    (first,) = kuai.autograd.grad(made.sum(), x, create_graph=True)
    (second,) = kuai.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = kuai.autograd.grad(second.sum(), x, create_graph=True)
    kuai.testing.assert_close(third, x.detach().exp())
    with pytest.raises(RuntimeError, match="a derivative of order 4 was asked for"):
        kuai.autograd.grad(third.sum(), x)


@pytest.mark.parametrize("around", ["dual level", "jvp", "of a gradient"])
def test_the_jvp_of_a_function_counts_for_what_is_only_read(around):
    def value(t):
        class Sine(t.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x.sin()

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)
                ctx.save_for_forward(*inputs)

            @staticmethod
            def backward(ctx, gradient):
                return 10 * gradient * ctx.saved_tensors[0].cos()

            @staticmethod
            def jvp(ctx, tangent):
                return 100 * tangent * ctx.saved_tensors[0].cos()

        x, w = t.tensor(X), t.ones(3)

        def function(w):
            return t.vmap(lambda row: row * Sine.apply(w * 2) + row * w.detach())(x)

        if around == "jvp":
            return t.func.jvp(function, (w,), (2 * w,))[1]
        if around == "of a gradient":
            return t.func.jacfwd(t.func.grad(lambda w: function(w).sum()))(w)
        with t.autograd.forward_ad.dual_level():
            made = function(t.autograd.forward_ad.make_dual(w, 2 * w))
            return t.autograd.forward_ad.unpack_dual(made).tangent

    ours, theirs = value(kuai), value(torch)
    kuai.testing.assert_close(ours, kuai.tensor(theirs.tolist()))

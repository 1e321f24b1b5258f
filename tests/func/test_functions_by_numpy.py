"""A `Function` that computes by NumPy, in a `vmap`: values are there when the program runs."""

import numpy as np
import pytest
import torch

import kuai

X = [[3.0, 1.0, 2.0], [5.0, 9.0, 4.0]]


class Functions:
    """Functions by NumPy, as in PyTorch's tutorial, of one of the libraries."""

    def __init__(self, t):
        class Product(t.autograd.Function):
            @staticmethod
            def forward(x, y):
                return t.tensor(x.numpy() * y.numpy())

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, gradient):
                x, y = ctx.saved_tensors
                return Product.apply(gradient, y), Product.apply(gradient, x)

            @staticmethod
            def vmap(info, in_dims, x, y):
                x, y = (
                    each.unsqueeze(0) if dim is None else each.movedim(dim, 0)
                    for each, dim in zip((x, y), in_dims, strict=True)
                )
                return Product.apply(x, y), 0

        class Sort(t.autograd.Function):
            @staticmethod
            def forward(x, dim):
                order = np.argsort(x.numpy(), dim)
                found = np.take_along_axis(x.numpy(), order, dim)
                return t.tensor(found), t.tensor(np.argsort(order, dim))

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.mark_non_differentiable(output[1])
                ctx.save_for_backward(output[1])
                ctx.dim = inputs[1]

            @staticmethod
            def backward(ctx, gradient, _):
                return gradient.gather(ctx.dim, ctx.saved_tensors[0]), None

            @staticmethod
            def vmap(info, in_dims, x, dim):
                return Sort.apply(x.movedim(in_dims[0], 0), dim + 1), (0, 0)

        self.t, self.product, self.sort = t, Product.apply, Sort.apply


CALLS = {
    "slices of two": lambda f, x: f.t.vmap(f.product)(x, x),
    "one for all": lambda f, x: f.t.vmap(f.product, (0, None))(x, x[0]),
    "another dimension": lambda f, x: f.t.vmap(f.product, 1, 1)(x, x),
    "in two vmaps": lambda f, x: f.t.vmap(f.t.vmap(f.product))(x, x),
    "beside what is read": lambda f, x: f.t.vmap(lambda row: row * f.product(x, x).sum())(x),
    "a jacobian": lambda f, x: f.t.func.jacrev(lambda row: f.product(row, row))(x[0]),
    "gradients inside": lambda f, x: f.t.vmap(
        f.t.func.grad(lambda row: f.product(row, 2 * row).sum())
    )(x),
    "a gradient outside": lambda f, x: f.t.func.grad(
        lambda x: (f.t.vmap(lambda row: f.sort(row, 0)[0])(x) * f.t.arange(3.0)).sum()
    )(x),
    "the second order": lambda f, x: f.t.func.jacrev(
        f.t.func.grad(lambda row: f.product(f.product(row, row), row).sum())
    )(x[0]),
}


@pytest.mark.parametrize("name", CALLS)
def test_is_pytorchs(name):
    ours, theirs = (CALLS[name](Functions(t), t.tensor(X)) for t in (kuai, torch))
    kuai.testing.assert_close(ours, kuai.tensor(theirs.tolist()))


def test_inside_a_compiled_step():
    functions = Functions(kuai)

    @kuai.compile
    def step(x):
        x = x.clone().requires_grad_()
        kuai.vmap(lambda row: functions.product(row, row))(x).sum().backward()
        return x.grad

    for factor in (1.0, 2.0, 3.0):
        x = factor * kuai.tensor(X)
        kuai.testing.assert_close(step(x), 2 * x)


def test_shapes_that_depend_on_values_are_refused():
    class Large(kuai.autograd.Function):
        @staticmethod
        def forward(x):
            return kuai.tensor(x.numpy()[x.numpy() > limit])

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            return Large.apply(x), 0

    limit = 1.0
    with pytest.raises(RuntimeError, match="vmap: It looks like you're calling .numpy"):
        kuai.vmap(Large.apply)(kuai.tensor(X))
    limit = 0.1
    assert kuai.vmap(Large.apply)(kuai.tensor(X[0])).shape == (3,)
    with pytest.raises(RuntimeError, match="gave shape"):
        kuai.vmap(Large.apply)(kuai.tensor([1.0, 0.0, 2.0]))

"""Gradients through sparse tensors: of the elements, and of the dense tensors they meet."""

from typing import Any

import pytest
import torch

import kuai

pytestmark = pytest.mark.filterwarnings("ignore")

#: A result of a sparse tensor `a` (2, 3) and a dense one `x` (3, 2).
RESULTS = {
    "sparse.mm": lambda t, a, x: t.sparse.mm(a, x),
    "@": lambda t, a, x: a @ x,
    "mm": lambda t, a, x: t.mm(a, x),
    "dense @ sparse": lambda t, a, x: x @ a,
    "linear": lambda t, a, x: t.nn.functional.linear(x.t(), a),
    "mv": lambda t, a, x: t.mv(a, x[:, 0]),
    "addmm": lambda t, a, x: t.addmm(x[:2], a, x, beta=2, alpha=3),
    "sparse.addmm": lambda t, a, x: t.sparse.addmm(x[:2], a, x, beta=2.0, alpha=3.0),
    "to_dense": lambda t, a, x: a.to_dense() * x.t(),
    "t": lambda t, a, x: a.t().to_dense() * x,
    "sum": lambda t, a, x: a.sum() * x,
    "sparse.sum": lambda t, a, x: t.sparse.sum(a, 0).to_dense() * x.t(),
    "softmax": lambda t, a, x: t.sparse.softmax(a, 1).to_dense() * x.t(),
    "log_softmax": lambda t, a, x: t.sparse.log_softmax(a, 1).to_dense() * x.t(),
    "dense + sparse": lambda t, a, x: (x.t() + a) * x.t(),
    "sparse + sparse": lambda t, a, x: (a + a * 2).to_dense() * x.t(),
    "sparse * dense": lambda t, a, x: (a * x.t()).to_dense() * x.t(),
    "sparse @ sparse": lambda t, a, x: t.sparse.mm(a, a.t()).to_dense() * x[:2],
    "mask": lambda t, a, x: x.t().sparse_mask(a.detach().coalesce()).to_dense() * x.t(),
    "values": lambda t, a, x: a.coalesce().values() * x[:, 0],
    "square": lambda t, a, x: a.square() @ x if t is kuai else (a * a) @ x,
    "csr": lambda t, a, x: a.to_sparse_csr() @ x if t is kuai else a @ x,
}


def made(t, coalesced) -> Any:
    indices, values = t.tensor([[0, 1, 1], [2, 0, 2]]), t.tensor([3.0, 4.0, 5.0])
    a = t.sparse_coo_tensor(indices, values, (2, 3))
    a = a.coalesce() if coalesced else a
    x = t.tensor([[0.5, 1.0], [2.0, -1.0], [3.0, 0.25]])
    return a.requires_grad_(), x.requires_grad_()


def at_places(gradient, a):
    """A gradient of a, where it has elements: PyTorch's is dense where Kuai's never is."""
    if gradient.layout is not torch.strided:
        gradient = gradient.to_dense()
    return gradient[tuple(a._indices())].tolist()


@pytest.mark.parametrize("coalesced", [False, True])
@pytest.mark.parametrize("name", RESULTS)
def test_gradients_of_both(name, coalesced):
    found = []
    for t in (torch, kuai):
        a, x = made(t, coalesced)
        RESULTS[name](t, a, x).sum().backward()
        assert a.is_leaf
        assert a.grad is None or t is torch or a.grad.layout == kuai.sparse_coo
        of_a = a.grad if a.grad is None or t is torch else kuai.to_torch(a.grad)
        of_x = x.grad.to_dense() if t is torch else kuai.to_torch(x.grad)
        plain = a.detach() if t is torch else kuai.to_torch(a.detach())
        found.append((None if of_a is None else at_places(of_a, plain), of_x))
    assert (found[0][0] is None) == (found[1][0] is None)
    assert found[0][0] is None or found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-5)


def test_gradients_are_those_of_the_values_a_tensor_was_made_of():
    for t in (torch, kuai):
        values = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        a = t.sparse_coo_tensor(t.tensor([[0, 0, 1], [1, 1, 0]]), values, (2, 2))
        assert a.requires_grad and not a.is_leaf
        (t.sparse.mm(a.coalesce(), t.tensor([[1.0], [10.0]]))).sum().backward()
        assert values.grad.tolist() == [10, 10, 1]


def test_a_place_that_comes_twice_has_one_gradient():
    for t in (torch, kuai):
        a = t.sparse_coo_tensor(t.tensor([[0, 0, 1], [1, 1, 0]]), t.ones(3), (2, 2))
        a.requires_grad_()
        t.sparse.mm(a, t.tensor([[1.0], [10.0]])).sum().backward()
        assert a.grad.to_dense().tolist() == [[0, 10], [1, 0]]


def test_gradients_accumulate_and_are_forgotten():
    a, x = made(kuai, True)
    for _ in range(2):
        (a @ x).sum().backward()
    assert a.grad._values().tolist() == [6.5, 3, 6.5]
    assert a.grad is a.grad
    a.grad = None
    assert a.grad is None
    found: Any = kuai.autograd.grad((a @ x).sum(), a)[0]
    assert found.layout == kuai.sparse_coo and found._values().tolist() == [3.25, 1.5, 3.25]
    with pytest.raises(RuntimeError, match="attempting to assign a gradient of size"):
        a.grad = kuai.ones(3)


def test_derivatives_of_products_by_finite_differences():
    indices = kuai.tensor([[0, 1, 1, 1], [2, 0, 2, 2]])
    rows = kuai.tensor([0, 1, 3])

    def product(values, dense):
        return kuai.sparse.mm(kuai.sparse_coo_tensor(indices, values, (2, 3)), dense)

    def sampled(left, right):
        places = kuai.sparse_csr_tensor(rows, kuai.tensor([2, 0, 2]), kuai.zeros(3).double())
        return kuai.sparse.sampled_addmm(places, left, right).values()

    kuai.manual_seed(0)
    values, dense = kuai.randn(4).double(), kuai.randn(3, 17).double()
    inputs = values.requires_grad_(), dense.requires_grad_()
    left, right = kuai.randn(2, 5).double(), kuai.randn(5, 3).double()
    for function, given in (
        (product, inputs),
        (sampled, (left.requires_grad_(), right.requires_grad_())),
    ):
        assert kuai.autograd.gradcheck(function, given, check_forward_ad=True)
        assert kuai.autograd.gradgradcheck(function, given)


def test_transforms_see_the_elements():
    a, x = made(kuai, True)
    a, x = a.detach(), x.detach()
    many = kuai.stack([x, 2 * x])
    assert kuai.vmap(lambda one: a @ one)(many).tolist() == [(a @ one).tolist() for one in many]

    def of_values(values):
        return kuai.sparse_coo_tensor(a.indices(), values, (2, 3)) @ x

    several = kuai.stack([a.values(), a.values() * 3])
    found = kuai.vmap(of_values)(several)
    assert found.tolist() == [of_values(each).tolist() for each in several]
    grad = kuai.func.grad(lambda values: of_values(values).sum())(a.values())
    assert grad.tolist() == [3.25, 1.5, 3.25]
    _, tangent = kuai.func.jvp(lambda one: a @ one, (x,), (x,))
    assert tangent.tolist() == (a @ x).tolist()


def test_what_is_not_known_is_said_inside_of_vmap():
    indices, values = kuai.tensor([[[0, 0], [1, 0]]]), kuai.ones(1, 2)
    with pytest.raises(RuntimeError, match="vmap"):
        kuai.vmap(lambda i, v: kuai.sparse_coo_tensor(i, v, (2, 2)).coalesce())(indices, values)


class SparseProduct(kuai.autograd.Function):
    """As users write it who want no gradient of the zeros."""

    @staticmethod
    def forward(ctx, a, x):
        ctx.save_for_backward(a, x)
        return a @ x

    @staticmethod
    def backward(ctx, gradient):
        a, x = ctx.saved_tensors
        of_a = gradient @ x.t() if ctx.needs_input_grad[0] else None
        return of_a, a.t() @ gradient


def test_a_function_of_the_users_takes_sparse_tensors():
    a, x = made(kuai, True)
    (SparseProduct.apply(a, x) * kuai.tensor([[1.0, 2.0]])).sum().backward()
    b, y = made(kuai, True)
    ((b @ y) * kuai.tensor([[1.0, 2.0]])).sum().backward()
    assert a.grad._values().tolist() == b.grad._values().tolist()
    assert x.grad.tolist() == y.grad.tolist()


def test_a_checkpoint_takes_sparse_tensors():
    a, x = made(kuai, True)
    for reentrant in (False, True):
        kuai.utils.checkpoint.checkpoint(
            lambda a, x: a @ x, a.detach(), x, use_reentrant=reentrant
        ).sum().backward()
    assert x.grad.tolist() == [[8, 8], [0, 0], [16, 16]]

"""Programs with graphs and ratings as people write them for PyTorch: the same numbers here."""

import contextlib
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

import kuai

pytestmark = pytest.mark.filterwarnings("ignore")

NODES, FEATURES, CLASSES, STEPS = 30, 12, 4, 4
USERS, ITEMS, SIZE = 9, 14, 6


def start(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 0.3


def as_sparse(t, matrix) -> Any:
    """A matrix of SciPy's, in the way that is in most people's files."""
    coo = matrix.tocoo().astype(np.float32)
    indices = t.from_numpy(np.vstack((coo.row, coo.col)).astype(np.int64))
    return t.sparse.FloatTensor(indices, t.from_numpy(coo.data), t.Size(coo.shape))


def graph():
    rng = np.random.default_rng(0)
    edges = rng.integers(0, NODES, (2, 60))
    ones = np.ones(edges.shape[1], np.float32)
    adjacency = scipy.sparse.coo_matrix((ones, tuple(edges)), shape=(NODES, NODES))
    adjacency = adjacency + adjacency.T + scipy.sparse.eye(NODES)
    return scipy.sparse.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency


# A graph convolutional network --------------------------------------------------------------------


def convolution(t):
    class Convolution(t.nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.weight = t.nn.Parameter(t.FloatTensor(inputs, outputs))
            self.bias = t.nn.Parameter(t.FloatTensor(outputs))

        def forward(self, x, adjacency):
            return t.spmm(adjacency, t.mm(x, self.weight)) + self.bias

    class Network(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = Convolution(FEATURES, 8), Convolution(8, CLASSES)

        def forward(self, x, adjacency):
            x = t.nn.functional.relu(self.first(x, adjacency))
            return t.nn.functional.log_softmax(self.second(x, adjacency), dim=1)

    return Network()


def graph_losses(t, around=lambda function: function):
    network, adjacency = convolution(t), as_sparse(t, graph())
    for seed, parameter in enumerate(network.parameters()):
        parameter.data = t.from_numpy(start(tuple(parameter.shape), seed))
    x = t.from_numpy(start((NODES, FEATURES), 9))
    labels = t.arange(NODES) % CLASSES
    optimizer = t.optim.Adam(network.parameters(), lr=0.05, weight_decay=5e-4)

    @around
    def step():
        optimizer.zero_grad()
        loss = t.nn.functional.nll_loss(network(x, adjacency)[:20], labels[:20])
        loss.backward()
        optimizer.step()
        return loss

    return [float(step()) for _ in range(STEPS)]


@pytest.mark.parametrize("how", ["eager", "compiled", "fused"])
def test_a_graph_convolutional_network(how):
    around = kuai.compile if how == "compiled" else lambda function: function
    with kuai.fused() if how == "fused" else contextlib.nullcontext():
        found = graph_losses(kuai, around)
    assert found == pytest.approx(graph_losses(torch), rel=1e-5)


# Recommendations from a graph of users and items --------------------------------------------------


def rating_losses(t):
    rng = np.random.default_rng(1)
    users, items = np.arange(40) % USERS, rng.integers(0, ITEMS, 40)
    ratings = scipy.sparse.csr_matrix((np.ones(40), (users, items)), shape=(USERS, ITEMS))
    whole = scipy.sparse.bmat([[None, ratings], [ratings.T, None]]).tocsr()
    degree = np.maximum(np.asarray(whole.sum(1)).ravel(), 1) ** -0.5
    scale = scipy.sparse.diags(degree)
    adjacency = as_sparse(t, scale @ whole @ scale).coalesce().to("cpu")
    table = t.nn.Embedding(USERS + ITEMS, SIZE)
    table.weight.data.copy_(t.from_numpy(start((USERS + ITEMS, SIZE), 2)))
    optimizer = t.optim.Adam(table.parameters(), lr=0.02)
    keep = t.from_numpy(rng.random(adjacency._nnz()) < 0.8)
    losses = []
    for _ in range(STEPS):
        index, values = adjacency.indices().t()[keep], adjacency.values()[keep] / 0.8
        dropped = t.sparse.FloatTensor(index.t(), values, adjacency.size())
        layers = [table.weight]
        for _ in range(3):
            layers.append(t.sparse.mm(dropped, layers[-1]))
        users_found, items_found = t.split(t.stack(layers, 1).mean(1), [USERS, ITEMS])
        wanted = (users_found[users] * items_found[items]).sum(1)
        other = (users_found[users] * items_found[(items + 1) % ITEMS]).sum(1)
        loss = t.nn.functional.softplus(other - wanted).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_recommendations():
    assert rating_losses(kuai) == pytest.approx(rating_losses(torch), rel=1e-5)


# Attention among neighbours -----------------------------------------------------------------------


def attention_losses(t):
    class Product(t.autograd.Function):
        """A sparse matrix of values that have gradients, times a dense one."""

        @staticmethod
        def forward(ctx, indices, values, shape, dense):
            assert not indices.requires_grad
            matrix = t.sparse_coo_tensor(indices, values, shape)
            ctx.save_for_backward(matrix, dense)
            ctx.count = shape[1]
            return t.matmul(matrix, dense)

        @staticmethod
        def backward(ctx, gradient):
            matrix, dense = ctx.saved_tensors
            indices = matrix._indices()
            places = indices[0] * ctx.count + indices[1]
            of_values = gradient.matmul(dense.t()).view(-1)[places]
            return None, of_values, None, matrix.t().matmul(gradient)

    edges = t.from_numpy(np.stack(graph().nonzero()).astype(np.int64))
    weight = t.nn.Parameter(t.from_numpy(start((FEATURES, CLASSES), 3)))
    scorer = t.nn.Parameter(t.from_numpy(start((1, 2 * CLASSES), 4)))
    x, shape = t.from_numpy(start((NODES, FEATURES), 9)), t.Size([NODES, NODES])
    optimizer = t.optim.SGD([weight, scorer], lr=0.5)
    losses = []
    for _ in range(STEPS):
        h = x @ weight
        pairs = t.cat((h[edges[0]], h[edges[1]]), 1).t()
        score = t.exp(-t.nn.functional.leaky_relu(scorer.mm(pairs).squeeze(), 0.2))
        total = Product.apply(edges, score, shape, t.ones(NODES, 1))
        made = Product.apply(edges, score, shape, h) / total
        loss = t.nn.functional.cross_entropy(made, t.arange(NODES) % CLASSES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_attention_among_neighbours():
    assert attention_losses(kuai) == pytest.approx(attention_losses(torch), rel=1e-5)


# A buffer -----------------------------------------------------------------------------------------


def test_a_module_with_sparse_members():
    class Network(kuai.nn.Module):
        def __init__(self):
            super().__init__()
            matrix = as_sparse(kuai, graph())
            self.register_buffer("adjacency", matrix.coalesce())
            self.fixed = kuai.nn.Parameter(matrix.to_sparse_csr(), requires_grad=False)
            self.layer = kuai.nn.Linear(FEATURES, 2)

        def forward(self, x):
            return self.adjacency @ self.layer(self.fixed @ x)

    network, other = Network(), Network()
    x = kuai.from_numpy(start((NODES, FEATURES), 9))
    assert isinstance(network.fixed, kuai.nn.Parameter)
    assert [name for name, _ in network.named_parameters()][0] == "fixed"
    other.load_state_dict(network.state_dict())
    assert kuai.allclose(other(x), network(x))
    assert network.double().adjacency.dtype is kuai.float64
    assert kuai.allclose(kuai.compile(network.float())(x), other(x), atol=1e-5)
    with pytest.raises(RuntimeError, match="size mismatch for adjacency"):
        other.load_state_dict(network.state_dict() | {"adjacency": kuai.eye(2).to_sparse()})
    assert kuai.allclose(other(x), network(x), atol=1e-5)

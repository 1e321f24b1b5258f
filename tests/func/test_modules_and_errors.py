"""kuai.func on modules, its random numbers, and what it refuses."""

import numpy as np
import pytest
import torch

import kuai
from kuai.errors import LeakedTensorError

X = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def pair(make):
    """The same module in both."""
    theirs = make(torch)
    ours = make(kuai)
    ours.load_state_dict({k: kuai.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def close(mine, reference):
    expected = reference.detach().numpy()
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def network(t):
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 1))


def per_sample_gradients(t, net, x):
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(parameters, row):
        return t.func.functional_call(net, parameters, (row,)).pow(2).sum()

    return t.vmap(t.func.grad(loss), in_dims=(None, 0))(parameters, x)


@pytest.mark.parametrize("compiled", [False, True])
def test_per_sample_gradients(compiled):
    ours, theirs = pair(network)
    run = lambda x: per_sample_gradients(kuai, ours, x)  # noqa: E731
    run = kuai.compile(run, fullgraph=True) if compiled else run
    expected = per_sample_gradients(torch, theirs, torch.tensor(X))
    for _ in range(2):
        found = run(kuai.tensor(X))
        assert set(found) == set(expected)
        for name in expected:
            close(found[name], expected[name])
    assert all(isinstance(p, kuai.nn.Parameter) for p in ours.parameters())


def test_ensemble():
    pairs = [pair(network) for _ in range(3)]
    ours, theirs = [p[0] for p in pairs], [p[1] for p in pairs]
    made = []
    for t, nets in ((kuai, ours), (torch, theirs)):
        parameters, buffers = t.func.stack_module_state(nets)
        assert all(p.requires_grad and p.is_leaf for p in parameters.values())
        base = nets[0]

        def call(parameters, buffers, x, t=t, base=base):
            return t.func.functional_call(base, (parameters, buffers), (x,))

        out = t.vmap(call, in_dims=(0, 0, None))(parameters, buffers, t.tensor(X))
        out.pow(2).sum().backward()
        made.append((out, parameters["0.weight"].grad))
    close(made[0][0], made[1][0])
    close(made[0][1], made[1][1])


def test_batch_norm_with_its_buffers_as_arguments():
    ours, theirs = pair(lambda t: t.nn.BatchNorm1d(3))
    for t, net in ((kuai, ours), (torch, theirs)):
        buffers = {name: b.clone() for name, b in net.named_buffers()}
        t.func.functional_call(net, buffers, (t.tensor(X),))
        assert buffers["num_batches_tracked"] == 1 and net.num_batches_tracked == 0


def test_tied_weights():
    def make(t):
        net = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    ours, theirs = pair(make)
    for flag in (True, False):
        given = np.ones((3, 3), np.float32)
        mine = kuai.func.functional_call(
            ours, {"0.weight": kuai.tensor(given)}, kuai.tensor(X), tie_weights=flag
        )
        reference = torch.func.functional_call(
            theirs, {"0.weight": torch.tensor(given)}, torch.tensor(X), tie_weights=flag
        )
        close(mine, reference)


def test_random_numbers():
    x = kuai.zeros(4, 3)
    noisy = lambda row: row + kuai.rand(3)  # noqa: E731
    different = kuai.vmap(noisy, randomness="different")(x)
    assert len({tuple(row) for row in different.tolist()}) == 4
    same = kuai.vmap(noisy, randomness="same")(x)
    assert len({tuple(row) for row in same.tolist()}) == 1
    with pytest.raises(RuntimeError, match="called random operation while in randomness error"):
        kuai.vmap(noisy)(x)
    run = kuai.compile(lambda x: kuai.vmap(noisy, randomness="different")(x), fullgraph=True)
    kuai.manual_seed(3)
    eager = kuai.vmap(noisy, randomness="different")(x)
    kuai.manual_seed(3)
    assert (run(x) == eager).all() and not (run(x) == eager).all()
    dropped = kuai.vmap(lambda row: kuai.nn.functional.dropout(row, 0.5), randomness="different")
    assert dropped(kuai.ones(64, 64)).unique().tolist() == [0.0, 2.0]


def test_in_place_changes():
    total = kuai.zeros(3)
    x = kuai.tensor(X)
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        kuai.vmap(total.add_)(x)
    norm = kuai.nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError, match="track_running_stats"):
        kuai.vmap(norm)(kuai.randn(2, 4, 3))
    assert norm.num_batches_tracked == 0
    assert kuai.vmap(lambda row: total.add_(1) + row)(x).shape == (5, 3)
    assert total.tolist() == [1.0, 1.0, 1.0]
    kuai.vmap(lambda row: row.mul_(0))(x)
    assert x.abs().sum() == 0


def test_a_smuggled_tensor_says_so():
    kept = []
    kuai.vmap(lambda row: kept.append(row * 2) or row)(kuai.tensor(X))
    with pytest.raises(LeakedTensorError):
        kept[0] + 1


def test_compiled_functions_inside_transforms():
    square = kuai.compile(lambda x: (x * x).sum())
    x = kuai.tensor(X)
    assert (kuai.vmap(square)(x) == (x * x).sum(1)).all()
    assert (kuai.func.grad(square)(x) == 2 * x).all()
    close(kuai.func.hessian(square)(x[0]), torch.eye(3) * 2)


def test_batched_gradients_of_autograd():
    made = []
    for t in (kuai, torch):
        w = t.linspace(-1, 1, 3).requires_grad_()
        y = (t.tensor(X) @ w).sin()
        made.append(t.autograd.grad(y, w, t.eye(5), is_grads_batched=True)[0])
    close(*made)


def f(t):
    return t.tensor(X)


REFUSED = {
    "item": lambda t: t.vmap(lambda x: x.item())(t.ones(3)),
    "branch": lambda t: t.vmap(lambda x: x if x.sum() > 0 else -x)(f(t)),
    "no tensor": lambda t: t.vmap(lambda x: 3)(f(t)),
    "number": lambda t: t.vmap(lambda x: x)(3),
    "no inputs": lambda t: t.vmap(lambda x: x)(),
    "sizes": lambda t: t.vmap(lambda x, y: x)(f(t), t.ones(4)),
    "in_dims range": lambda t: t.vmap(lambda x: x, in_dims=2)(f(t)),
    "in_dims type": lambda t: t.vmap(lambda x: x, in_dims="a")(f(t)),
    "out_dims range": lambda t: t.vmap(lambda x: x, out_dims=3)(f(t)),
    "out_dims None": lambda t: t.vmap(lambda x: x, out_dims=None)(f(t)),
    "randomness": lambda t: t.vmap(lambda x: x, randomness="foo")(f(t)),
    "chunk_size": lambda t: t.vmap(lambda x: x, chunk_size=0)(f(t)),
    "not a scalar": lambda t: t.func.grad(lambda x: x)(f(t)),
    "not a tensor": lambda t: t.func.grad(lambda x: 3)(f(t)),
    "argnums": lambda t: t.func.grad(lambda x: x.sum(), argnums=2)(f(t)),
    "no input tensor": lambda t: t.func.grad(lambda x: x.sum())(3),
    "aux": lambda t: t.func.grad(lambda x: x.sum(), has_aux=True)(f(t)),
    "backward": lambda t: t.func.grad(lambda x: x.sum().backward())(f(t)),
    "integers": lambda t: t.func.grad(lambda x: x.sum())(t.tensor([1, 2])),
    "vjp of a number": lambda t: t.func.vjp(lambda x: 3, f(t)),
    "vjp shape": lambda t: t.func.vjp(lambda x: x, f(t))[1](t.ones(2)),
    "jvp primals": lambda t: t.func.jvp(lambda x: x, f(t), f(t)),
    "jvp shape": lambda t: t.func.jvp(lambda x: x, (f(t),), (t.ones(2),)),
    "jvp empty": lambda t: t.func.jvp(lambda x: x, (), ()),
    "strict": lambda t: t.func.functional_call(
        t.nn.Linear(3, 1), {"weight": t.ones(1, 3)}, (f(t),), strict=True
    ),
    "dictionaries": lambda t: t.func.functional_call(t.nn.Linear(3, 1), [3], (f(t),)),
    "twice": lambda t: t.func.functional_call(
        t.nn.Linear(3, 1), ({"bias": t.ones(1)}, {"bias": t.ones(1)}), (f(t),)
    ),
    "no models": lambda t: t.func.stack_module_state([]),
    "modes": lambda t: t.func.stack_module_state([t.nn.ReLU(), t.nn.ReLU().eval()]),
    "classes": lambda t: t.func.stack_module_state([t.nn.Linear(2, 2), t.nn.ReLU()]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_pytorchs_words(name):
    found = []
    for t in (kuai, torch):
        with pytest.raises(Exception) as caught:
            REFUSED[name](t)
        found.append((type(caught.value), str(caught.value).split("in block")[0][:60]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(t.ones(3)),
        lambda t: t.vmap(lambda x: x, out_dims=(0, 0))(t.ones(3)),
        lambda t: t.vmap(lambda d: d["a"], in_dims=({"b": 0},))({"a": t.ones(3)}),
        lambda t: t.vmap(lambda x: x[x > 0])(t.ones(3, 2)),
        lambda t: t.func.jvp(lambda x: "a", (t.ones(2),), (t.ones(2),)),
    ],
)
def test_errors_say_what_pytorchs_do(call):
    told = []
    for framework in (torch, kuai):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            call(framework)
        told.append((type(caught.value).__name__, str(caught.value)))
    assert told[0] == told[1]

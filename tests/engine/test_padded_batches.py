"""`kuai.compile(dynamic_batch=...)`: few programs for many sizes, and never a wrong number."""

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.errors import PaddingError
from tests.compilations import compilations


def network():
    kuai.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()


def test_sizes_share_the_programs_of_their_buckets():
    net = network()
    forward = kuai.compile(lambda x: {"out": net(x), "rows": x.sum(1)}, dynamic_batch=True)
    for rows in range(1, 18):
        x = kuai.randn(rows, 3)
        found = forward(x)
        np.testing.assert_allclose(found["out"].tolist(), net(x).tolist(), rtol=1e-5, atol=1e-6)
        assert found["rows"].shape == (rows,)
    assert len(forward.explain().programs) == 6  # 1, 2, 4, 8, 16, 32
    with compilations() as recorded:
        forward(kuai.randn(7, 3))
    assert recorded == []


def test_buckets_of_ones_own_and_gradients():
    net = network()
    x = kuai.randn(5, 3, requires_grad=True)
    forward = kuai.compile(net.forward, dynamic_batch=[8, 32])
    forward(x).square().sum().backward()
    found = [x.grad.clone(), net[0].weight.grad.clone()]
    x.grad = None
    net.zero_grad()
    net(x).square().sum().backward()
    for ours, theirs in zip(found, [x.grad, net[0].weight.grad], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)
    with pytest.raises(PaddingError, match="33 rows is larger than the largest bucket"):
        forward(kuai.randn(33, 3))


@pytest.mark.parametrize("what", ["mean", "batch norm"])
def test_rows_that_depend_on_each_other_are_refused(what):
    net = network().train(what == "batch norm")
    weights = [p.detach().clone() for p in net.state_dict().values()]

    @kuai.compile(dynamic_batch=True)
    def forward(x):
        out = net(x)
        return out if what == "batch norm" else out.mean()

    forward(kuai.randn(4, 3))
    before = [p.detach().clone() for p in net.state_dict().values()]
    with pytest.raises(PaddingError, match="3 rows to a batch of 5 .* rows depend on each other"):
        forward(kuai.randn(5, 3))
    for ours, theirs in zip(net.state_dict().values(), before, strict=True):
        assert ours.equal(theirs)
    assert len(weights) == len(before)


def test_a_whole_training_step_with_the_mask():
    results = []
    for padded in (False, True):
        kuai.manual_seed(0)
        net = nn.Linear(3, 1)
        optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)

        def step(x, y, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            losses = (net(x) - y).square().mean(1)
            mask = kuai.compiler.batch_mask()
            loss = losses.mean() if mask is None else (losses * mask).sum() / mask.sum()
            loss.backward()
            optimizer.step()
            return loss

        run = kuai.compile(step, dynamic_batch=padded, fullgraph=True)
        generator = np.random.default_rng(0)
        losses = []
        for rows in (4, 3, 1, 4, 2):
            x = kuai.tensor(generator.normal(size=(rows, 3)).astype("float32"))
            losses.append(run(x, x.sum(1, keepdim=True)).item())
        results.append((losses, net.weight.tolist()))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-5)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-5)


def test_arguments_of_different_sizes_are_refused():
    forward = kuai.compile(lambda x, y: x + y, dynamic_batch=True)
    with pytest.raises(PaddingError, match=r"they have \[1, 3\] rows"):
        forward(kuai.ones(3), kuai.ones(1))
    with pytest.raises(PaddingError, match="they have none rows"):
        forward(kuai.ones(()), kuai.ones(()))


def test_a_module_compiled_in_place():
    net = network()
    net.compile(dynamic_batch=True)
    assert net(kuai.randn(3, 3)).shape == (3, 2)
    assert net(kuai.randn(0, 3)).shape == (0, 2)

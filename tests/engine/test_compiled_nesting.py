"""Compiled functions in threads, in themselves, in each other, in other modes."""

import threading

import numpy as np

import kuai
from kuai import nn
from tests.engine.training import make_step


def test_threads_share_one_compiled_step():
    net, step = make_step(3, 8, 1, lr=0.01)
    twin, plain = make_step(3, 8, 1, lr=0.01)
    compiled = kuai.compile(step, fullgraph=True)
    x = kuai.ones(4, 3)
    errors = []

    def work():
        try:
            for _ in range(10):
                compiled(x)
        except Exception as error:  # noqa: BLE001 - handed on to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for _ in range(40):
        plain(x)
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-4, atol=1e-6)


def test_each_thread_compiles_its_own():
    results = {}

    def work(number):
        net = nn.Linear(2, 2, bias=False)
        with kuai.no_grad():
            net.weight.fill_(number)
        compiled = kuai.compile(lambda x: net(x) * number)
        results[number] = [compiled(kuai.ones(1, 2)).tolist() for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [[[2.0 * n * n] * 2]] * 3 for n in range(6)}


def test_recursion():
    @kuai.compile(fullgraph=True)
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    assert power(kuai.tensor(2.0), 5).item() == 32
    assert power(kuai.tensor(3.0), 3).item() == 27


def test_compiled_in_compiled():
    net, step = make_step(3, 8, 1, lr=0.01)
    twin, plain = make_step(3, 8, 1, lr=0.01)
    inner = kuai.compile(net, fullgraph=True)

    @kuai.compile(fullgraph=True)
    def outer(x):
        return inner(x).sum() + kuai.compile(lambda y: y * 2)(x).sum()

    x = kuai.ones(2, 3)
    for _ in range(2):
        assert abs(outer(x).item() - (twin(x).sum() + 12).item()) < 1e-5
    outer(x).backward()
    (twin(x).sum()).backward()
    assert net[0].weight.grad.allclose(twin[0].weight.grad)


def test_inside_transforms():
    double = kuai.compile(lambda x: (x * x).sum())
    assert kuai.func.grad(double)(kuai.tensor([1.0, 2.0])).tolist() == [2, 4]
    assert kuai.vmap(double)(kuai.ones(3, 2)).tolist() == [2, 2, 2]
    compiled = kuai.compile(kuai.func.grad(double), fullgraph=True)
    assert [compiled(kuai.tensor([1.0, 2.0])).tolist() for _ in range(2)] == [[2, 4]] * 2


def test_modes_set_outside_are_seen():
    weight = kuai.ones(2, requires_grad=True)
    double = kuai.compile(lambda x: x @ weight)
    x = kuai.ones(2)
    assert double(x).requires_grad
    with kuai.no_grad():
        assert not double(x).requires_grad
    with kuai.autocast("cpu", dtype=kuai.bfloat16):
        assert double(kuai.ones(2, 2)).dtype is kuai.bfloat16
    assert double(kuai.ones(2, 2)).dtype is kuai.float32


def test_autocast_and_checkpoint_inside():
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))

    @kuai.compile(fullgraph=True)
    def step(x):
        net.zero_grad()
        with kuai.autocast("cpu", dtype=kuai.bfloat16):
            hidden = kuai.utils.checkpoint.checkpoint(net, x, use_reentrant=False)
        hidden.float().sum().backward()
        return hidden

    for _ in range(2):
        assert step(kuai.ones(2, 4)).dtype is kuai.bfloat16
    assert net[0].weight.grad.dtype is kuai.float32

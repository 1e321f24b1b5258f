"""Paths of PyTorch's that packages touch, and that do a little here."""

import pytest
import torch

import kuai
import kuai.fx
from kuai.nn.parallel import scatter_gather
from kuai.utils._foreach_utils import _group_tensors_by_device_and_dtype
from kuai.utils.flop_counter import FlopCounterMode


def test_futures():
    future = kuai.futures.Future()
    later = future.then(lambda done: done.value() + 1).then(lambda done: done.value() * 10)
    assert not later.done()
    with pytest.raises(RuntimeError, match="completed"):
        future.value()
    future.set_result(1)
    assert later.wait() == 20 and kuai.futures.wait_all([future, later]) == [1, 20]
    with pytest.raises(RuntimeError, match="mark a completed Future as complete again"):
        future.set_result(2)
    failed = kuai.futures.Future()
    after = failed.then(lambda done: done.value())
    failed.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        after.wait()


def test_groups_of_tensors():
    lists = [[kuai.ones(1), kuai.ones(1).long(), kuai.zeros(2)], []]
    groups = _group_tensors_by_device_and_dtype(lists, with_indices=True)
    places = {kind: indices for (_, kind), (_, indices) in groups.items()}
    assert places == {kuai.float32: [0, 2], kuai.int64: [1]}


def test_scatter_and_gather():
    parts = scatter_gather.scatter({"x": kuai.arange(4), "n": 3}, ["cpu", "cpu"])
    assert [p["x"].tolist() for p in parts] == [[0, 1], [2, 3]] and parts[1]["n"] == 3
    joined = scatter_gather.gather([(kuai.ones(1), kuai.tensor(2.0))] * 2, "cpu")
    assert [each.tolist() for each in joined] == [[1.0, 1.0], [2.0, 2.0]]
    inputs, named = scatter_gather.scatter_kwargs((kuai.arange(2),), {"k": 1}, ["cpu", "cpu"])
    assert len(inputs) == len(named) == 2


def test_operations_are_counted_as_pytorch_counts_them():
    def count(t, mode):
        net = t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.Flatten(), t.nn.Linear(32, 4))
        with mode(display=False) as counter:
            net(t.ones(2, 1, 6, 6)).sum().backward()
            t.nn.ConvTranspose1d(2, 4, 3, stride=2, groups=2)(t.ones(1, 2, 4)).sum().backward()
            q = t.ones(2, 3, 4, requires_grad=True)
            (q @ q.transpose(1, 2)).softmax(-1).sum().backward()
            t.ones(2, 3) @ t.ones(3, 2)
        counts = {name: sum(c.values()) for name, c in counter.get_flop_counts().items()}
        return counter.get_total_flops(), counts

    from torch.utils.flop_counter import FlopCounterMode as Theirs

    assert count(kuai, FlopCounterMode) == count(torch, Theirs)


def test_a_proxy_of_ones_own_is_seen_by_functions():
    def traced(t, fx):
        graph = fx.Graph()
        tracer = fx.proxy.GraphAppendingTracer(graph)
        x, y = (fx.Proxy(graph.placeholder(name), tracer) for name in "xy")
        t.einsum("ij,jk->ik", x, y)
        t.einsum("ij,jk->ik", [x, y])
        t.cat([x, y])
        return [(node.name, str(node.args)) for node in graph.nodes]

    assert traced(kuai, kuai.fx) == traced(torch, torch.fx)


def test_the_configuration_is_text():
    assert "XLA" in kuai.__config__.show() and "get_num_threads" in kuai.__config__.parallel_info()


def test_tensors_as_text():
    from torch import _tensor_str as theirs

    from kuai import _tensor_str as ours

    values = [[1.0, 2.5], [3.0, 4.0]]
    assert ours._tensor_str(kuai.tensor(values), 3) == theirs._tensor_str(torch.tensor(values), 3)
    assert ours.PRINT_OPTS.edgeitems == theirs.PRINT_OPTS.edgeitems

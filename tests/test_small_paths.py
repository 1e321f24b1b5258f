"""Paths of PyTorch's that packages touch, and that do a little here."""

import pytest
import torch

import kuai
import kuai.fx
from kuai.amp import grad_scaler
from kuai.nn.modules import transformer
from kuai.nn.parallel import scatter_gather
from kuai.utils._foreach_utils import _group_tensors_by_device_and_dtype
from kuai.utils.data._utils import fetch
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


@pytest.mark.parametrize("kind", [list, tuple])
def test_operations_on_lists_give_what_pytorchs_give(kind):
    found = []
    for t in (torch, kuai):
        values, others = (kind([t.full((2,), x), t.full((3,), 2 * x)]) for x in (0.5, 3.0))
        one = t._foreach_add(values, others, alpha=2)
        changed = t._foreach_mul_(values, 2.0)
        assert isinstance(one, tuple) and changed is values
        assert t._foreach_copy_(values, others, True) is values
        two = t._foreach_addcmul(values, others, values, [1.0, 2.0])
        three = t._foreach_addcdiv(values, others, values, value=3)
        more = [t._foreach_pow(2.0, values), t._foreach_powsum(values, 3), t._foreach_norm(values)]
        found.append([x.tolist() for each in (one, values, two, three, *more) for x in each])
        with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
            t._foreach_add(values, others[:1])
        with pytest.raises(RuntimeError, match="at least one tensor"):
            t._foreach_abs([])
    assert found[1] == [pytest.approx(x) for x in found[0]]


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


def test_masks_that_are_causal():
    causal = transformer._generate_square_subsequent_mask(3)
    detect = transformer._detect_is_causal_mask
    assert detect(causal) and not detect(causal[:2]) and not detect(causal * 0) and not detect(None)
    assert detect(None, True) and not detect(causal, False) and not detect(causal, size=2)
    batch = kuai.ones(5, 7, 2)
    assert [transformer._get_seq_len(batch, first) for first in (True, False)] == [7, 5]
    assert transformer._get_seq_len(batch[0], True) == 7


def test_stages_of_a_scaler():
    parameter = kuai.ones(1, requires_grad=True)
    scaler = grad_scaler.GradScaler("cpu")
    optimizer = kuai.optim.SGD([parameter], lr=0.1)
    scaler.scale(parameter.sum()).backward()
    scaler.unscale_(optimizer)
    assert scaler._stages[id(optimizer)] is grad_scaler.OptState.UNSCALED
    fresh = grad_scaler._refresh_per_optimizer_state()
    assert fresh == {"stage": grad_scaler.OptState.READY, "found_inf_per_device": {}}


@pytest.mark.parametrize("drop_last", [False, True])
def test_fetchers(drop_last):
    def run(fetch):
        rows = fetch._MapDatasetFetcher([10, 11, 12], True, list, drop_last)
        one = fetch._MapDatasetFetcher([10, 11, 12], False, str, drop_last)
        stream = fetch._IterableDatasetFetcher(iter(range(5)), True, list, drop_last)
        batches = []
        while len(batches) < 4:
            try:
                batches.append(stream.fetch([0, 1]))
            except StopIteration:
                break
        return rows.fetch([2, 0]), one.fetch(1), batches

    assert run(fetch) == run(torch.utils.data._utils.fetch)

"""Tensors in shared memory. Another process is played by a second storage on the same file."""

import copy
import io
import os
import pickle
import sys
import threading

import numpy as np
import pytest

import kuai
from kuai.engine.tensor import shared_storage as shared
from kuai.ops.array import sharing
from tests.cli.test_run import run


def two(values, monkeypatch):
    """A shared tensor, and the same one as another process has it."""
    mine = kuai.tensor(values).share_memory_()
    return mine, theirs(mine, monkeypatch)


def theirs(tensor, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shared, "_here", {})
        sent = sharing.reduced_by_path(tensor)
        assert sent is not None
        return sent[0](*sent[1])


def test_each_sees_what_the_other_one_writes(monkeypatch):
    x, y = two([1.0, 2.0], monkeypatch)
    assert x._storage is not y._storage and y.is_shared()
    part = y[0]
    assert part.item() == 1
    x += 1
    assert y.tolist() == [2.0, 3.0] and part.item() == 2
    y.fill_(7)
    assert x.tolist() == [7.0, 7.0] and x[1].item() == 7


def test_views_are_sent_as_windows(monkeypatch):
    x = kuai.arange(12.0).reshape(3, 4).share_memory_()
    window = theirs(x[1:, ::2].t(), monkeypatch)
    assert window.tolist() == [[4.0, 8.0], [6.0, 10.0]]
    window[0] = -1
    window += 100
    assert x.tolist() == [[0, 1, 2, 3], [99, 5, 106, 7], [99, 9, 110, 11]]
    with pytest.raises(RuntimeError, match="another dtype"):
        sharing.reduce_tensor(x.view(kuai.int32))


@pytest.mark.parametrize(
    "write",
    {
        "view": lambda x: x[0].add_(1),
        "row": lambda x: x.__setitem__(0, 1.0),
        "rows": lambda x: x.__setitem__(slice(0, 1), kuai.ones(3)),
        "slice": lambda x: x[0:1].copy_(kuai.ones(1, 3)),
        "indices": lambda x: x.__setitem__(kuai.tensor([0]), 1.0),
        "mask": lambda x: x.__setitem__(kuai.tensor([True, False]), 1.0),
        "index_add_": lambda x: x.index_add_(0, kuai.tensor([0]), kuai.ones(1, 3)),
        "step": lambda x: step_of(x),
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("fused", [False, True])
def test_elements_that_others_write_meanwhile_stay(write, fused, monkeypatch):
    x, y = two([[0.0] * 3, [0.0] * 3], monkeypatch)
    x.sum().item()
    real = shared.Block.write

    def meanwhile(block, array, window=None):
        monkeypatch.setattr(shared.Block, "write", real)
        y[1].fill_(5)  # after the operation has read, and before it writes
        real(block, array, window)

    monkeypatch.setattr(shared.Block, "write", meanwhile)
    if fused:
        with kuai.fused():
            write[1](x)
    else:
        write[1](x)
    assert x.tolist() == y.tolist() == [[1.0] * 3, [5.0] * 3]


def step_of(x):
    weight = x.requires_grad_()
    (-weight[0]).sum().backward()
    kuai.optim.SGD([weight], lr=1.0).step()


def test_compiled_functions_read_and_write(monkeypatch):
    x, y = two([1.0], monkeypatch)

    @kuai.compile
    def double(z):
        x.mul_(2)
        return x + z

    zero = kuai.zeros(1)
    seen = []
    for _ in range(6):
        seen.append(double(zero).item())
        y -= 1
    assert seen == [2.0] * 6 and x.item() == 1


def test_an_optimizer_goes_on_with_weights_of_others(monkeypatch):
    net = kuai.nn.Linear(1, 1, bias=False).share_memory()
    other = theirs(net.weight, monkeypatch)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
    for value in (1.0, 10.0):
        with kuai.no_grad():
            other.fill_(value)
        optimizer.zero_grad()
        net(kuai.ones(1, 1)).sum().backward()
        optimizer.step()
    assert other.item() == 10 - 0.5 * 1.5


def test_copies_are_not_shared():
    x = kuai.ones(2).share_memory_()
    file = io.BytesIO()
    kuai.save(x, file)
    file.seek(0)
    copies = [copy.deepcopy(x), x.clone(), pickle.loads(pickle.dumps(x)), kuai.load(file)]
    assert not any(each.is_shared() for each in copies)
    assert x.data.is_shared() and x.untyped_storage().is_shared()
    assert kuai.zeros(1).untyped_storage().share_memory_().is_shared()


@pytest.mark.parametrize("kind", [kuai.bool, kuai.bfloat16, kuai.complex128, kuai.int64])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_every_kind_and_shape(kind, shape, monkeypatch):
    x = kuai.zeros(shape, dtype=kind).share_memory_()
    y = theirs(x, monkeypatch)
    x.copy_(kuai.ones(shape))
    assert y.dtype is kind and y.shape == shape and y.tolist() == kuai.ones(shape).to(kind).tolist()


def test_signs_of_zero_are_written(monkeypatch):
    x, y = two([0.0], monkeypatch)
    x.neg_()
    assert kuai.signbit(y).item()


def test_what_cannot_be_done():
    x = kuai.ones(2).share_memory_()
    with pytest.raises(RuntimeError, match="not resizable"):
        x._storage.held = kuai.ones(3)._storage.held
    weight = kuai.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        sharing.reduce_tensor(weight * 2)


def test_memory_goes_with_its_tensor():
    x = kuai.ones(2).share_memory_()
    assert x.share_memory_() is x
    descriptor = shared.descriptor_of(x._storage)
    os.fstat(descriptor)
    del x
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_a_descriptor_that_is_inherited_comes_for_each_view(monkeypatch):
    x = kuai.ones(2).share_memory_()
    monkeypatch.setattr(shared, "_here", {})
    descriptor = os.dup(shared.descriptor_of(x._storage))
    array = x._storage.held
    parts = descriptor, array.shape, array.dtype, array.sharding
    assert shared.attached(*parts) is shared.attached(*parts)
    os.fstat(descriptor)
    other = os.dup(descriptor)
    shared.attached(other, *parts[1:])
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(other)


@pytest.fixture
def threads_take_turns_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_take_turns_often")
@pytest.mark.parametrize("_", range(20))
def test_threads_that_write_different_rows(_):
    x = kuai.zeros(2, 4).share_memory_()

    def count(row):
        for _ in range(20):
            x.index_add_(0, kuai.tensor([row]), kuai.ones(1, 4))

    threads = [threading.Thread(target=count, args=(row,)) for row in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert x.tolist() == [[20.0] * 4] * 2


WITHOUT_LOCKS = """
import torch, torch.multiprocessing as mp
from torch import nn

def train(rank, net, optimizer, counts, each, lock, queue):
    assert optimizer.param_groups[0]["params"][0] is net.weight
    torch.manual_seed(rank)
    for _ in range(30):
        x = torch.randn(16, 3)
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), x.sum(1, keepdim=True)).backward()
        optimizer.step()
        each[rank] += 1
        with lock:
            counts[2] += 1
    queue.put(rank)

if __name__ == "__main__":
    net = nn.Linear(3, 1)
    net.share_memory()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    counts = torch.zeros(3, dtype=torch.long).share_memory_()
    queue, lock = mp.SimpleQueue(), mp.Lock()
    rest = net, optimizer, counts, counts[:2], lock, queue
    processes = [mp.Process(target=train, args=(rank, *rest)) for rank in range(2)]
    [each.start() for each in processes]
    [each.join() for each in processes]
    print(sorted([queue.get(), queue.get()]), counts.tolist())
    print([round(weight) for weight in net.weight[0].tolist()])
"""


def test_processes_train_one_network_without_locks(tmp_path):
    (tmp_path / "a.py").write_text(WITHOUT_LOCKS)
    done = run("a.py", cwd=tmp_path)
    assert done.stdout == "[0, 1] [30, 30, 60]\n[1, 1, 1]\n", done.stderr


@pytest.mark.parametrize("by_dlpack", [False, True])
def test_what_numpy_writes_is_seen_by_all(by_dlpack, monkeypatch):
    x, y = two([0.0, 0.0], monkeypatch)
    assert x.sum() == 0 and y.sum() == 0
    array = np.from_dlpack(y) if by_dlpack else y.numpy()
    for value in (5.0, 6.0):
        array[0] = value  # writes no stamp
        assert x.sum() == value and y.tolist() == [value, 0] and (x[0] + 1).item() == value + 1
    version = x._version
    x[1] = 2
    assert array.tolist() == [6, 2] and y.sum() == 8
    assert x._version == version + 1
    array[:] = 0
    x.requires_grad_()
    (x * 3).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3, 3]

"""Tensors and NumPy arrays that have one memory, beside PyTorch."""

import copy
import gc
import pickle
import sys
import threading

import numpy as np
import pytest
import torch

import kuai


def of_an_array(t):
    array = np.ones(5)
    x = t.from_numpy(array)
    np.add(array, 1, out=array)
    seen = [x.tolist()]
    x[1] = 7
    x.mul_(2)
    return [*seen, array.tolist(), x.data_ptr() == array.ctypes.data]


def array_of_a_tensor(t):
    x = t.ones(5)
    array = x.numpy()
    x.add_(1)
    seen = [array.tolist()]
    array[0] = 9
    return [*seen, x.tolist(), x.sum().item(), (x * 2).tolist()]


def views(t):
    array = np.zeros((3, 4), np.float32)
    x = t.from_numpy(array)
    row, column = x[1], x[:, 2]
    array[1, 2] = 5
    seen = [row.tolist(), column.tolist(), (row + 0).tolist(), x.t().tolist()]
    row.fill_(1)
    column += 2
    array[0] = -1
    return [*seen, array.tolist(), row.sum().item(), column.tolist(), x[x > 2].tolist()]


def arrays_of_views(t):
    x = t.arange(12.0).reshape(3, 4)
    column, back = x[:, 1].numpy(), x.t().numpy()
    column[:] = 0
    back[3, 0] = 50
    x[2, 1] = 8
    return x.tolist(), column.tolist(), back.tolist(), column.strides, back.strides


def strided_arrays(t):
    base = np.arange(24.0).reshape(2, 3, 4)
    found = [base[:, ::2], base.transpose(2, 0, 1), base[1], base.T, base[:, :, 1:3], base[:1, 1:]]
    tensors = [t.from_numpy(array) for array in found]
    base += 1
    tensors[0][0, 0, 0] = -7
    tensors[1][1, 1, 1] = -8
    shown = [(x.tolist(), x.stride(), x._is_view(), x.is_contiguous()) for x in tensors]
    return shown, base.tolist()


def pictures(t):
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    x = t.from_numpy(picture.transpose(2, 0, 1)).contiguous().float().div(255)
    picture[0, 0, 0] = 100
    return x.tolist()


def through_bytes(t):
    memory = bytearray(8)
    x = t.frombuffer(memory, dtype=t.int32)
    memory[0] = 5
    seen = x.tolist()
    x[1] = 1
    return seen, bytes(memory)


def numbers_in_two_ways(t):
    x = t.zeros(3, dtype=t.cfloat)
    parts = t.view_as_real(x).numpy()
    parts[0, 1] = 2
    imaginary = x.imag
    parts[1, 1] = 3
    bits = t.ones(2).view(t.int32).numpy()
    return x.tolist(), imaginary.tolist(), bits.tolist()


def as_tensor(t):
    array = np.zeros(3, np.float32)
    same, other = t.as_tensor(array), t.as_tensor(array, dtype=t.float64)
    also, copied = t.asarray(array), t.asarray(array, copy=True)
    made = t.tensor(array)
    array[0] = 1
    return [x.tolist() for x in (same, other, also, copied, made)]


def in_a_module(t):
    net = t.nn.Linear(2, 2)
    weight = net.weight.detach().numpy()
    weight[:] = 1
    net.bias.data.numpy()[:] = 0
    optimizer = t.optim.SGD(net.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        net(t.ones(1, 2)).sum().backward()
        optimizer.step()
    return net.weight.tolist(), weight.tolist(), net(t.ones(1, 2)).tolist()


def a_parameter_of_an_array(t):
    table = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    layer = t.nn.Embedding.from_pretrained(t.from_numpy(table), freeze=False)
    table[2] = 9
    layer(t.tensor([2, 0])).sum().backward()
    t.optim.SGD(layer.parameters(), lr=1.0).step()
    frozen = t.nn.Embedding.from_pretrained(t.from_numpy(table))
    table[1] = 4
    return table.tolist(), frozen(t.tensor([1])).tolist(), layer.weight.grad.tolist()


def gathers(t):
    array = np.arange(12.0).reshape(4, 3)
    x = t.from_numpy(array)
    index = t.tensor([3, -1, 0])
    array[3] = 70
    found = (
        x[index],
        x[[0, 3]],
        x[:, t.tensor([1])],
        x.index_select(0, t.tensor([3])),
        x[1:][index[:1] - 1],
    )
    mask = x[x[:, 0] > 5]
    array[:] = 0
    return [each.tolist() for each in (*found, mask)]


def saved_for_backward(t):
    array = np.array([2.0, 3.0])
    x = t.from_numpy(array)
    w = t.ones(2, dtype=t.float64, requires_grad=True)
    y = (w * x).sum()
    y.backward()
    array[:] = 100
    return w.grad.tolist(), (w * x).sum().item()


def counts_its_own_writes(t):
    array = np.zeros(2)
    x = t.from_numpy(array)
    x.tolist()
    seen = [x._version]
    x.add_(1)
    array += 1
    return [*seen, x._version]


def refuses_other_sizes(t):
    x, y = t.from_numpy(np.ones(2)), t.ones(2)
    kept = y.numpy()
    found = []
    for each in (x, y):
        try:
            each.resize_(9)
        except RuntimeError as error:
            found.append(str(error))
    return found, kept.tolist()


def refused_arrays(t):
    found = []
    base = np.arange(6.0)
    for array in (base[::-1], base.astype(">f8"), np.array(["a"]), base.tolist(), np.float64(3)):
        try:
            t.from_numpy(array)
        except (TypeError, ValueError) as error:
            found.append((type(error), str(error)[:40]))
    return found


def awkward_shapes(t):
    empty, point = t.from_numpy(np.empty((0, 3))), t.from_numpy(np.array(3.0))
    array = point.numpy()
    array[...] = 4
    empty_views = t.zeros(2, 0).t().numpy().shape
    return empty.sum().item(), empty.numpy().shape, point.item(), array.shape, empty_views


def in_inference_mode(t):
    with t.inference_mode():
        x = t.ones(2) * 2
        array = x.numpy()
        array[0] = 3
        seen = x.is_inference()
        del array
        return seen, x.tolist(), (x + 0).tolist(), x.is_inference()


def copies(t):
    array = np.zeros(2)
    x = t.from_numpy(array)
    copied, deep, stored = x.clone(), copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    array += 1
    return copied.tolist(), deep.tolist(), stored.tolist(), x.detach().tolist(), x.data.tolist()


def numpy_functions(t):
    x = t.ones(3)
    y = np.asarray(x)
    y[0] = 5
    np.copyto(x.numpy(), [1, 2, 3])
    np.array(x)[0] = 9
    return x.tolist(), y.tolist(), np.sort(x.numpy())[::-1].tolist()


def a_buffer_that_is_filled(t):
    frames = np.zeros((4, 2), np.float32)
    ring = t.from_numpy(frames)
    seen = []
    for step in range(6):
        frames[step % 4] = step
        seen.append(ring.mean(1).tolist())
    return seen


def data_sets(t):
    features, labels = np.arange(8.0).reshape(4, 2), np.arange(4)
    data = t.utils.data.TensorDataset(t.from_numpy(features), t.from_numpy(labels))
    loader = t.utils.data.DataLoader(data, batch_size=2)
    features[0] = 50
    first = [[part.tolist() for part in batch] for batch in loader]
    features[0] = 60
    return first, [[part.tolist() for part in batch] for batch in loader], data[0][0].tolist()


PROGRAMS = [
    of_an_array, array_of_a_tensor, views, arrays_of_views, strided_arrays, pictures, through_bytes,
    numbers_in_two_ways, as_tensor, in_a_module, a_parameter_of_an_array, gathers,
    saved_for_backward, counts_its_own_writes, refuses_other_sizes, refused_arrays, awkward_shapes,
    in_inference_mode, copies, numpy_functions, a_buffer_that_is_filled, data_sets,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_pytorch(program):
    expected = program(torch)
    assert program(kuai) == expected
    with kuai.fused():
        assert program(kuai) == expected


def is_shared(x):
    return not x._storage.is_array


def test_a_storage_is_an_ordinary_one_when_no_array_could_write():
    x = kuai.from_numpy(np.arange(6.0))
    assert is_shared(x) and x.sum().item() == 15 and not is_shared(x)
    array = x.numpy()
    part = array[2:4]
    del array
    assert (x + 1)[0].item() == 1 and is_shared(x)
    part[:] = 0
    del part
    assert x.sum().item() == 10 and not is_shared(x)


def test_what_numpy_did_not_allocate_is_looked_at_for_ever():
    memory = bytearray(8)
    x = kuai.frombuffer(memory, dtype=kuai.float64)
    for number in (1.0, 2.0):
        memory[:] = np.float64(number).tobytes()
        assert x.sum().item() == number
    assert is_shared(x)


def test_views_do_not_keep_what_they_read_before():
    x = kuai.arange(6.0)
    part = x[2:4]
    assert part.tolist() == [2, 3]
    array = x.numpy()
    array[2] = 9
    del array
    assert x.sum().item() == 22 and not is_shared(x)
    assert part.tolist() == [9, 3]


def test_a_read_only_array_is_copied():
    array = np.arange(3.0)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        x = kuai.from_numpy(array)
    x += 1
    assert array.tolist() == [0, 1, 2] and x.tolist() == [1, 2, 3]


def test_compiled_steps_see_what_is_written():
    inputs, net = np.ones((2, 3), np.float32), kuai.nn.Linear(3, 1)
    weight, x = net.weight.detach().numpy(), kuai.from_numpy(inputs)
    opt = kuai.optim.SGD(net.parameters(), lr=0.5)

    @kuai.compile
    def step():
        opt.zero_grad()
        loss = net(x).sum()
        loss.backward()
        opt.step()
        return loss

    with kuai.no_grad():
        for turn in range(6):
            weight[:], inputs[:] = turn, turn + 1
            expected = net(x).sum().item()
            with kuai.enable_grad():
                assert step().item() == expected
            np.testing.assert_allclose(weight, turn - 0.5 * 2 * (turn + 1))
            assert weight.tolist() == net.weight.tolist()


def test_steps_are_replayed_though_somebody_looks_at_the_parameters():
    net = kuai.nn.Linear(3, 1)
    opt = kuai.optim.SGD(net.parameters(), lr=0.5)

    @kuai.compile
    def step(x):
        opt.zero_grad()
        net(x).sum().backward()
        opt.step()

    for _ in range(8):
        step(kuai.ones(2, 3))
        assert np.isfinite(net.weight.detach().numpy()).all()
    before = step.replays.calls
    step(kuai.ones(2, 3))
    assert before and step.replays.calls == before + 1


def test_compiled_arguments_of_arrays_are_read_at_each_call():
    array = np.zeros(3)
    x, double = kuai.from_numpy(array), kuai.compile(lambda t: t * 2)
    for turn in range(5):
        array[:] = turn
        assert double(x).tolist() == [2 * turn] * 3


def test_nothing_is_kept_of_arrays():
    x = kuai.zeros(1000)

    def held_after(turns):
        for _ in range(turns):
            x.numpy()[0] += 1
            kuai.from_numpy(np.ones(1000)).sum().item()
        gc.collect()
        return len(gc.get_objects())

    held_after(50)  # what is made once is there
    before = held_after(50)
    assert held_after(50) < before + 50 and x[0].item() == 150


def test_threads_that_write_and_read():
    x, done = kuai.zeros(64), []

    def work():
        for turn in range(200):
            array = x.numpy()
            array[:] = turn
            del array
            seen = x.tolist()
            done.append(len(seen) == 64)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(done) and len(done) == 800


def test_threads_that_use_views_while_arrays_come_and_go():
    x, errors, done = kuai.zeros(8, 4), [], threading.Event()

    def use():
        try:
            while not done.is_set():
                row = x[3]
                assert row.shape == (4,) and x.device.type == "cpu" and len(row.tolist()) == 4
                row.fill_(1)
        except Exception as error:  # noqa: BLE001 - handed on to the main thread
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for _ in range(300):
            x.numpy()
            x.sum()
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert errors == [] and x[3].tolist() == [1] * 4


def test_what_numpy_gets_by_dlpack_is_the_tensors_memory():
    x = kuai.arange(4.0)
    array = np.from_dlpack(x)
    x += 1
    array[0] = 50
    assert array.tolist() == x.tolist() == [50, 2, 3, 4]
    window = np.from_dlpack(kuai.arange(6.0).view(2, 3)[:, 1:])
    assert window.tolist() == [[1, 2], [4, 5]] and window.strides == (12, 4)
    theirs = torch.from_dlpack(x)
    theirs[1] = -7
    assert x.tolist() == [50, -7, 3, 4]
    apart = np.from_dlpack(x, copy=True)
    x.zero_()
    assert theirs.tolist() == [0] * 4 and apart.tolist() == [50, -7, 3, 4]
    assert torch.from_dlpack(kuai.ones(2, dtype=kuai.bfloat16)).tolist() == [1, 1]


def test_memory_that_was_lent_by_dlpack_comes_back():
    x = kuai.ones(2)
    lent = torch.from_dlpack(x)
    lent += 1
    assert x.tolist() == [2, 2] and not x._storage.is_array
    del lent
    gc.collect()
    x += 1
    assert (x + 1).tolist() == [4, 4] and x._storage.is_array

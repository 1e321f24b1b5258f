"""`x[i]` is read when its values are asked for; a batch of such rows is taken at once."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kuai

LIBRARIES = (torch, kuai)


def same(work):
    """The same of both."""
    theirs, ours = (work(library) for library in LIBRARIES)
    assert ours == theirs
    return ours


def rows(library):
    return library.arange(12.0).reshape(4, 3).clone()


class Own:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "bfloat16", "complex64"])
@pytest.mark.parametrize("size", [(7,), (7, 3), (7, 2, 1, 2), (7, 0)])
def test_a_loader_of_rows(dtype, size):
    def work(library):
        values = library.tensor(np.arange(np.prod(size)).reshape(size) % 5)
        data = Own(values.to(getattr(library, dtype)), library.arange(7))
        found = []
        for x, y in library.utils.data.DataLoader(data, batch_size=3):
            found += [x.tolist(), y.tolist(), str(x.dtype), tuple(x.shape), x._base is None]
            found += [x.is_contiguous(), x.requires_grad]
        return found

    same(work)


def test_rows_see_what_is_written_to_their_base():
    def work(library):
        x = rows(library)
        first, last, part = x[0], x[-1], x[1:, 2]
        x += 1
        seen = [first.tolist(), last.tolist(), part.tolist()]
        last.mul_(2)
        x[0, 1] = 50
        first[2] = -1
        return [*seen, x.tolist(), first.tolist(), last.sum().item(), part.tolist()]

    same(work)


def test_a_batch_of_rows_is_a_copy():
    def work(library):
        x = rows(library)
        batch = library.utils.data.default_collate([x[1], x[-2], x[1]])
        x.zero_()
        batch[0, 0] = 9
        return batch.tolist(), x.tolist()

    same(work)


def test_rows_that_were_read_or_written_before():
    def work(library):
        x = rows(library)
        read, written = x[0], x[1]
        read.sum()
        written += 100
        return library.utils.data.default_collate([read, written, x[2]]).tolist()

    same(work)


def test_rows_of_several_tensors_and_kinds_of_windows():
    def work(library):
        x, collate = rows(library), library.utils.data.default_collate
        other = x.clone()
        return [
            collate([x[0], other[1]]).tolist(),
            collate([x[0], x[0:2][1]]).tolist(),
            collate([x[:, 0], x[:, 2]]).tolist(),
            collate([x[0, 1], x[2, 0]]).tolist(),
            collate([x[0], library.ones(3)]).tolist(),
            collate([x.T[0], x.T[1]]).tolist(),
            collate([x.view(2, 6)[0], x.view(2, 6)[1]]).tolist(),
            collate([x[0][1:], x[1][1:]]).tolist(),
            collate([x.detach()[0], x[1]]).tolist(),
        ]

    same(work)


def test_rows_with_gradients():
    def work(library):
        x = rows(library).requires_grad_()
        batch = library.utils.data.default_collate([x[0], x[2], x[0]])
        (batch * batch).sum().backward()
        with library.no_grad():
            quiet = library.utils.data.default_collate([x[0], x[1]])
        return batch.requires_grad, x.grad.tolist(), quiet.tolist()

    same(work)


def test_a_base_that_gets_a_history_after_its_rows():
    def work(library):
        x, weight = rows(library), library.ones(3, requires_grad=True)
        row = x[1]
        x *= weight
        (row * 2).sum().backward()
        collated = library.utils.data.default_collate([x[0], x[1]])
        return row.requires_grad, weight.grad.tolist(), collated.requires_grad

    same(work)


def test_what_is_asked_of_a_row_that_nobody_has_read():
    def work(library):
        x = rows(library)
        return [
            tuple(x[1].shape), x[1].stride(), x[1].storage_offset(), x[1][2].item(), len(x[1]),
            x[1].tolist(), float(x[2][0]), int(x[2, 1]), bool(x[0][0]), x[1].numpy().tolist(),
            copy.deepcopy(x[1]).tolist(), pickle.loads(pickle.dumps(x[3])).tolist(), repr(x[2]),
            x[1][None].tolist(), x[1:3].tolist(), x[::2, 1].tolist(), x[..., 1].tolist(),
            x[2].T.tolist(), x[1]._is_view(), x[1]._base is x, x[1].data.tolist(),
        ]  # fmt: skip

    same(work)


@pytest.mark.parametrize("index", [4, -5])
def test_a_row_that_is_not_there(index):
    texts = []
    for library in LIBRARIES:
        with pytest.raises(IndexError) as caught:
            rows(library)[index]
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_inside_programs():
    x = rows(kuai)
    row = x[1]

    @kuai.compile
    def compiled(number):
        return x[number] + row

    def recorded(number):
        with kuai.fused():
            x[0] += 1
            batch = kuai.data.default_collate([x[number], x[0]])
            return batch + row

    for _ in range(4):
        assert compiled(2).tolist() == [9.0, 11.0, 13.0]
    for turn in range(1, 5):
        expected = [[9.0, 11.0, 13.0], [3.0 + turn, 5.0 + turn, 7.0 + turn]]
        assert recorded(2).tolist() == expected
    x.zero_()
    assert compiled(2).tolist() == [0.0, 0.0, 0.0]


def test_with_vmap_and_forward_mode():
    x = rows(kuai)
    row = x[1]
    assert kuai.func.vmap(lambda a: a + row)(x)[0].tolist() == [3.0, 5.0, 7.0]
    _, tangent = kuai.func.jvp(lambda a: a[1] * row, (x,), (kuai.ones(4, 3),))
    assert tangent.tolist() == [3.0, 4.0, 5.0]

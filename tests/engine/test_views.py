"""Views share storage as in PyTorch: random chains of views and writes, compared with torch."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import kuai

VIEWS = {
    "transpose": lambda x: x.transpose(0, -1),
    "last": lambda x: x[-1],
    "tail": lambda x: x[1:],
    "every second": lambda x: x[..., ::2],
    "new": lambda x: x[None],
    "permute": lambda x: x.permute(*reversed(range(x.dim()))),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "squeeze": lambda x: x.squeeze(),
    "view": lambda x: x.view(-1),
    "view in two": lambda x: x.view(2, -1),
    "reshape": lambda x: x.reshape(-1),
    "flatten": lambda x: x.flatten(0, 1),
    "narrow": lambda x: x.narrow(0, 0, 1),
    "diagonal": lambda x: x.diagonal(0, 0, -1),
    "unfold": lambda x: x.unfold(-1, 2, 2),
    "detach": lambda x: x.detach(),
    "mT": lambda x: x.mT,
    "expand": lambda x: x.expand(2, *x.shape),
}
WRITES = {
    "mul_": lambda x: x.mul_(2),
    "add_": lambda x: x.add_(1),
    "fill_": lambda x: x.fill_(7),
    "item": lambda x: x.__setitem__(0, 5),
    "mask": lambda x: x.__setitem__(x > 2, 1),
    "list": lambda x: x.__setitem__([0], 3),
}
#: Where torch gives up, Kuai need not.
ONLY_TORCH_REFUSES = ("single memory location", "multiple views")

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
views = st.lists(st.sampled_from(sorted(VIEWS)), min_size=1, max_size=4)
writes = st.sampled_from(sorted(WRITES))


class Refused(Exception):
    """Torch refuses what Kuai may do."""


def play(t, shape, names, requires_grad):
    """What a chain of views and writes does: layouts on the way, values and gradient after."""
    leaf = t.arange(float(np.prod(shape))).reshape(shape).requires_grad_(requires_grad)
    base = leaf * 1
    window, log = base, []
    try:
        for name in names:
            if name in WRITES:
                WRITES[name](window)
                continue
            window = VIEWS[name](window)
            log.append((tuple(window.shape), window.stride(), window.storage_offset()))
            log.append(window.is_contiguous())
        if requires_grad:
            (base * base).sum().backward()
    except (RuntimeError, IndexError) as error:
        if any(text in str(error) for text in ONLY_TORCH_REFUSES):
            raise Refused from error
        log.append((type(error).__name__, str(error)))
    log += [np.asarray(base.detach()).tolist(), np.asarray(window.detach()).tolist()]
    return [*log, None if leaf.grad is None else leaf.grad.tolist()]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(shapes, views, writes, views, writes, st.booleans())
def test_chains_of_views_and_writes_do_what_torch_does(shape, first, write, then, last, grad):
    names = [*first, write, *then, last]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates some writes to expanded tensors
        try:
            expected = play(torch, shape, names, grad)
            found = play(kuai, shape, names, grad)
        except Refused:
            return
    assert found == expected


def test_view_of_a_transpose_is_refused_and_reshape_copies():
    x = kuai.zeros(2, 3)
    with pytest.raises(RuntimeError, match=r"Use \.reshape\(\.\.\.\) instead"):
        x.t().view(6)
    x.t().reshape(6).fill_(1)
    assert x.sum().item() == 0


def test_data_writes_through_to_a_parameter():
    weight = kuai.zeros(2, 2, requires_grad=True)
    weight.data[0, 0] = 100
    weight.data[:, 1] *= weight.data[:, 1].abs() >= 5
    assert weight.tolist() == [[100, 0], [0, 0]] and weight.requires_grad


def test_two_names_of_one_storage():
    x = kuai.zeros(4)
    y, z = x.view(2, 2), x.detach()
    x[0], y[1, 1], z[1] = 1, 2, 3
    assert x.tolist() == y.view(-1).tolist() == z.tolist() == [1, 3, 0, 2]


def test_gradient_flows_through_a_slice_that_was_written():
    def gradients(t):
        a, b = t.ones(3, requires_grad=True), t.full((2,), 5.0, requires_grad=True)
        x = a * 2
        view = x[1:]
        x[1:] = b * b
        (x.sum() + (view * view).sum()).backward()
        return a.grad.tolist(), b.grad.tolist()

    assert gradients(kuai) == gradients(torch)


def test_saved_values_survive_a_change_in_place():
    x = kuai.ones(2, requires_grad=True)
    y = x * 3
    z = y * y
    y.fill_(100)  # torch refuses the backward pass now; the right gradient is that of z
    z.sum().backward()
    assert x.grad.tolist() == [18, 18]


#: Writes to one of several windows that have elements in common.
TO_WINDOWS = {
    "one window": lambda x: x.unfold(0, 3, 1)[1].add_(1),
    "windows apart": lambda x: x.unfold(0, 3, 1)[::3].mul_(2),
    "an element of one": lambda x: x.unfold(0, 3, 1).__setitem__((0, 0), 7.0),
    "a diagonal": lambda x: x.unfold(0, 3, 1).diagonal().add_(5),
    "under a view": lambda x: x.view(2, 3).unfold(1, 2, 1)[:, 0].mul_(5),
    "a copy": lambda x: x.view(2, 3).unfold(1, 2, 1)[1].t()[0].copy_(x.new_tensor([8.0, 9.0])),
    "one of strides": lambda x: x.as_strided((3, 3), (1, 1))[1].add_(1),
    "all filled": lambda x: x.unfold(0, 3, 1).fill_(4),
    "all zero": lambda x: x.as_strided((3, 3), (1, 1)).zero_(),
}


@pytest.mark.parametrize("write", TO_WINDOWS.values(), ids=TO_WINDOWS)
def test_one_of_several_windows_that_overlap_is_written_to(write):
    found = []
    for t in (torch, kuai):
        x = t.arange(6.0).requires_grad_()
        y = x * 1
        write(y)
        (y * t.arange(1.0, 7)).sum().backward()
        found.append((y.tolist(), x.grad.tolist()))
    assert found[0] == found[1]

    def written(x):
        write(x)
        return x

    assert kuai.compile(written)(kuai.arange(6.0)).tolist() == found[0][0]


def test_windows_that_overlap_are_not_written_to_all_at_once():
    x = kuai.arange(6.0)
    for windows in (x.unfold(0, 3, 1), x.as_strided((3, 3), (1, 1)), x.unfold(0, 3, 1)[1:]):
        with pytest.raises(RuntimeError, match="single memory location"):
            windows.add_(1)
    assert x.tolist() == list(range(6))

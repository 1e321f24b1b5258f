"""Small programs with indices, old constructors and numbers without imaginary parts, in both."""

import warnings

import pytest
import torch

import kuai
from tests.ops.test_small_programs import same_outcome

V = "v = t.tensor([1., 2.], requires_grad=True) ;; i = t.tensor([0, 0]) ;; "
W = "t.tensor([3., 5., 7.])"
S = "t.tensor([0], dtype=t.int16)"

#: Of several elements at one place each gets the gradient.
TWICE = f"""
{V}y = {W} * 1 ;; y[i] = v ;; (y * {W}).sum().backward() ;; y, v.grad
{V}y = {W}.index_put((i,), v) ;; (y * {W}).sum().backward() ;; y, v.grad
{V}y = {W}.index_copy(0, i, v) ;; (y * {W}).sum().backward() ;; y, v.grad
{V}y = {W}.scatter(0, i, v) ;; (y * {W}).sum().backward() ;; y, v.grad
{V}y = {W}.put(i, v) ;; (y * {W}).sum().backward() ;; y, v.grad
{V}y = t.zeros(2, 3) ;; y[:, i] = v ;; (y * {W}).sum().backward() ;; y, v.grad
{V}w = {W}.requires_grad_() ;; w.scatter(0, i, v).sum().backward() ;; w.grad, v.grad
"""

#: Which tensors are indices.
INDICES = f"""
t.zeros(3)[{S}]
t.zeros(3)[{S}[0]], t.zeros(3)[np.array([1], np.int8)], t.zeros(3)[[1.0]]
t.zeros(3)[np.array([2.])]
x = t.zeros(3) ;; x[{S}] = 1 ;; x
t.zeros(3).index_put(({S},), t.ones(1))
t.zeros(3).index_put(t.tensor([0]), t.ones(1))
t.zeros(3).index_put((t.tensor([0]),), 1.)
t.zeros(3).put({S}, t.ones(1))
t.zeros(3).index_reduce(0, {S}, t.ones(1), 'prod')
t.ones(4).tensor_split({S})
t.ones(4).index_add(0, t.tensor([4]), t.ones(1))
t.ones(4, 1).index_add(0, t.tensor([4]), t.ones(1, 1))
t.zeros(3)[np.bool_(True)]
t.zeros(3)[t.tensor(0.):1]
t.zeros(3)[2**70]
t.ones(2, 3).sum(True)
t.ones(2, 3).softmax(False)
"""

#: Values at edges.
EDGES = """
t.gradient(t.tensor([1., float('inf'), 3., 4., float('nan'), 6.]))[0]
t.norm_except_dim(t.tensor([3., -4.])), t.norm_except_dim(t.ones(2, 3), 2, -1)
t.norm_except_dim(t.tensor(3.))
t.adjoint(t.ones(2))
t.repeat_interleave(t.ones(2))
t.repeat_interleave(t.tensor(3))
"""

#: Constructors of PyTorch's first versions.
OLD = """
t.LongTensor(t.tensor([1., 2.]))
t.LongTensor(True)
t.FloatTensor(None)
t.FloatTensor(size=(2,)).shape, t.Tensor(np.int64(3)).shape
t.Tensor('x')
t.Tensor(np.float32(3))
t.zeros(2).set_(t.ones(2, dtype=t.complex64))
x = t.ones(2) ;; x.requires_grad = 1 ;; x
x = t.ones(2) ;; x.map_(t.ones(2).int(), lambda a, b: a)
x = t.ones(2) ;; x.apply_(lambda a: 'a')
t.ones(2, 3).is_contiguous(memory_format=t.channels_last)
t._foreach_copy_([t.zeros(2)], [t.ones(2)])
"""


@pytest.mark.parametrize("program", [line for line in (TWICE + EDGES + OLD).splitlines() if line])
def test_same_outcome(program):
    same_outcome(program)


@pytest.mark.parametrize("program", [line for line in INDICES.splitlines() if line])
def test_indices_are_known(program):
    same_outcome(program, compiled=False)


#: What drops imaginary parts, and what only asks whether a number is 0.
REAL = [
    "t.zeros(2).copy_(z)",
    "t.zeros(2)[0].copy_(z[0])",
    "t.zeros(2).__setitem__(slice(None), z)",
    "t.zeros(2).fill_(z[0])",
    "t.tensor(np.array([1j]), dtype=t.float32)",
    "z.sum(dtype=t.float32)",
    "z.cumsum(0, dtype=t.float64)",
    "z.float()",
    "t.zeros(2, dtype=t.bool).copy_(z)",
    "z.bool()",
    "t.zeros(2).copy_(t.ones(2, dtype=t.float64))",
]


@pytest.mark.parametrize("expression", REAL)
def test_dropped_imaginary_parts_are_told_of(expression):
    import numpy as np

    def told(t):
        was = t.is_warn_always_enabled()
        t.set_warn_always(True)
        try:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                eval(expression, {"t": t, "np": np, "z": t.tensor([1 + 2j, 3j])})
        finally:
            t.set_warn_always(was)
        return {str(each.message).partition(" (Trig")[0] for each in seen}

    assert told(kuai) == told(torch)


def test_numbers_before_tensors():
    for t in (kuai, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert t.add(t.ones(2), 2, 3).tolist() == t.ones(2).add(2, 3).tolist() == [7.0, 7.0]
            assert t.ones(2).sub_(2, 3).tolist() == [-5.0, -5.0]

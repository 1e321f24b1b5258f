"""Small programs at edges where Kuai once differed, in both libraries: eager, and compiled twice.

Each line is an expression, perhaps after statements (`;;` divides them). What it gives, its dtypes,
its warnings, or the error's type and text, have to be the same.
"""

import math
import warnings

import numpy as np
import pytest
import torch

import kuai
from tests.rowkit import is_tensor, leaves, to_numpy


def _gradients(t, function, *values):
    values = [value.clone().requires_grad_() for value in values]
    made = function(*values)
    return made, *t.autograd.grad(made, values, t.ones_like(made))


def _run(t, program):
    names = {"t": t, "nn": t.nn, "F": t.nn.functional, "inf": math.inf, "nan": math.nan, "np": np}
    names["G"] = lambda *given: _gradients(t, *given)
    *statements, last = program.split(";;")
    for statement in statements:
        exec(statement.strip(), names)
    return eval(last.strip(), names)


def _outcome(call):
    """What a program gives, and what it warns of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            made = [(str(m.dtype), to_numpy(m)) if is_tensor(m) else m for m in leaves(call())]
        except Exception as error:  # noqa: BLE001 - any error is what is compared
            made = [type(error).__name__, str(error)]
    texts = [str(each.message).partition(" (Triggered")[0] for each in said]
    return made, [
        f"{each.category.__name__} {text}" for each, text in zip(said, texts, strict=True)
    ]


def _assert_equal(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        if not isinstance(other, tuple):
            assert str(one).replace("kuai.", "torch.") == str(other)
            continue
        assert one[0].partition(".")[2] == other[0].partition(".")[2]
        assert one[1].shape == other[1].shape
        np.testing.assert_allclose(one[1].astype(complex), other[1].astype(complex), 1e-5, 1e-6)


E = "t.zeros(1).expand(3)"
HALF = "x = t.linspace(-8, 8, 256).to(t.{}) ;; y = x.flip(0) * 0.37 ;; "
PROGRAMS = f"""
x = {E} ;; x.masked_fill_(t.tensor([True, False, False]), 5.0) ;; x
x = {E} ;; x.index_fill_(0, t.tensor([1]), 3.0) ;; x
x = {E} ;; x.index_put_((t.tensor([1]),), t.tensor(2.0)) ;; x
x = {E} ;; x[1] = 4.0 ;; x
x = t.zeros(1, 2).expand(3, 2) ;; x[0].add_(1) ;; x[1] = t.tensor([5.0, 6.0]) ;; x
x = t.zeros(3, 1).expand(3, 2) ;; x[0] = 7.0 ;; x
x = {E} ;; x.add_(1)
t.tensor([1 + 2j, 0j, 2j]).to(t.bool)
G(lambda x: t.sgn(x), t.tensor([0j, 1j, 1 + 1j]))
G(lambda x: t.logit(x, 0.0), t.tensor([0.0, 0.5, 1.0, 1.5]))
G(lambda x: t.logit(x, 0.1), t.tensor([0.0, 0.5, nan]))
G(lambda x, y: t.special.xlog1py(x, y), t.tensor([0.0, 1.0]), t.tensor([-0.5, 2.0]))
G(lambda x: t.special.xlog1py(x, t.tensor([-1.0, 2.0])), t.tensor([0.0, 1.0]))
G(lambda x: t.cdist(x, t.zeros(1, 3), p=inf), t.tensor([[1.0, 1.0, -1.0], [0.0, 1.0, 2.0]]))
G(lambda x: F.pdist(x, p=inf), t.tensor([[1.0, 1.0], [0.0, 0.0]]))
t.full((2,), -1, dtype=t.uint8)
t.zeros(3).unfold(0, -1, 1)
t.zeros(3)[::0]
t.zeros(2).new_zeros(2, -1)
t.zeros(2).resize_(-1)
t.zeros(2).uniform_(0, inf)
t.zeros(2).uniform_(-3e38, 3e38)
t.zeros(2, 3).index_select(0, t.tensor([0.0]))
t.take_along_dim(t.tensor(1.0), t.tensor(0), 0)
t.tensor_split(t.tensor(1.0), 3)
t.repeat_interleave(t.zeros(2), t.tensor([1.0, 2.0]))
t.searchsorted(t.tensor(1.0), 1.5)
t.linalg.matrix_rank(t.zeros(3))
t.tensordot(t.ones(2, 3), t.ones(4, 2), dims=t.tensor(0))
t.std(t.zeros(0)) ;; t.std(t.zeros(0))
t.var(t.tensor([2.0]))
t.var_mean(t.zeros(0, 2), 1)
t.zeros(()).mT
t.scatter(t.zeros(2, 3), 1, t.tensor([[1]]), t.ones(1, 1), reduce="add")
F.mse_loss(t.tensor([1j]), t.tensor([0j]))
F.huber_loss(t.tensor([1j]), t.tensor([0j]))
F.smooth_l1_loss(t.tensor([1j]), t.tensor([0j]))
F.binary_cross_entropy(t.ones(2), t.ones(2), weight=t.ones(3))
F.threshold(t.tensor([0.1], dtype=t.bfloat16), 0.1, 0.3)
t.ones(2, dtype=t.int64).requires_grad_()
t.autograd.forward_ad.exit_dual_level()
t.autograd.graph.increment_version(5)
t.autograd.graph.increment_version([5])
x = t.ones(2, requires_grad=True) ;; t.autograd.grad(x * 2, x, None, is_grads_batched=True)
x = t.ones(2, requires_grad=True) ;; x.view(2).detach_()
t.set_rng_state(5)
t.finfo(t.float8_e5m2).resolution, t.finfo(t.half).resolution, t.finfo(t.float64).resolution
x = t.arange(24).reshape(2, 3, 4) ;; x[[t.tensor([0, 1]), t.tensor([1, 2])]]
x = t.arange(24).reshape(2, 3, 4) ;; x[[slice(0, 1), None, 0]]
x = t.arange(24).reshape(2, 3, 4) ;; x[[[True, False], [True, False, True]]]
x = t.arange(24).reshape(2, 3, 4) ;; x[[[0, 1], [1, 2]]] = 5 ;; x
t.arange(4)[t.tensor([1, 0, 1, 0], dtype=t.uint8)]
x = t.zeros(2, 4) ;; x[0] = t.ones(2, 4)
x = t.arange(12.0).reshape(3, 4) ;; G(lambda x: x.as_strided((2, 2), (1, 2), 1), x.view(4, 3))
x = t.ones(6).view(2, 3).requires_grad_() ;; t.autograd.grad(x.as_strided((2,), (4,)).sum(), x)
t.arange(4.0).as_strided((2,), (1,), -1)
t.pow(t.tensor([0j, 1j]), 2 + 1j)
t.arange(24.0).reshape(4, 6)[:, :4].view(t.float64)
t.arange(24.0).reshape(4, 6)[::2, 2:].view(t.int16).stride()
t.arange(24.0).reshape(4, 6)[1:].view(t.float64).storage_offset()
t.arange(24.0).reshape(4, 6)[:, 1:3].view(t.float64)
t.arange(24.0).reshape(4, 6).t().view(t.float64)
t.cumsum(t.tensor([1.5, 2.5]), 0, out=t.zeros(2, dtype=t.int64))
t.all(t.tensor([1, 0], dtype=t.uint8), 0, out=t.zeros((), dtype=t.bool))
t.einsum("ij,j->i", t.ones(2, 2, dtype=t.float64), t.ones(2))
t.einsum("ij,j->ij", t.ones(2, 2, dtype=t.float64), t.ones(2))
c = t.autocast("cpu", t.bfloat16)(t.einsum) ;; c("ij,j->i", t.ones(2, 2), t.ones(2).bfloat16())
o = t.zeros(2, 2) ;; t.linalg.multi_dot([t.ones(2, 2), t.ones(2, 2)], out=o) ;; o
t.ones(2, out=t.zeros(2, requires_grad=True))
b = t.zeros(2, 3) ;; t.rand(3, out=b[0]) ;; (b[0] > 0, b[1])
t.floor_divide(t.ones(1), t.tensor([1j]))
1 / (t.tensor([-0.0, 0.0, -1.0, 1.0]) // 2)
t.set_default_dtype("float32")
t.linalg.matrix_power(t.tensor([[3, 0], [1, 1]]), 2)
F.l1_loss(t.ones(2, dtype=t.int64), t.ones(2, dtype=t.int64))
F.cross_entropy(t.ones(2, 3) * 1j, t.tensor([0, 1]))
t.func.vjp(lambda x: [x, (x * 2,)], t.ones(2))[1](t.ones(2))
t.clamp(t.tensor([1.0, 3.0]), t.tensor(0.0), t.tensor(2.0), out=t.zeros(2, dtype=t.float64))
t.dist(t.ones(2), t.tensor([True, False]))
F.local_response_norm(t.zeros(0, 3, 2, dtype=t.int64), 2)
"""
KNOWN = """
t.masked_scatter(t.zeros(2), t.tensor([True, True]), t.zeros(1))
t.repeat_interleave(t.zeros(2), t.tensor([-1, 1]))
t.repeat_interleave(t.zeros(2), t.tensor([1, 2]), output_size=4)
t.linalg.svdvals(t.full((2, 2), nan))
t.cholesky_inverse(t.zeros(2, 2))
"""
for kind in ("half", "bfloat16"):
    for expression in (
        "t.add(x, y, alpha=0.3)",
        "t.sub(x, y, alpha=0.3)",
        "t.addcmul(x, y, y, value=0.3)",
        "t.addcdiv(x, y, y + 9, value=0.3)",
        "t.lerp(x, y, 0.3)",
        "t.lerp(x, y, y.abs() / 8)",
        "t.deg2rad(x), t.rad2deg(x)",
        "x // 0.7",
        "t.div(x, 0.7, rounding_mode='trunc')",
    ):
        PROGRAMS += HALF.format(kind) + expression + "\n"


def same_outcome(program, compiled=True):
    """Compare what a program does in PyTorch with what it does eagerly, and compiled twice."""
    wanted, warned = _outcome(lambda: _run(torch, program))
    found, said = _outcome(lambda: _run(kuai, program))
    _assert_equal(found, wanted)
    assert said == warned
    step = kuai.compile(lambda: _run(kuai, program))
    for _ in range(2 if compiled else 0):
        _assert_equal(_outcome(step)[0], wanted)


@pytest.mark.parametrize("program", [line for line in PROGRAMS.splitlines() if line])
def test_same_outcome(program):
    same_outcome(program)


@pytest.mark.parametrize("program", [line for line in KNOWN.splitlines() if line])
def test_known_values_are_looked_at(program):
    wanted = _outcome(lambda: _run(torch, program))[0]
    assert _outcome(lambda: _run(kuai, program))[0] == wanted


@pytest.mark.parametrize("name", ["eig", "eigvals"])
def test_eigenvalues_of_nan(name):
    """PyTorch's words; its own library crashes at some of these matrices."""
    with pytest.raises(
        RuntimeError, match="torch.linalg.eig: input tensor should not contain infs"
    ):
        getattr(kuai.linalg, name)(kuai.full((2, 2), math.nan))


def test_what_is_made_in_inference_mode():
    def program(t):
        with t.inference_mode():
            x = t.ones(2)
            inside = x.is_inference(), x[0].is_inference(), (x + 1).is_inference()
        return *inside, x.view(2).is_inference(), (x + 1).is_inference(), t.is_inference(x.clone())

    assert program(kuai) == program(torch) == (True, True, True, True, False, False)
    compiled = kuai.compile(lambda: program(kuai))
    assert compiled() == compiled() == program(torch)


def test_hooks_of_a_node_see_a_gradient_for_each_of_its_next_functions():
    def program(t):
        seen = []
        y = t.ones(2, requires_grad=True) * 2
        y.grad_fn.register_hook(lambda inputs, outputs: seen.append([i is None for i in inputs]))
        y.sum().backward()
        return seen

    assert program(kuai) == program(torch) == [[False, True]]


def test_anomaly_mode_names_the_line_that_called_a_function():
    class Wrong(kuai.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * math.nan

    with (
        pytest.warns(UserWarning, match="(?s)Error detected in WrongBackward.*Wrong.apply"),
        pytest.raises(RuntimeError, match="returned nan values"),
        kuai.autograd.set_detect_anomaly(True),
    ):
        Wrong.apply(kuai.ones(1, requires_grad=True)).sum().backward()


def test_versions_of_data_are_counted_together():
    """Listed in docs/differences.md: PyTorch gives `.data` a count of its own."""
    x = kuai.ones(2)
    x.data.add_(1)
    assert (x._version, x.data._version) == (1, 1)


def test_flex_attention_refuses_what_does_not_fit():
    attend = kuai.nn.attention.flex_attention.flex_attention
    x = kuai.ones(1, 1, 2, 4)
    with pytest.raises(ValueError, match="same embedding dimension but got E=4 and E=3"):
        attend(x, x[..., :3], x)
    with pytest.raises(RuntimeError, match="Expected size for first two dimensions of batch2"):
        attend(x, x, x[:, :, :1])
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Double"):
        attend(x, x.double(), x)
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Long"):
        attend(*[x.long()] * 3)

"""More small programs at edges, in both libraries: see `test_small_programs`."""

import pytest
import torch

import kuai
from tests.ops.test_small_programs import same_outcome

NAN, INF = "float('nan')", "float('inf')"
E4M3 = "t.float8_e4m3fn"
E8M0 = "t.float8_e8m0fnu"
MANY = f"t.tensor([0., -0., 1.5, 460., 500., -1e4, {INF}, -{INF}])"
BASE = "b = t.zeros(5) ;; o = b[1:3] ;; "

#: Numbers.
NUMBERS = f"""
2 ** t.tensor([100, 64, 63, 3]), t.tensor([3, -3, 7, 10], dtype=t.int32) ** 300
t.tensor([3, 200], dtype=t.uint8) ** t.tensor([200, 3], dtype=t.uint8), t.tensor([3]).pow_(70)
{MANY}.to({E4M3}).float(), {MANY}.double().to({E4M3}).float(), {MANY}[:-2].to({E8M0}).float()
t.tensor([{NAN}]).to({E4M3}).float().isnan(), t.tensor([{INF}, {NAN}]).to({E8M0}).float().isnan()
t.tensor([500., 1.], dtype={E4M3}).float(), t.tensor([600, -600]).to({E4M3}).float()
t.zeros(3, dtype={E4M3}).copy_(t.full((3,), {INF})).float()
t.full((3,), 500., dtype={E4M3})
repr(t.distributions.Uniform(0., 1.).log_prob(t.tensor([.3])))
repr(F.logsigmoid(t.tensor([1000., -1000.])))
t.distributions.Wishart(t.tensor(3.), t.eye(2)).sample((0,)).shape
t.manual_seed(-1).initial_seed(), t.Generator().manual_seed(-(2**63)).initial_seed()
t.manual_seed(2**64)
t.normal(t.zeros(2, dtype=t.long), 1.)
t.Tensor(2.)
t.Tensor(None)
"""

#: What is written to `out=`, and what a tensor of another size takes.
WRITTEN = f"""
{BASE}t.arange(4., out=o) ;; b, o, o._base is b
{BASE}t.exp(t.ones(4), out=o) ;; b, o
o = t.zeros(2, 2) ;; t.arange(4., out=o), o, t.arange(0, out=t.zeros(0, 3))
o = t.zeros(3, 2) ;; t.eq(t.ones(2), t.ones(2), out=o), o
o = t.zeros(0) ;; t.logical_not(t.tensor([0., 1.]), out=o), o
{BASE}o.resize_(2, 2).fill_(1) ;; b, o.stride(), o.storage_offset()
b = t.zeros(4, 4) ;; o = b[:, 1].resize_(8) ;; o.fill_(1) ;; b
b = t.zeros(4) ;; o = b.detach() ;; o.resize_(3).fill_(1) ;; b, o
b = t.arange(6.) ;; b.resize_(2) ;; b.resize_(6) ;; b
t.float_power(t.ones(2), 2, out=t.zeros(2))
t.ones(2, dtype=t.complex64).abs_()
t.ones(2, dtype=t.complex64).absolute_()
"""

#: Losses, norms, transforms and functions of several tensors.
FUNCTIONS = """
F.multilabel_soft_margin_loss(t.ones(2, 1), t.ones(2))
F.multilabel_soft_margin_loss(t.ones(3), t.ones(2, 3))
F.multilabel_soft_margin_loss(t.ones(()), t.ones(()))
F.soft_margin_loss(t.ones(2), t.ones(2, 2))
F.soft_margin_loss(t.ones(2, 2), t.ones(2))
F.cross_entropy(t.zeros(2, 3), t.ones(2, 3) / 3, weight=t.ones(2))
F.linear(t.ones(3), t.ones(3), t.ones(())), F.linear(t.ones(1, 2, 3), t.ones(3), t.ones(()))
F.linear(t.ones(2, 3), t.ones(3), t.ones(()))
t.linalg.norm(t.ones(2, 3), 'fro', dim=-1)
t.linalg.norm(t.ones(2, 3), 'x', dim=0)
t.linalg.norm(t.ones(3), 'fro')
t.linalg.norm(t.ones(2, 3), 'nuc', dim=(0,))
t.linalg.multi_dot([t.ones(2, 3), t.ones(3), t.ones(3)])
t.linalg.multi_dot([t.ones(()), t.ones(2)])
t.linalg.multi_dot([t.ones(2, 2), t.ones(2, 2, 2)])
t.fft.irfft(t.ones(3), n=-1)
t.fft.hfft(t.ones(3), n=0)
t.zeros(2, 0).amax(-1)
t.zeros(2, 0).aminmax(dim=-1)
t.zeros(2, 0).unique_consecutive(dim=0)
t.tensor(3.).unique_consecutive(dim=0)
t.broadcast_tensors(t.ones(1), None)
t.meshgrid(t.ones(1), 'a', indexing='ij')
t.cartesian_prod(t.ones(1), 1)
t.chunk(t.arange(4), 2, t.tensor(0))
t.diagonal_scatter(t.ones(2, 2), t.zeros(2), 0, t.tensor(0), t.tensor(1))
t.func.jacrev(lambda a: a.long())(t.ones(2))
t.func.jacrev(lambda a: a * 1j)(t.ones(2))
"""

EVERY = [line for text in (NUMBERS, WRITTEN, FUNCTIONS) for line in text.splitlines() if line]


@pytest.mark.parametrize("program", EVERY)
def test_same_outcome(program):
    same_outcome(program)


def _packed(t, power):
    x = t.tensor([2.0, 3.0], requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda a: a * 2, lambda a: a):
        y = power(x)
    y.sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    "power",
    [lambda x: x**2, lambda x: x**3, lambda x: x**1.5],
    ids=["square", "cube", "number"],
)
def test_powers_under_hooks_of_saved_tensors(power):
    assert _packed(kuai, power) == pytest.approx(_packed(torch, power))


def test_each_argument_given_by_name_needs_a_gradient():
    def run(t):
        class Power(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, k=2):
                return x**k

            @staticmethod
            def backward(ctx, gradient):
                return gradient

        Power.apply(t.ones(2, requires_grad=True), k=3).sum().backward()

    for t in (torch, kuai):
        with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got"):
            run(t)


def test_what_is_refused_in_other_words():
    with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
        kuai.where(kuai.ones(2), out=kuai.zeros(2))
    with pytest.raises(RuntimeError, match="jacfwd: Expected all outputs to be real"):
        kuai.func.jacfwd(lambda a: a * 1j)(kuai.ones(2))
    with pytest.raises(RuntimeError, match="jacfwd: Expected all inputs to be real"):
        kuai.func.jacfwd(abs)(kuai.ones(2, dtype=kuai.complex64))

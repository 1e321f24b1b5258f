"""Single calls at edges, beside PyTorch: what is refused and in which words, and what is not."""

import math

import pytest
import torch

import kuai

INF, NAN = math.inf, math.nan

REFUSED = [
    lambda t: t.nn.functional.pad(t.ones(1, 2, 4), (1, 1, 1), mode="reflect"),
    lambda t: t.nn.functional.embedding(t.ones(2), t.ones(4, 3)),
    lambda t: t.nn.functional.binary_cross_entropy(t.tensor([2]), t.tensor([2])),
    lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.tensor([2]), t.tensor([2])),
    lambda t: t.nn.functional.multilabel_soft_margin_loss(t.ones(2, 2), t.ones(2, 2), reduction=""),
    lambda t: t.nn.functional.batch_norm(t.ones(4, 3), None, None, training=True, momentum=None),
    lambda t: t.lerp(t.tensor([1]), t.tensor([2]), t.tensor([3])),
    lambda t: t.poisson(t.tensor([1])),
    lambda t: t.nn.functional.hardtanh(t.tensor([1], dtype=t.int8), -1.0, 300.0),
    lambda t: t.nn.functional.hardtanh(t.tensor([1], dtype=t.uint8), -1.0, 1.0),
    lambda t: t.zeros(2, 2, dtype=t.complex64).max(0),
    lambda t: t.stft(t.ones(20).half(), 8, window=t.ones(8).half(), return_complex=True),
    lambda t: t.rand(2, generator=3),
    lambda t: t.ones(2, device=[1]),
    lambda t: t.zeros(2, device=1.5),
    lambda t: t.full((2,), 1, device={}),
    lambda t: t.ones_like(t.ones(2), device=[1]),
    lambda t: t.ones(2).new_zeros(2, device=1.5),
    lambda t: t.addmm(t.ones(2, 2), t.ones(2, 2), t.ones(2, 2), alpha=1j),
    lambda t: t.addmv(t.ones(2).double(), t.ones(2, 2).double(), t.ones(2).double(), beta=1j),
    lambda t: t.addr(t.ones(2, 2), t.ones(2), t.ones(2), alpha=1j),
    lambda t: t.addr(t.ones(2, 2).long(), t.ones(2).long(), t.ones(2).long(), alpha=1.5),
    lambda t: t.baddbmm(t.ones(1, 2, 2), t.ones(1, 2, 2), t.ones(1, 2, 2), beta=1j),
    lambda t: t.add(t.ones(2), 1, alpha=1j),
    lambda t: t.addcmul(t.ones(2).half(), t.ones(2).half(), t.ones(2).half(), value=1j),
    lambda t: t.lerp(t.ones(2), t.ones(2), 1j),
    lambda t: t.nn.functional.leaky_relu(t.ones(2), 1j),
    lambda t: t.nn.functional.elu(t.ones(2), 1j),
    lambda t: t.nn.functional.threshold(t.ones(2), 1j, 1),
    lambda t: t.nn.functional.rms_norm(t.ones(3), (2, 3)),
    lambda t: t.histogram(t.tensor([1.0, 2.0, NAN]), 3),
    lambda t: t.histogram(t.tensor([1.0, INF]), 3),
    lambda t: t.histogramdd(t.tensor([[1.0, -INF], [2.0, 3.0]]), [2, 2]),
    lambda t: t.abs(t.ones(2), out=3),
    lambda t: t.stack([t.ones(2)], out=3),
    lambda t: t.zeros(2, out=3),
    lambda t: t.linalg.inv(t.eye(2), out=3),
    lambda t: t.cummax(t.ones(2), 0, out=3),
    lambda t: t.sort(t.ones(2), out=(t.ones(2),)),
    lambda t: t.ones(2).add_(1, out=t.ones(2)),
    lambda t: t.ones(2).exp_(out=t.ones(2)),
    lambda t: t.abs(t.float32),
    lambda t: t.abs(t.device("cpu")),
    lambda t: t.ones(2, dtype=t.complex64).abs_(),
    lambda t: t.abs_(t.ones(2, dtype=t.complex64)),
    lambda t: t.ones(2, dtype=t.complex64).absolute_(),
    lambda t: t.arange(0, INF),
    lambda t: t.arange(0, NAN),
    lambda t: t.arange(0.0, 1e30),
    lambda t: t.arange(0, 2**63),
    lambda t: t.complex(t.ones(2), t.ones(2).int()),
    lambda t: t.complex(t.ones(2), t.ones(2), out=t.empty(2, dtype=t.complex128)),
    lambda t: t.linspace(t.ones(2), 1, 3),
    lambda t: t.linspace(1, 3j, 3, dtype=t.float),
    lambda t: t.logspace(t.ones(2), 1, 3),
    lambda t: t.ones(2).masked_fill(t.tensor([True, False]), 1e300),
    lambda t: t.ones(2, dtype=t.int).masked_fill(t.tensor([True, False]), 1j),
    lambda t: t.ones(2, dtype=t.half).masked_fill(t.tensor([True, False]), t.tensor(1e9)),
    lambda t: t.ones(2, dtype=t.int).index_fill(0, t.tensor([0]), t.tensor(1j)),
    lambda t: t.isclose(t.ones(2), t.ones(2), rtol=-1),
    lambda t: t.allclose(t.ones(2), t.ones(2), atol=NAN),
    lambda t: t.aminmax(t.ones(0, 3)),
    lambda t: t.aminmax(t.ones(0, 3), dim=0),
    lambda t: t.aminmax(t.ones(2, 3), dim=1, out=(t.empty(2), t.empty(2, dtype=t.double))),
    lambda t: t.amax(t.ones(2, 3), out=t.empty((), dtype=t.double)),
    lambda t: t.mm(t.ones(2, 2), t.ones(2, 2), out=t.empty(2, 2, dtype=t.double)),
    lambda t: t.abs(t.ones(2), out=t.empty(2, dtype=t.double)),
    lambda t: t.narrow(t.ones(2, 3), 0, t.tensor(0.0), 1),
    lambda t: t.narrow_copy(t.ones(2, 3), 0, 0, -1),
    lambda t: t.gather(t.ones(2, 1), 0, t.tensor([[0, 1]])),
    lambda t: t.gather(t.ones(2, 3), 1, t.tensor([[0, 1]]), out=t.empty((1, 2), dtype=t.double)),
    lambda t: t.index_add(t.ones(3, 2), 0, t.tensor([0, 1]), t.ones(2, 3)),
    lambda t: t.index_add(t.ones(3, 2), 0, t.tensor([[0, 1]]), t.ones(2, 2)),
    lambda t: t.index_copy(t.ones(3, 2), 0, t.tensor([0, 1]), t.ones(2)),
    lambda t: t.index_copy(t.ones(3, 2), 0, t.tensor([0, 1]), t.ones(2, 3)),
    lambda t: t.index_copy(t.ones(3, 2), 0, t.tensor([0, 1], dtype=t.int), t.ones(2, 2)),
    lambda t: t.index_fill(t.ones(3, 2), 0, t.tensor([0, 1.0]), 1),
    lambda t: t.index_select(t.ones(()), 0, t.tensor([0, 0])),
    lambda t: t.scatter(t.ones(3, 2), 0, t.tensor([34]), t.ones(2, 2)),
    lambda t: t.multinomial(t.ones(3), 1, out=t.empty(1)),
    lambda t: t.multinomial(t.tensor([1.0, INF]), 5, True),
    lambda t: t.movedim(t.ones(2, 3, 4), (0, 0), (1, 2)),
    lambda t: t.linalg.cross(t.ones(3), t.ones(2, 3)),
    lambda t: t.searchsorted(t.ones(2, 2), 1),
    lambda t: t.searchsorted(t.ones(2), t.ones(2), side="foo"),
    lambda t: t.searchsorted(t.ones(2), t.ones(2), sorter=t.tensor([0, 5])),
    lambda t: t.randint(500, (2,), dtype=t.uint8),
    lambda t: t.randint(-5, 5, (2,), dtype=t.uint8),
    lambda t: t.ones(2, dtype=t.uint8).random_(300),
    lambda t: t.constant_pad_nd(t.ones(2), (1,), 5),
    lambda t: t.constant_pad_nd(t.ones(2), (-2, -1), 5),
    lambda t: t.tensor([5, -5]) % t.tensor([0, 3]),
    lambda t: 5 // t.tensor([0, 3]),
    lambda t: t.linalg.norm(t.ones(3, 0), -2),
    lambda t: t.linalg.vector_norm(t.ones(2, 0), INF, dim=1),
    lambda t: t.unique(t.ones(3, 0), dim=0),
    lambda t: t.bincount(t.tensor([1, 2]), weights=t.ones(3)),
    lambda t: t.histc(t.tensor([1.0, INF]), 3),
    lambda t: t.quantile(t.tensor([1.0, 2, 3]), t.tensor([0.5, 1.5])),
    lambda t: t.take(t.ones(2), t.tensor([-3])),
    lambda t: t.put(t.ones(2), t.tensor([0]), t.ones(2)),
    lambda t: t.tril_indices(-1, 2),
    lambda t: t.cdist(t.ones(2, 3), t.ones(2, 3), p=-1),
    lambda t: t.argmax(t.ones(2, 2), dim=(0, 1)),
    lambda t: t.copysign(t.ones(2, dtype=t.cfloat), 1.0),
    lambda t: t.mvlgamma(t.ones((), dtype=t.bool), 1),
    lambda t: t.nansum(t.ones(2, dtype=t.cfloat)),
]

ALLOWED = [
    lambda t: t.nn.functional.hardtanh(t.tensor([0, 9], dtype=t.uint8), -0.5, 1.5),
    lambda t: t.stft(t.zeros(20).half(), 8, window=t.ones(8), return_complex=True).abs(),
    lambda t: t.stft(t.zeros(9).half(), 8, window=t.ones(8).double(), return_complex=True).abs(),
    lambda t: t.searchsorted(t.tensor([1.0, 2.0, NAN]), t.tensor([NAN, 2.0, INF, -INF])),
    lambda t: t.searchsorted(t.tensor([1.0, NAN, NAN]), t.tensor([NAN, 2.0, INF]), right=True),
    lambda t: t.searchsorted(t.tensor([[1.0, NAN], [NAN, NAN]]), t.tensor([[INF], [0.0]])),
    lambda t: t.searchsorted(t.tensor([3, 1, 2, 0, 9]), t.tensor([0, 1, 2, 3, 4])),
    lambda t: t.bucketize(t.tensor([NAN, INF, 1.0]), t.tensor([0.0, 1.0, NAN])),
    lambda t: t.ones(2).long().index_add(0, t.tensor([0]), t.ones(1).long(), alpha=1.5),
    lambda t: t.addr(t.zeros(1, 1), t.tensor([NAN]), t.tensor([NAN]), beta=0.0, alpha=0.0),
    lambda t: t.addr(t.full((2, 1), NAN), t.tensor([1.0, NAN]), t.tensor([2.0]), beta=0, alpha=1),
    lambda t: t.cov(t.tensor([[1.0, 2.5, 4.0]]).double(), aweights=t.tensor([0.1, 0.2, 0.7])),
    lambda t: t.ones(1).addbmm_(t.ones(2, 5, 3), t.ones(2, 3, 10)),
    lambda t: t.constant_pad_nd(t.ones(2, dtype=t.int), (1, 1), 5.5),
    lambda t: t.linspace(1, 3j, 3),
    lambda t: t.ones(2, dtype=t.uint8).masked_fill(t.tensor([True, False]), -1),
    lambda t: t.linalg.norm(t.ones(3, 0), 2),
    lambda t: t.ones(0, dtype=t.int) // 0,
    lambda t: t.unique(t.tensor([NAN, 1.0, NAN]), return_counts=True),
    lambda t: t.repeat_interleave(t.tensor([2, 0, 1])),
    lambda t: t.block_diag(),
    lambda t: t.clamp(t.tensor([-1.0, 0.5, 3.0]), min=t.tensor(0.0), max=1),
    lambda t: t.tensor([-1, 5, 3]).clip(-0.5, t.tensor(2)),
    lambda t: t.IntTensor(t.tensor([1, 2], dtype=t.int32)).mul_(3),
    lambda t: t.any(t.ones(2, 2), dim=()),
    lambda t: t.sign(t.tensor([NAN, -0.0, 2])),
    lambda t: t.lgamma(t.ones((), dtype=t.half)),
    lambda t: t.nan_to_num(t.tensor([complex(NAN, 1), complex(INF, -INF)])),
    lambda t: t.logaddexp(t.tensor([1 + 2j]), t.tensor([1 + 5j])),
    lambda t: t.cov(t.ones(2, 3, dtype=t.bfloat16), aweights=t.ones(3)),
    lambda t: t.tensor([True, False]).index_add(0, t.tensor([1, 1]), t.tensor([True, False])),
    lambda t: t.tensor([True, False]).put(
        t.tensor([1, 1]), t.tensor([True, False]), accumulate=True
    ),
    lambda t: t.unravel_index(t.tensor([5], dtype=t.uint8), (2, 3)),
    lambda t: t.scalar_tensor(-5, dtype=t.uint8),
    lambda t: t.einsum("ij->i", t.ones(2, 2, dtype=t.uint8)),
    lambda t: t.ones((), dtype=t.bool).sum_to_size(()),
    lambda t: t.histogramdd(t.ones(2, 1), [t.tensor([2.0, 1.0])])[0],
]

#: Their derivatives where the input is infinite or nan.
DIFFERENTIATED = [
    lambda t, x: t.relu(x),
    lambda t, x: t.abs(x),
    lambda t, x: t.clamp(x, -1, 1),
    lambda t, x: t.nn.functional.elu(x),
    lambda t, x: t.celu(x),
    lambda t, x: t.selu(x),
]


def outcome(call, t):
    """The error's type and text, or dtypes and numbers."""
    try:
        return described(call(t))
    except Exception as error:  # noqa: BLE001 (whatever PyTorch raises has to be raised)
        return type(error), str(error).splitlines()[0]


def described(result):
    if isinstance(result, (list, tuple)):
        return [described(part) for part in result]
    return str(result.dtype), str(result.tolist())


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_the_same_is_refused_in_the_same_words(number):
    ours, theirs = outcome(REFUSED[number], kuai), outcome(REFUSED[number], torch)
    assert issubclass(theirs[0], Exception)
    assert ours[1] == theirs[1]
    assert issubclass(ours[0], theirs[0])


@pytest.mark.parametrize("number", range(len(ALLOWED)))
def test_the_same_is_allowed_and_gives_the_same(number):
    assert outcome(ALLOWED[number], kuai) == outcome(ALLOWED[number], torch)


@pytest.mark.parametrize("number", range(len(DIFFERENTIATED)))
def test_derivatives_beside_nan_are_pytorchs(number):
    found = []
    for t in (kuai, torch):
        x = t.tensor([0.0, 1.0, -1.0, INF, -INF, NAN, 0.5], requires_grad=True)
        DIFFERENTIATED[number](t, x).sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(torch.tensor(found[0].tolist()), found[1], equal_nan=True)


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 2)])
def test_a_decomposition_with_whole_factors_has_pytorchs_gradient(shape):
    numbers = torch.randn(shape, dtype=torch.float64)
    found = []
    for t in (kuai, torch):
        x = t.tensor(numbers.tolist(), dtype=t.float64, requires_grad=True)
        U, S, Vh = t.linalg.svd(x)
        count = S.shape[-1]
        first, last = U[..., :count] ** 2, Vh[..., :count, :] ** 2
        (S.sum() + (first * S[..., None, :]).cos().sum() + last.exp().sum()).backward()
        found.append(x.grad)
    torch.testing.assert_close(torch.tensor(found[0].tolist()).double(), found[1])

"""Attention with score and mask functions, causal masks and the choice of kernels."""

import numpy as np
import pytest
import torch
import torch.nn.attention.bias
from torch.nn.attention import flex_attention as theirs

import kuai
from kuai.nn.attention import flex_attention as ours
from tests.compilations import compilations

RNG = np.random.default_rng(0)
Q, K, V = (RNG.standard_normal((2, 4, n, d)).astype("float32") for n, d in ((6, 8), (7, 8), (7, 5)))
BIAS = RNG.standard_normal((2, 4, 6, 7)).astype("float32")
DOCUMENTS = np.array([0, 0, 1, 1, 1, 2, 2])


@pytest.fixture(autouse=True)
def without_compiling(monkeypatch):
    monkeypatch.setattr(theirs, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


def flex(t):
    return theirs if t is torch else ours


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


def near(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 1 + h


def documents(t):
    ids = t.tensor(DOCUMENTS)
    return lambda b, h, q_idx, kv_idx: ids[q_idx] == ids[kv_idx]


def scores(t):
    bias, slopes = t.tensor(BIAS), t.tensor([0.5, 0.25, 0.125, 0.0625])
    return {
        "nearer": lambda s, b, h, q, k: s - slopes[h] * (q - k).abs(),
        "bias": lambda s, b, h, q, k: s + bias[b, h, q, k],
        "chain": lambda s, b, h, q, k: s * 2 + bias[b][h][q][k],
        "soft cap": lambda s, b, h, q, k: 2 * t.tanh(s / 2),
        "causal": lambda s, b, h, q, k: t.where(q >= k, s, -float("inf")),
    }


def mask(t, function, **options):
    return flex(t).create_block_mask(function, 2, 4, 6, 7, device="cpu", BLOCK_SIZE=2, **options)


CASES = {
    "plain": lambda t: {},
    "scale": lambda t: dict(scale=0.3),
    **{name: lambda t, n=name: dict(score_mod=scores(t)[n]) for name in scores(kuai)},
    "mask": lambda t: dict(block_mask=mask(t, causal)),
    "mask of documents": lambda t: dict(block_mask=mask(t, documents(t))),
    "both": lambda t: dict(score_mod=scores(t)["bias"], block_mask=mask(t, near)),
    "and": lambda t: dict(block_mask=mask(t, flex(t).and_masks(causal, documents(t)))),
    "or": lambda t: dict(
        block_mask=mask(t, flex(t).or_masks(causal, near), separate_full_blocks=False)
    ),
    "nothing": lambda t: dict(block_mask=mask(t, lambda b, h, q, k: (q >= 2) & (k < 3))),
}


@pytest.mark.parametrize("name", CASES)
def test_same_outputs(name):
    found = []
    for t in (torch, kuai):
        q, k, v = (t.tensor(values) for values in (Q, K, V))
        request = flex(t).AuxRequest(lse=True)
        output, aux = flex(t).flex_attention(q, k, v, **CASES[name](t), return_aux=request)
        found.append((output.numpy(), aux.lse.numpy()))
    for got, expected in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_grouped_heads():
    found = []
    for t in (torch, kuai):
        q, k, v = (t.tensor(values) for values in (Q, K[:, :2], V[:, :2]))
        found.append(flex(t).flex_attention(q, k, v, enable_gqa=True).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_gradients_reach_what_the_function_reads():
    q, k, v, bias = (kuai.tensor(a, requires_grad=True) for a in (Q, K, V, BIAS))
    made = ours.flex_attention(
        q, k, v, lambda s, b, h, i, j: s + bias[b][h][i][j], mask(kuai, causal)
    )
    (made**2).sum().backward()
    theirs_ = [torch.tensor(a, requires_grad=True) for a in (Q, K, V, BIAS)]
    allowed = torch.ones(6, 7, dtype=torch.bool).tril()
    full = theirs_[3].masked_fill(~allowed, -float("inf"))
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs_[:3], attn_mask=full)
    (expected**2).sum().backward()
    for got, wanted in zip((q, k, v, bias), theirs_, strict=True):
        np.testing.assert_allclose(got.grad.numpy(), wanted.grad.numpy(), rtol=1e-3, atol=1e-5)


def test_a_row_without_anything_to_see_has_zero_gradients():
    q, k, v = (kuai.tensor(a, requires_grad=True) for a in (Q, K, V))
    made = ours.flex_attention(q, k, v, block_mask=mask(kuai, lambda b, h, i, j: i > 2))
    assert made[:, :, :3].abs().max().item() == 0
    made.sum().backward()
    assert all(bool(t.grad.isfinite().all()) for t in (q, k, v))


def test_compiled():
    blocks = mask(kuai, causal)
    bias = kuai.tensor(BIAS)
    q, k, v = (kuai.tensor(a) for a in (Q, K, V))

    def run(q, k, v):
        return ours.flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[b, h, i, j], blocks)

    wanted, compiled = run(q, k, v).numpy(), kuai.compile(run)
    np.testing.assert_allclose(compiled(q, k, v).numpy(), wanted, rtol=1e-5)
    with compilations() as programs:
        np.testing.assert_allclose(compiled(q, k, v).numpy(), wanted, rtol=1e-5)
    assert len(programs) <= 1  # a mapped function is traced anew


# Block masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [causal, near])
@pytest.mark.parametrize("separate", [True, False])
def test_block_masks(function, separate):
    made = [mask(t, function, separate_full_blocks=separate) for t in (kuai, torch)]
    names = "kv_num_blocks kv_indices full_kv_num_blocks full_kv_indices "
    names += "q_num_blocks q_indices full_q_num_blocks full_q_indices"
    for name in names.split():
        found, expected = (getattr(blocks, name) for blocks in made)
        assert (found is None) == (expected is None)
        if expected is not None:
            assert str(found.dtype) == str(expected.dtype)
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert made[0].shape == tuple(made[1].shape)
    assert made[0].sparsity() == pytest.approx(made[1].sparsity())
    assert str(made[0]) == str(made[1])
    assert repr(made[0]) == repr(made[1])
    np.testing.assert_array_equal(made[0].to_dense().numpy(), made[1].to_dense().numpy())
    assert len(made[0].as_tuple()) == len(made[1].as_tuple())


def test_parts_of_block_masks():
    found = [mask(t, near)[0, 1:3] for t in (kuai, torch)]
    np.testing.assert_array_equal(*(blocks.kv_num_blocks.numpy() for blocks in found))
    smaller = [mask(t, causal)._adjust(4, 3) for t in (kuai, torch)]
    np.testing.assert_array_equal(*(blocks.to_dense().numpy() for blocks in smaller))
    q, k, v = (kuai.tensor(a) for a in (Q[:, :, :4], K[:, :, :3], V[:, :, :3]))
    assert ours.flex_attention(q, k, v, block_mask=smaller[0]).shape == (2, 4, 4, 5)
    with pytest.raises(RuntimeError, match="sliced BlockMask"):
        ours.flex_attention(*(kuai.tensor(a) for a in (Q, K, V)), block_mask=found[0])


def test_blocks_given_by_hand():
    blocks = ours.BlockMask.from_kv_blocks(
        kuai.tensor([[[1, 1]]], dtype=kuai.int32),
        kuai.tensor([[[[0, 1], [1, 0]]]], dtype=kuai.int32),
        BLOCK_SIZE=2,
    )
    assert blocks.shape == (1, 1, 4, 4)
    x = kuai.randn(1, 1, 4, 3)
    made = ours.flex_attention(x, x, x, block_mask=blocks)
    allowed = kuai.block_diag(kuai.ones(2, 2), kuai.ones(2, 2)).bool()
    wanted = kuai.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=allowed)
    np.testing.assert_allclose(made.numpy(), wanted.numpy(), rtol=1e-5)


def test_create_mask():
    found = []
    for t in (kuai, torch):
        function = scores(t)["causal"]
        found.append(flex(t).create_mask(function, 1, 1, 3, 4, "cpu").numpy())
        found.append(flex(t).create_mask(near, 2, None, 3, 4, "cpu").numpy())
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])


WRONG = {
    "rank": lambda t, q, k, v: flex(t).flex_attention(q[0], k[0], v[0]),
    "heads": lambda t, q, k, v: flex(t).flex_attention(q, k[:, :2], v[:, :2]),
    "groups": lambda t, q, k, v: flex(t).flex_attention(q, k[:, :3], v[:, :3], enable_gqa=True),
    "batch": lambda t, q, k, v: flex(t).flex_attention(q, k[:1], v[:1]),
    "larger": lambda t, q, k, v: flex(t).flex_attention(
        q[:, :, :4], k, v, block_mask=mask(t, causal)
    ),
    "no masks": lambda t, q, k, v: flex(t).or_masks(1),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    said = []
    for t in (torch, kuai):
        arrays = (t.tensor(a) for a in (Q, K, V))
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)) as found:
            WRONG[name](t, *arrays)
        said.append((found.type, str(found.value)))
    assert said[0] == said[1]


# Causal masks and kernels -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["causal_upper_left", "causal_lower_right"])
@pytest.mark.parametrize("sizes", [(6, 7), (6, 6)])
def test_causal_masks(name, sizes):
    found = []
    for t in (torch, kuai):
        q, k, v = (t.tensor(a) for a in (Q, K[:, :, : sizes[1]], V[:, :, : sizes[1]]))
        bias = getattr(t.nn.attention.bias, name)(*sizes)
        made = t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        found += [made.numpy(), bias._materialize().numpy()]
        with pytest.raises(ValueError, match="causal=True"):
            t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=True)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[3], found[1])


def test_lower_right_warns_of_rows_without_keys():
    with pytest.warns(UserWarning, match="Lower right causal bias"):
        kuai.nn.attention.bias.causal_lower_right(4, 3)


def test_a_choice_of_kernels():
    backend = kuai.nn.attention.SDPBackend
    assert [b.name for b in backend] == list(torch.nn.attention.SDPBackend.__members__)
    q = kuai.tensor(Q)
    with kuai.nn.attention.sdpa_kernel([backend.MATH, backend.FLASH_ATTENTION], set_priority=True):
        kuai.nn.functional.scaled_dot_product_attention(q, q, q)
        with (
            kuai.nn.attention.sdpa_kernel([]),
            pytest.raises(RuntimeError, match="No available kernel"),
        ):
            kuai.nn.functional.scaled_dot_product_attention(q, q, q)
    with pytest.raises(AssertionError, match="SDPBackend"), kuai.nn.attention.sdpa_kernel("math"):
        pass

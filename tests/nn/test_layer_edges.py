"""Layers and losses at their edges, beside torch: one line of a user's, run on both.

What comes out has to agree in values, dtypes, gradients, or in the type and text of the error.
"""

import copy
import warnings

import numpy as np
import pytest
import torch

import kuai
from tests.conformance.comparing import difference

VALUES = [
    # losses
    "nn.L1Loss()(x.to(t.complex64), y * 1j)",
    "F.huber_loss(x, y, weight=y.abs())",
    "nn.GaussianNLLLoss()(x, y, t.ones(2))",
    "nn.PoissonNLLLoss()(x, t.tensor([[1, 2, 3], [0, 1, 2]]))",
    "F.pairwise_distance(t.tensor([[1, 2]]), t.tensor([[3, 5]]))",
    "F.margin_ranking_loss(t.tensor([1]), t.tensor([3]), t.tensor([1]))",
    "F.kl_div(x, t.tensor([[0.0, nan, inf], [0.5, -1.0, 1.0]]), reduction='none')",
    "F.margin_ranking_loss(x * nan, y, y.sign(), reduction='none')",
    # activations at nan and in half precision
    "F.relu(x / 0)",
    "F.elu(x / 0)",
    "F.hardswish(x / 0)",
    "F.hardsigmoid(x / 0)",
    "(x / 0).abs()",
    "F.gelu(x.half())",
    "F.silu(x.half())",
    "F.glu(x[:, :2].half())",
    "F.selu(x.bfloat16())",
    "t.sigmoid(6 * x.detach().bfloat16())",
    # pooling and convolution
    "F.avg_pool1d(t.arange(6).reshape(1, 6), 4, ceil_mode=True)",
    "nn.LPPool1d(inf, 2)(x)",
    "nn.LPPool1d(-inf, 2)(x)",
    "F.max_unpool1d(x, t.tensor([[0, 0, 1], [2, 2, 2]]), 2)",
    "F.conv_transpose1d(t.arange(4).reshape(1, 2, 2), t.arange(12).reshape(2, 2, 3), stride=2)",
    "F.conv_transpose1d(x, x[..., None][:, :, [0, 0]], dilation=3, output_padding=2)",
    "F.adaptive_max_pool1d(x[:0], 2)",
    # padding by less than nothing
    "F.pad(x[None], (-3, 4), mode='replicate')",
    "F.pad(x[None], (-3, 1), mode='reflect')",
    # attention
    "F.scaled_dot_product_attention(*[x[None, None]] * 3, attn_mask=t.ones(2, 2), is_causal=True)",
    "F.normalize(x[0, 0], dim=0)",
    "F.normalize(x.to(t.complex64) * 1j)",
    "F.local_response_norm(t.arange(6).reshape(1, 2, 3), 2)",
    "F.batch_norm(x[0, :0], t.zeros(0), t.zeros(0))",
]

ERRORS = [
    "nn.GaussianNLLLoss()(x, y, -t.ones(2, 3))",
    "nn.GaussianNLLLoss()(x, y, -0.5)",
    "nn.TripletMarginLoss(margin=-1)(x, x, x)",
    "F.triplet_margin_loss(x, x, x, margin=0)",
    "nn.CosineEmbeddingLoss()(x, x, t.ones(1, 2))",
    "nn.CosineEmbeddingLoss()(x[0], x, t.ones(2))",
    "nn.CosineEmbeddingLoss()(x, x, t.tensor(1.0))",
    "nn.MultiMarginLoss()(x, t.tensor([0.0, 1.0]))",
    "nn.MultiMarginLoss()(x[:, :0], t.tensor([0, 1]))",
    "nn.MultiMarginLoss(weight=t.ones(2))(x, t.tensor([0, 1]))",
    "nn.MultiLabelMarginLoss()(x, t.ones(2, 3))",
    "nn.MultiLabelMarginLoss()(x, t.tensor([[0, 3, 0], [0, 0, 0]]))",
    "nn.NLLLoss(weight=t.ones(3).half())(x, t.tensor([0, 1]))",
    "nn.HingeEmbeddingLoss()(x[0], t.ones(2))",
    "F.embedding(t.tensor(1), t.ones(2, 2, 2))",
    "F.prelu(x[0, 0], t.ones(2))",
    "F.prelu(t.arange(3), t.tensor([1]))",
    "F.relu(x.to(t.complex64))",
    "F.elu(x.to(t.complex64))",
    "F.hardtanh(t.ones(2, dtype=t.uint8))",
    "F.threshold(x > 0, 0.5, 1)",
    "F.adaptive_avg_pool2d(x, (2, 2))",
    "F.adaptive_avg_pool1d(x, None)",
    "F.max_pool1d(x, 2, 1, -1, return_indices=True)",
    "F.max_pool2d(x[None], -1)",
    "F.avg_pool2d(x[None], 2, -1)",
    "F.avg_pool3d(x[None, :0, None], 2)",
    "F.max_pool1d(t.arange(4).reshape(1, 4), 2)",
    "F.conv1d(x, t.ones(2, 2))",
    "F.conv1d(x, t.ones(1, 2, 2), groups=3)",
    "F.conv2d(x[None], t.ones(1, 2, 2), padding='same')",
    "F.conv_transpose1d(x[:, :0], t.ones(2, 3, 2))",
    "F.pad(x[None], (-3, 0), mode='replicate')",
    "F.layer_norm(x, 3)",
    "nn.Linear(-1, 2)",
    "nn.Embedding(-1, 2)",
]


def arguments(t, grad):
    rng = np.random.default_rng(3)
    x, y = (t.tensor(rng.standard_normal((2, 3)).astype("float32")) for _ in range(2))
    names = {"t": t, "nn": t.nn, "F": t.nn.functional, "nan": np.nan, "inf": np.inf}
    return {**names, "x": x.requires_grad_(grad), "y": y}


def ran(t, line):
    """What a line gives, and its gradient by x."""
    names = arguments(t, True)
    result = eval(line, names)
    if not result.requires_grad:
        return [result]
    result.abs().sum().backward()
    return [result.detach(), names["x"].grad]


@pytest.mark.parametrize("line", VALUES)
def test_values_and_gradients(line):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert difference(ran(kuai, line), ran(torch, line)) is None


@pytest.mark.parametrize("line", ERRORS)
def test_errors(line):
    def error(t):
        with pytest.raises(Exception) as caught:
            eval(line, arguments(t, False))
        return caught.type.__name__, str(caught.value)

    assert error(kuai) == error(torch)


def test_copies_of_what_shares_memory_share_it():
    def copied(t):
        base = t.arange(6.0).reshape(2, 3)
        found = copy.deepcopy({"row": base[0], "turned": base.t(), "base": base})
        found["base"][0, 1] = 9
        return [*found.values(), base]

    assert difference(copied(kuai), copied(torch)) is None


def test_recurrent_layers_know_the_names_of_their_weights():
    names = [m.nn.LSTM(2, 3, bidirectional=True)._flat_weights_names for m in (kuai, torch)]
    assert names[0] == names[1]


@pytest.mark.parametrize("of_statistics", ["float16", "float32", "float64"])
@pytest.mark.parametrize("of_input", ["float16", "float32", "float64"])
def test_statistics_of_instances_may_have_another_dtype(of_input, of_statistics):
    numbers, mean, variance = torch.randn(2, 3, 4), torch.randn(3), torch.rand(3) + 0.5
    found = []
    for t in (kuai, torch):
        kind, kept = getattr(t, of_input), getattr(t, of_statistics)
        x = t.tensor(numbers.tolist()).to(kind)
        statistics = [t.tensor(each.tolist()).to(kept) for each in (mean, variance)]
        y = t.nn.functional.instance_norm(x, *statistics, momentum=0.3)
        z = t.nn.functional.instance_norm(x, *statistics, use_input_stats=False)
        found.append([(str(each.dtype), each.tolist()) for each in (y, z, *statistics)])
    for (ours, numbers), (theirs, wanted) in zip(*found, strict=True):
        assert ours == theirs
        close = 2e-3 if "float16" in (of_input, of_statistics) else 1e-5
        torch.testing.assert_close(
            torch.tensor(numbers), torch.tensor(wanted), rtol=close, atol=close
        )

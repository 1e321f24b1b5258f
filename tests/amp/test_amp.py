"""Mixed precision against PyTorch's on the CPU, eagerly and compiled."""

import numpy as np
import pytest
import torch

import kuai

OPERATIONS = {
    "matmul": lambda t, x: x @ x,
    "mm": lambda t, x: t.mm(x, x),
    "bmm": lambda t, x: t.bmm(x[None], x[None]),
    "addmm": lambda t, x: t.addmm(x, x, x),
    "einsum": lambda t, x: t.einsum("ij,jk->ik", x, x),
    "linear": lambda t, x: t.nn.functional.linear(x, x, x[0]),
    "conv2d": lambda t, x: t.nn.functional.conv2d(x[None, None], x[None, None, :2, :2]),
    "prelu": lambda t, x: t.nn.functional.prelu(x, x[0, :1]),
    "attention": lambda t, x: t.nn.functional.scaled_dot_product_attention(
        x[None], x[None], x[None]
    ),
    "softmax": lambda t, x: x.softmax(0),
    "relu": lambda t, x: x.relu(),
    "exp": lambda t, x: x.exp(),
    "sum": lambda t, x: x.sum(),
    "prod": lambda t, x: x.prod(),
    "trace": lambda t, x: x.trace(),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (4,)),
    "mse_loss": lambda t, x: t.nn.functional.mse_loss(x, x * 2),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 1, 2, 3])),
    "nll_loss": lambda t, x: t.nn.functional.nll_loss(x, t.tensor([0, 1, 2, 3])),
    "bce": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x, x),
    "kl_div": lambda t, x: t.nn.functional.kl_div(x, x),
    "cosine embedding": lambda t, x: t.nn.functional.cosine_embedding_loss(x, x * x, x[0] * 0 + 1),
    "triplet": lambda t, x: t.nn.functional.triplet_margin_loss(x, x * 2, x * 3),
    "cat": lambda t, x: t.cat([x, x.bfloat16()]),
    "stack": lambda t, x: t.stack([x.bfloat16(), x]),
    "add": lambda t, x: x + x.bfloat16(),
    "inv": lambda t, x: t.linalg.inv(x + t.eye(4)),
    "float64": lambda t, x: x.double() @ x.double(),
}
X = np.linspace(0.1, 0.9, 16, dtype=np.float32).reshape(4, 4)


def result_and_gradient(t, name, kind):
    x = t.tensor(X).to(getattr(t, kind)).requires_grad_()
    with t.autocast("cpu", dtype=t.bfloat16):
        made = OPERATIONS[name](t, x)
    made.float().sum().backward()
    return made.detach(), x.grad


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("kind", ["float32"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_dtypes_and_values(name, kind):
    ours = result_and_gradient(kuai, name, kind)
    theirs = result_and_gradient(torch, name, kind)
    for mine, reference in zip(ours, theirs, strict=True):
        assert str(mine.dtype) == str(reference.dtype)
        expected = reference.double().numpy()
        np.testing.assert_allclose(mine.double().numpy(), expected, rtol=4e-2, atol=4e-2)


@pytest.mark.parametrize("t", [kuai, torch])
def test_nesting_and_state(t):
    x = t.ones(2, 2)
    assert not t.is_autocast_enabled("cpu")
    with t.autocast("cpu"):
        assert t.is_autocast_enabled("cpu") and not t.is_autocast_enabled()
        assert (x @ x).dtype == t.get_autocast_dtype("cpu") == t.bfloat16
        with t.autocast("cpu", enabled=False):
            assert (x @ x).dtype == t.float32 and not t.is_autocast_enabled("cpu")
        with t.amp.autocast("cpu", dtype=t.float16):
            assert (x @ x).dtype == t.float16
        assert (x @ x).dtype == t.bfloat16

    @t.autocast("cpu")
    def decorated():
        return x @ x

    assert decorated().dtype == t.bfloat16 and (x @ x).dtype == t.float32
    with pytest.raises(RuntimeError, match="Expected one of"):
        t.autocast("toaster")
    assert t.amp.is_autocast_available("cpu")


def test_switching_around_a_compiled_function_is_seen():
    product = kuai.compile(lambda x: x @ x, fullgraph=True)
    x = kuai.ones(2, 2)
    for _ in range(2):
        assert product(x).dtype == kuai.float32
        with kuai.autocast("cpu"):
            assert product(x).dtype == kuai.bfloat16
    inside = kuai.compile(kuai.autocast("cpu")(lambda x: x @ x), fullgraph=True)
    assert inside(x).dtype == kuai.bfloat16


@pytest.mark.parametrize("t", [kuai, torch])
def test_custom_function(t):
    seen = []

    class Product(t.autograd.Function):
        @staticmethod
        @t.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x @ x

        @staticmethod
        @t.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            seen.append(t.is_autocast_enabled("cpu"))
            return grad.float()

    class Whole(t.autograd.Function):
        @staticmethod
        @t.amp.custom_fwd(device_type="cpu", cast_inputs=t.float32)
        def forward(ctx, x):
            return x @ x

        @staticmethod
        @t.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            return grad

    x = t.ones(2, 2, requires_grad=True)
    with t.autocast("cpu"):
        y = Product.apply(x)
        assert Whole.apply(x.bfloat16()).dtype == t.float32
    y.sum().backward()
    assert y.dtype == t.bfloat16 and seen == [True]


def scaled_training(t, optimizer, compiled=False):
    """Losses, scales and weights over steps of which some have infinite gradients."""
    w = t.nn.Parameter(t.linspace(-1, 1, 4))
    optimizer = getattr(t.optim, optimizer)([w], lr=0.1)
    scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    def step(x):
        optimizer.zero_grad()
        loss = (w * x).pow(2).sum()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        t.nn.utils.clip_grad_norm_([w], 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    step = kuai.compile(step, fullgraph=True) if compiled else step
    trace = []
    for factor in (1.0, 2.0, float("inf"), 1.0, 1.5, 0.5, float("nan"), 1.0):
        step(t.ones(4) * factor)
        trace += [scaler.get_scale(), *w.detach().tolist()]
    return np.array(trace), scaler.state_dict()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_scaler_as_in_pytorch(optimizer, compiled):
    ours, state = scaled_training(kuai, optimizer, compiled)
    theirs, expected = scaled_training(torch, optimizer)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert state == expected


def test_scaler_errors_and_settings():
    w = kuai.nn.Parameter(kuai.ones(2))
    optimizer = kuai.optim.SGD([w], lr=0.1)
    scaler = kuai.amp.GradScaler("cpu")
    scaler.scale((w * 2).sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    scaler.update(new_scale=3.0)
    assert scaler.get_scale() == 3.0
    other = kuai.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    off = kuai.amp.GradScaler("cpu", enabled=False)
    assert off.scale(w) is w and off.get_scale() == 1.0 and off.state_dict() == {}


def test_autocast_is_switched_on_for_good():
    said = []
    for t in (torch, kuai):
        x = t.ones(2, 2)
        t.set_autocast_enabled("cpu", True)
        on = [t.is_autocast_enabled("cpu"), str((x @ x).dtype)]
        t.set_autocast_dtype("cpu", t.float16)
        on += [str(t.get_autocast_dtype("cpu")), t.autocast_increment_nesting()]
        t.set_autocast_dtype("cpu", t.bfloat16)
        t.set_autocast_enabled("cpu", False)
        off = [t.autocast_decrement_nesting(), t.is_autocast_enabled("cpu"), str((x @ x).dtype)]
        said.append((*on, *off))
    assert said[1] == said[0]

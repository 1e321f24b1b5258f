"""The models in plain JAX, as somebody writes them who knows GPUs: `jax.jit`, donated weights.

Pictures have their channels last. Under autocast, weights are kept in float32, matrices are
multiplied and convolved in bfloat16, and normalizations and the loss are in float32. Attention is
cuDNN's where the numbers are bfloat16 and lie on a GPU.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.case import Case, value
from benchmarks.cases.resnet import blocks, width

__all__ = ["plain_jax"]


def plain_jax(name: str, case: Case, model):
    """`step()`, one training step that returns its loss.

    Args:
        name: that of the case among the GPU's.
        model: the model for PyTorch and Kuai, of which names and shapes are taken.
    """
    place = jax.local_devices(backend=case.device)[0]
    jax.config.update(
        "jax_default_matmul_precision", "tensorfloat32" if case.tensor_float else "highest"
    )
    forward = _FORWARD[name.partition("_")[0]]
    low = jnp.bfloat16 if case.autocast else jnp.float32
    shapes = {key: tuple(each.shape) for key, each in model.state_dict().items()}
    weights = {
        key: _as_kernel(value(key, shape))
        for key, shape in shapes.items()
        if not key.endswith("num_batches_tracked")
    }
    kept = {key: weights.pop(key) for key in list(weights) if "running" in key}
    inputs, labels = (jax.device_put(x, place) for x in (case.inputs(), case.labels()))
    optimizer = {"sgd": _sgd, "adamw": _adamw}[case.optimizer]
    state = jax.device_put((weights, kept, _zeros(weights), _zeros(weights), np.float32(0)), place)

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state, inputs, labels):
        weights, kept, *moments = state

        def loss_of(weights):
            outputs, changed = forward(weights, kept, inputs, low)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs), labels[:, None], axis=1)
            return -chosen.mean(), changed

        (loss, changed), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights)
        return (*optimizer(case.lr, weights, gradients, changed, *moments),), loss

    if case.optimizer == "sgd":
        state = (*state[:2], {}, {}, state[4])
    held = [state]

    def step():
        held[0], loss = update(held[0], inputs, labels)
        return loss

    return step


def _zeros(weights):
    return {key: np.zeros_like(each) for key, each in weights.items()}


def _as_kernel(weight):
    """A filter (O, I, H, W) as (H, W, I, O)."""
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight


def _sgd(lr, weights, gradients, kept, first, second, count):
    return jax.tree.map(lambda w, g: w - lr * g, weights, gradients), kept, first, second, count


def _adamw(lr, weights, gradients, kept, first, second, count):
    """Loshchilov and Hutter, 2019, with PyTorch's defaults."""
    count = count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

    def changed(w, m, v):
        root = jnp.sqrt(v / (1 - 0.999**count)) + 1e-8
        return w * (1 - lr * 0.01) - lr * m / (1 - 0.9**count) / root

    return jax.tree.map(changed, weights, first, second), kept, first, second, count


# The models ---------------------------------------------------------------------------------------


def _linear(w, name, x, low):
    out = x.astype(low) @ w[f"{name}.weight"].T.astype(low)
    return out + w[f"{name}.bias"].astype(low) if f"{name}.bias" in w else out


def _convolution(x, kernel, stride, padding, low):
    pads = [(padding, padding)] * 2
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x.astype(low), kernel.astype(low), (stride, stride), pads, dimension_numbers=axes
    )


def _max_pool(x, size, stride, padding):
    pads = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    start = np.array(-np.inf, x.dtype)  # a constant: only then is it known to be a maximum
    return lax.reduce_window(x, start, lax.max, (1, size, size, 1), (1, stride, stride, 1), pads)


def _mlp(w, kept, x, low):
    numbers = sorted({int(key.partition(".")[0]) for key in w})
    for number in numbers:
        x = _linear(w, number, x, low)
        x = jax.nn.relu(x) if number != numbers[-1] else x
    return x, kept


def _lenet(w, kept, x, low):
    x = x.transpose(0, 2, 3, 1)
    for name, padding in (("0", 2), ("3", 0)):
        x = _convolution(x, w[f"{name}.weight"], 1, padding, low) + w[f"{name}.bias"]
        x = _max_pool(jax.nn.relu(x), 2, 2, 0)
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    for name in ("7", "9", "11"):
        x = _linear(w, name, x, low)
        x = jax.nn.relu(x) if name != "11" else x
    return x, kept


def _resnet(w, kept, x, low):
    kept = dict(kept)

    def normalized(name, number, x, stride, padding):
        conv, norm = (f"{name}.{number}", f"{name}.{number + 1}") if name else ("conv", "norm")
        x = _convolution(x, w[f"{conv}.weight"], stride, padding, low)
        wide = x.astype(jnp.float32)
        mean, variance = wide.mean((0, 1, 2)), wide.var((0, 1, 2))
        count = wide.size // wide.shape[-1]
        _blend(kept, f"{norm}.running_mean", mean)
        _blend(kept, f"{norm}.running_var", variance * count / (count - 1))
        scale = lax.rsqrt(variance + 1e-5) * w[f"{norm}.weight"]
        return ((wide - mean) * scale + w[f"{norm}.bias"]).astype(low)

    def residual(block, x):
        short, out = x, x
        for number, (*_, stride, padding) in enumerate(block.convolutions):
            out = jax.nn.relu(out) if number else out
            out = normalized(f"{block.name}.body", 3 * number, out, stride, padding)
        if block.shortcut:
            short = normalized(f"{block.name}.shortcut", 0, x, block.shortcut[3], 0)
        return jax.nn.relu(out + short)

    x = jax.nn.relu(normalized("", 0, x.transpose(0, 2, 3, 1), 2, 3))
    x = _max_pool(x, 3, 2, 1)
    for block in blocks(_counts(w), bottleneck=True):
        x = residual(block, x)
    assert x.shape[-1] == width(_counts(w), bottleneck=True)
    x = _linear(w, "linear", x.astype(jnp.float32).mean((1, 2)), low)
    return x.astype(jnp.float32), kept


def _counts(w):
    """The blocks of each of the four stages."""
    names = {key.split(".")[1] for key in w if key.startswith("blocks.")}
    return [sum(name.startswith(f"{stage}_") for name in names) for stage in range(4)]


def _blend(kept, name, new):
    kept[name] = 0.9 * kept[name] + 0.1 * lax.stop_gradient(new)


def _lstm(w, kept, x, low):
    x = x.swapaxes(0, 1)
    for layer in range(2):
        weight_ih, weight_hh, bias_ih, bias_hh = (
            w[f"lstm.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        read = x @ weight_ih.T + bias_ih + bias_hh

        def step(state, row, weight=weight_hh):
            hidden, cell = state
            i, f, g, o = jnp.split(row + hidden @ weight.T, 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        zeros = jnp.zeros((x.shape[1], weight_hh.shape[1]))
        x = lax.scan(step, (zeros, zeros), read)[1]
    return _linear(w, "linear", x[-1], low), kept


def _gpt(w, kept, x, low):
    x = w["word.weight"][x] + w["position"]
    layers = len({key.split(".")[1] for key in w if key.startswith("blocks.")})
    for number in range(layers):
        x = _block(w, f"blocks.{number}", x, low)
    out = _linear(w, "head", _layer_norm(w, "norm", x), low)
    return out.reshape(-1, out.shape[-1]).astype(jnp.float32), kept


def _block(w, name, x, low):
    B, T, C = x.shape
    parts = _linear(w, f"{name}.attention", _layer_norm(w, f"{name}.norm1", x), low)
    heads = max(C // 64, 2)
    q, k, v = (part.reshape(B, T, heads, C // heads) for part in jnp.split(parts, 3, axis=-1))
    fused = "cudnn" if low == jnp.bfloat16 and jax.default_backend() == "gpu" else None
    mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation=fused)
    x = x + _linear(w, f"{name}.projection", mixed.reshape(B, T, C), low)
    wide = _linear(w, f"{name}.wide", _layer_norm(w, f"{name}.norm2", x), low)
    return x + _linear(w, f"{name}.narrow", jax.nn.gelu(wide, approximate=False), low)


def _layer_norm(w, name, x):
    x = x.astype(jnp.float32)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


_FORWARD = {"mlp": _mlp, "lenet": _lenet, "resnet50": _resnet, "lstm": _lstm, "gpt": _gpt}

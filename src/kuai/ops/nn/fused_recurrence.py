"""cuDNN's LSTM, on GPUs: all steps of all layers in one call, without a loop in the program.

Of float32, as JAX has it. As with PyTorch's there is a first derivative only; in
`with kuai.backends.cudnn.flags(enabled=False)` there are all. JAX calls its way to the kernel
experimental, so a process asks it for a small case first and compares.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from kuai.engine.tensor import modes
from kuai.engine.tensor.acceleration import is_cudnn_enabled, is_tensor_float_allowed
from kuai.engine.tensor.portable import is_portable

__all__ = ["fused_lstm", "may_be_fused"]


def may_be_fused(input) -> bool:
    """Whether a recurrent layer may read this tensor in a GPU's own kernel, which has no `vmap`."""
    return input.device.type == "cuda" and is_cudnn_enabled() and modes.state.level is None


def fused_lstm(input, hidden, cells, groups, directions):
    """The outputs (T, B, directions·H) and the last states of all layers, or None without a kernel.

    Args:
        input: (T, B, I).
        hidden, cells: the first states, (layers·directions, B, H).
        groups: the weights of each direction of each layer, by their names.
    """
    is_possible = not is_portable() and input.dtype == jnp.float32
    if not is_possible or 0 in input.shape or not _is_right():
        return None
    layers = len(groups) // directions
    sizes = _Sizes(input.shape[-1], hidden.shape[-1], layers, directions == 2, _precision())
    weights = jnp.concatenate([weight.reshape(-1) for weight in _in_order(groups)])
    made: Any = _lstm(sizes, jnp.swapaxes(input, 0, 1), hidden, cells, weights)
    output, hidden, cells = made
    return jnp.swapaxes(output, 0, 1), hidden, cells


@functools.cache
def _is_right() -> bool:
    """Whether the kernel is there, and gives the values and the gradients of JAX's reference."""
    sizes = _Sizes(3, 5, 2, True, jax.lax.Precision.HIGHEST)
    draw = np.random.default_rng(0).standard_normal
    count = rnn.get_num_params_in_lstm(3, 5, 2, True)
    shapes = (2, 6, 3), (4, 2, 5), (4, 2, 5), (count,)

    def reference(input, hidden, cells, weights):
        parts = rnn.unpack_lstm_weights(weights, *sizes[:4])
        lengths = jnp.full(len(input), input.shape[1], jnp.int32)
        return rnn.lstm_ref(input, hidden, cells, *parts, lengths, *sizes.arguments()[:5])

    def asked(function, arrays):
        results, pull_back = jax.vjp(function, *arrays)
        return results, pull_back(jax.tree.map(jnp.cos, results))

    try:
        with jax.ensure_compile_time_eval():
            arrays = jax.device_put([draw(s).astype(np.float32) for s in shapes], _card())
            pair = [
                jax.tree.leaves(jax.jit(functools.partial(asked, each))(arrays))
                for each in (functools.partial(_lstm, sizes), reference)
            ]
    except Exception:  # noqa: BLE001 - whatever JAX's plugin raises, the loop is right
        return False
    return all(np.allclose(a, b, 1e-3, 1e-3) for a, b in zip(*pair, strict=True))


def _card():
    return jax.local_devices(backend="gpu")[0]


def _precision():
    is_rough = is_tensor_float_allowed()
    return jax.lax.Precision.HIGH if is_rough else jax.lax.Precision.HIGHEST


def _in_order(groups):
    """The weights in cuDNN's order: all matrices, and then all biases."""
    for group in groups:
        yield from (group["weight_ih"], group["weight_hh"])
    for group in groups:
        zeros = jnp.zeros_like(group["weight_ih"][:, 0])
        yield from (group.get("bias_ih", zeros), group.get("bias_hh", zeros))


class _Sizes(NamedTuple):
    input: int
    hidden: int
    layers: int
    bidirectional: bool
    precision: jax.lax.Precision

    def arguments(self):
        """What JAX's functions take behind the arrays; the 0 is dropout between layers."""
        return self.input, self.hidden, self.layers, 0.0, self.bidirectional, self.precision


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(sizes, input, hidden, cells, weights):
    return _forward(sizes, input, hidden, cells, weights)[0]


def _forward(sizes, input, hidden, cells, weights):
    lengths = jnp.full(len(input), input.shape[1], jnp.int32)
    forward: Any = rnn.lstm_fwd  # its types hide that it takes the sizes by position
    return forward(input, hidden, cells, weights, lengths, *sizes.arguments())


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _backward(sizes, saved, cotangents):
    backward: Any = rnn.lstm_bwd
    return backward(*sizes.arguments(), saved, cotangents)[:4]


def _kept_nothing(sizes, saved, cotangents):
    return _backward(sizes, saved, cotangents), None


def _refuse(sizes, saved, cotangents):
    raise RuntimeError(
        "the derivative for '_cudnn_rnn_backward' is not implemented. Double backwards is not "
        "supported for CuDNN RNNs due to limitations in the CuDNN API. To run double backwards, "
        "please disable the CuDNN backend temporarily while running the forward pass of your RNN. "
        "For example: \nwith torch.backends.cudnn.flags(enabled=False):\n    output = model(inputs)"
    )


_lstm.defvjp(_forward, _backward)
_backward.defvjp(_kept_nothing, _refuse)

"""Filters whose output depends on their own past: torchaudio's compiled loops, as `lax.scan`.

Letters: B batch, C channels, T time, N the order of the filter plus one.
"""

import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, composite, op

__all__ = ["lfilter_core_loop", "overdrive_core_loop"]


@op(function=False, method=False, grad=None)
def _recursive(windows: Array, coefficients: Array, past: Array):
    """yₜ = xₜ - Σ aₙ yₜ₋ₙ for every channel; `past` are the N - 1 outputs before the first."""
    weights = coefficients[:, :-1]  # C, N - 1: from the oldest output to the last one

    def step(before, x):  # B, C, N - 1 and B, C
        y = x - (before * weights).sum(-1)
        return jnp.concatenate([before, y[..., None]], axis=-1)[..., 1:], y

    _, found = lax.scan(step, past, jnp.moveaxis(windows, 2, 0))
    return jnp.moveaxis(found, 0, 2)


@composite(function=False, method=False)
def lfilter_core_loop(input_signal_windows, a_coeffs_flipped, padded_output_waveform):
    """Write into the output what a filter of infinite response makes of a signal.

    Formula: yₜ = xₜ - Σₙ aₙ yₜ₋ₙ, n from 1 to N - 1. No gradient: torchaudio has its own.

    Shape: signal `(B, C, T)`, coefficients `(C, N)`, the oldest first and a₀ = 1 the last, output
    `(B, C, T + N - 1)`, whose first N - 1 are the outputs of before.

    Example:
        >>> y = kuai.zeros(1, 1, 4)
        >>> x, a = kuai.tensor([[[1.0, 0, 0]]]), kuai.tensor([[-0.5, 1.0]])
        >>> kuai.ops.torchaudio._lfilter_core_loop(x, a, y)
        >>> y
        tensor([[[0.0000, 1.0000, 0.5000, 0.2500]]])
    """
    before = a_coeffs_flipped.shape[1] - 1
    found = _recursive(
        input_signal_windows.detach(),
        a_coeffs_flipped.detach(),
        padded_output_waveform[:, :, :before].detach(),
    )
    padded_output_waveform[:, :, before:] = found


@op(function=False, method=False, grad=None)
def _overdriven(waveform: Array, temp: Array, last_in: Array, last_out: Array):
    def step(last, x):
        out = x - last[0] + 0.995 * last[1]
        return (x, out), out

    _, found = lax.scan(step, (last_in, last_out), temp.T)
    return waveform * 0.5 + found.T * 0.75


@composite(function=False, method=False)
def overdrive_core_loop(waveform, temp, last_in, last_out, output_waveform):
    """Write into the output the sound of an overdriven amplifier: half the sound, and the rest of
    it without what is constant.

    Formula: oₜ = xₜ - xₜ₋₁ + 0.995 oₜ₋₁ of the distorted sound x; the output is w / 2 + 3/4 o.

    Shape: sounds `(C, T)`; the last ones of before `(C,)`.

    Example:
        >>> out, zero = kuai.zeros(1, 2), kuai.zeros(1)
        >>> w = kuai.tensor([[1.0, 1.0]])
        >>> kuai.ops.torchaudio._overdrive_core_loop(w, w, zero, zero, out)
        >>> out
        tensor([[1.2500, 1.2463]])
    """
    parts = (each.detach() for each in (waveform, temp, last_in, last_out))
    output_waveform.copy_(_overdriven(*parts))

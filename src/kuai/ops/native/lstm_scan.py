"""All steps of one direction of an LSTM layer, as loops that XLA compiles.

    a = W·x + U·h + b,  i, f, o = σ(aᵢ), σ(a_f), σ(aₒ),  g = tanh(a_g)
    c ← f·c + i·g,  h ← o·tanh(c)

As σ(a) = ½·tanh(½a) + ½, the four gates are one tanh with a scale and a shift for each column: one
vectorized pass, in which XLA computes nothing twice (forward 0.5 of the time of four functions).

In the backward pass, what the gradients that arrive are multiplied by does not depend on them, so
it is computed for all steps at once. The loop is left with

    h̄ ← h̄ + y̅,  c̄ ← c̄ + h̄·o(1 - tanh²c),  ā = (c̄, c̄, c̄, h̄) · gates' · (g, c₋₁, i, tanh c),
    h̄ ← Uᵀ·ā,  c̄ ← c̄·f

where gates' is the derivative of the gates. Concatenations stand behind barriers: fused with
arithmetic they are a branch for each element (the loop takes 0.6 of the time without it).

Letters: T time, B batch, I input size, H hidden size.
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["backward", "before", "forward", "inference", "product"]


def inference(input, weight_ih, bias, hidden, cell, weight, *, reverse):
    """The outputs (T, B, H) of all steps, and the last cell (B, H).

    Args:
        input: what the layer reads, (T, B, I).
        weight_ih: what it is multiplied by, (4·H, I).
        bias: what is added to that, (4·H).
        hidden, cell: the first states, (B, H).
        weight: what a step's hidden state is multiplied by, (4·H, H).
        reverse: whether the steps go from the last to the first.
    """
    step = _step(bias, weight, lambda hidden, gates, cell: hidden)
    reads = product(input, weight_ih, 1)
    (_, cell), outputs = jax.lax.scan(step, (hidden, cell), reads, reverse=reverse)
    return outputs, cell


def forward(input, weight_ih, bias, hidden, cell, weight, *, reverse):
    """The outputs (T, B, H), the gates (T, B, 4·H) and the cells (T, B, H) of all steps."""
    step = _step(bias, weight, lambda *kept: kept)
    reads = product(input, weight_ih, 1)
    return jax.lax.scan(step, (hidden, cell), reads, reverse=reverse)[1]


def backward(gates, cells, cell, weight, of_outputs, of_hidden, of_cell, *, reverse):
    """The gradients of a (T, B, 4·H) in all steps, and of the first states.

    Args:
        gates, cells, cell, weight: as in `forward`.
        of_outputs, of_hidden, of_cell: the gradients of the outputs and of the last states.
    """

    def step(state, read):
        of_hidden, of_cell = state
        of_output, of_gates, of_squashed, forget = read
        of_hidden = of_hidden + of_output
        of_cell = of_cell + of_hidden * of_squashed
        of_hidden, of_cell = jax.lax.optimization_barrier((of_hidden, of_cell))
        made = _joined([of_cell, of_cell, of_cell, of_hidden]) * of_gates
        return (product(made, weight, 0), of_cell * forget), made

    reads = of_outputs, *_factors(gates, cells, before(cell, cells, reverse))
    states, made = jax.lax.scan(step, (of_hidden, of_cell), reads, reverse=not reverse)
    return made, *states


def product(rows, weight, dimension):
    """Rows (..., K) times a weight that is contracted along one of its dimensions."""
    return jax.lax.dot_general(rows, weight, (((rows.ndim - 1,), (dimension,)), ((), ())))


def before(first, steps, reverse):
    """The state that each step started from."""
    return jnp.concatenate([steps[1:], first[None]] if reverse else [first[None], steps[:-1]])


def _step(bias, weight, kept):
    """One step for `lax.scan`; `kept` makes what is handed out of hidden state, gates and cell."""
    scale, shift = _scale_and_shift(weight.shape[-1], weight.dtype)

    def step(state, read):
        hidden, cell = state
        gates = jnp.tanh((read + bias + product(hidden, weight, 1)) * scale) * scale + shift
        input_gate, forget, candidate, output_gate = jnp.split(gates, 4, axis=-1)
        cell = forget * cell + input_gate * candidate
        hidden = output_gate * jnp.tanh(cell)
        return (hidden, cell), kept(hidden, gates, cell)

    return step


def _scale_and_shift(size, dtype):
    """For each of the 4·H columns; the candidate's are 1 and 0, as it is a tanh itself."""
    scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5]), size).astype(dtype)
    return scale, 1 - scale


def _joined(arrays):
    return jax.lax.optimization_barrier(jnp.concatenate(arrays, axis=-1))


def _factors(gates, cells, before):
    """For all steps: what (c̄, c̄, c̄, h̄) and h̄ are multiplied by, and the forget gate."""
    input_gate, forget, candidate, output_gate = jnp.split(gates, 4, axis=-1)
    squashed = jnp.tanh(cells)
    scale, shift = _scale_and_shift(cells.shape[-1], cells.dtype)
    slope = scale * scale - jnp.square(gates - shift)  # a(1 - a) for a sigmoid, 1 - a² for a tanh
    others = _joined([candidate, before, input_gate, squashed])
    return slope * others, output_gate * (1 - squashed * squashed), forget

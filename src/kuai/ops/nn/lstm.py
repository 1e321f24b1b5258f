"""One direction of an LSTM layer, with its backward pass written by hand.

Kept for the backward pass are the gates, c and h of all steps, one array each; JAX's own derivative
of the loop keeps twelve, each of which costs a call in every step. The backward loop gives the
gradients ā of what the gates are made of; those of the input, of both weights and of the bias are
one product or one sum after it.

The loops are one kernel each where there is one (`kuai.ops.native.lstm_steps`), and XLA's
(`kuai.ops.native.lstm_scan`) elsewhere.

Letters: T time, B batch, I input size, H hidden size.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.ops.native import lstm_scan, lstm_steps


def _way(input, hidden, *others):
    """Where the loops are."""
    possible = lstm_steps.is_possible(input, hidden, *others)
    native = possible and lstm_steps.is_worthwhile((input.shape[0], *hidden.shape))
    return lstm_steps if native else lstm_scan


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def lstm_direction(reverse, input, weight_ih, bias, hidden, cell, weight):
    """The outputs (T, B, H) of all steps, and the last hidden state and cell.

    Args:
        reverse: whether the steps go from the last to the first.
        input: what the layer reads, (T, B, I).
        weight_ih: what it is multiplied by, (4·H, I).
        bias: what is added to that, (4·H).
        hidden, cell: the first states, (B, H).
        weight: what a step's hidden state is multiplied by, (4·H, H).
    """
    way = _way(input, hidden, weight_ih, bias, cell, weight)
    outputs, cell = way.inference(input, weight_ih, bias, hidden, cell, weight, reverse=reverse)
    return outputs, _last(outputs, reverse), cell


def _forward(reverse, input, weight_ih, bias, hidden, cell, weight):
    way = _way(input, hidden, weight_ih, bias, cell, weight)
    outputs, gates, cells = way.forward(
        input, weight_ih, bias, hidden, cell, weight, reverse=reverse
    )
    results = outputs, _last(outputs, reverse), _last(cells, reverse)
    return results, (input, weight_ih, hidden, cell, weight, outputs, gates, cells)


def _backward(reverse, saved, cotangents):
    input, weight_ih, hidden, cell, weight, outputs, gates, cells = saved
    way = _way(input, hidden, gates, cells, cell, weight, *cotangents)
    made, of_hidden, of_cell = way.backward(
        gates, cells, cell, weight, *cotangents, reverse=reverse
    )
    rows = made.reshape(-1, made.shape[-1])
    of_weight_ih = _summed(rows, input)
    of_weight = _summed(rows, lstm_scan.before(hidden, outputs, reverse))
    of_input, of_bias = lstm_scan.product(made, weight_ih, 0), jnp.sum(rows, axis=0)
    return of_input, of_weight_ih, of_bias, of_hidden, of_cell, of_weight


lstm_direction.defvjp(_forward, _backward)


def _last(steps, reverse):
    return steps[0 if reverse else -1]


def _summed(rows, read):
    """The gradient of a weight: what its products' gradients were, and what it was applied to.

    XLA's product is up to four times as fast if the wider matrix comes second; the barrier keeps
    XLA from turning it round.
    """
    read = read.reshape(-1, read.shape[-1])
    if read.shape[-1] >= rows.shape[-1]:
        return _contracted(rows, read)
    return jax.lax.optimization_barrier(_contracted(read, rows)).T


def _contracted(left, right):
    return jax.lax.dot_general(left, right, (((0,), (0,)), ((), ())))

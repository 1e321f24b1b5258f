"""Recurrent networks: Elman RNN, LSTM and GRU, as whole stacks of layers and as single cells.

What a step reads from the input does not depend on the state, so it is one matrix product for all
steps, outside the loop; one `lax.scan` for each direction of a layer does the rest. In the backward
pass the scan gives the gradients of the pre-activations of all steps, and the recurrent weight's
gradient is again one product outside: summing it up inside would read and write a matrix as large
as the weight in every step.

Letters: T time, B batch, I input size, H hidden size, G gates·H, P size of what a step hands on (H,
or the projection's size).
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, Sequence, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import spread
from kuai.ops.nn.dropout import keep_mask, scaled
from kuai.ops.nn.fused_recurrence import fused_lstm
from kuai.ops.nn.lstm import lstm_direction

# One step -----------------------------------------------------------------------------------------
#
# Each takes what the step reads from the input and from the state, (B, G) each, and the state.


def _elman_step(function, from_input, from_state, hidden, cell):
    return function(from_input + from_state), cell


def _lstm_step(from_input, from_state, hidden, cell):
    gates = jnp.split(from_input + from_state, 4, axis=-1)
    input_gate, forget_gate, output_gate = map(jax.nn.sigmoid, (gates[0], gates[1], gates[3]))
    cell = forget_gate * cell + input_gate * jnp.tanh(gates[2])
    return output_gate * jnp.tanh(cell), cell


def _gru_step(from_input, from_state, hidden, cell):
    input_reset, input_update, input_new = jnp.split(from_input, 3, axis=-1)
    state_reset, state_update, state_new = jnp.split(from_state, 3, axis=-1)
    reset = jax.nn.sigmoid(input_reset + state_reset)
    update = jax.nn.sigmoid(input_update + state_update)
    new = jnp.tanh(input_new + reset * state_new)
    return new + update * (hidden - new), cell


_STEPS = {
    "RNN_TANH": functools.partial(_elman_step, jnp.tanh),
    "RNN_RELU": functools.partial(_elman_step, jax.nn.relu),
    "LSTM": _lstm_step,
    "GRU": _gru_step,
}


def _times(rows, weight):
    """rows · weightᵀ along the last dimension."""
    return jax.lax.dot_general(rows, weight, (((rows.ndim - 1,), (1,)), ((), ())))


# One direction of one layer -----------------------------------------------------------------------


def _scan(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask):
    """All steps: outputs (T, B, P) and the last state.

    `bias` is what is added to weight·h in each step, (T, B, G); None stands for zeros. Where `mask`
    (T, B) is False a step leaves the state as it is.
    """

    def step(state, read):
        from_input, bias, is_open = read
        from_state = _times(state[0], weight)
        if bias is not None:
            from_state = from_state + bias
        hidden, cell = _STEPS[mode](from_input, from_state, *state)
        hidden = hidden if projection is None else _times(hidden, projection)
        if is_open is not None:
            hidden, cell = _kept(is_open, (hidden, cell), state)
        return (hidden, cell), hidden

    reads = from_input, bias, mask
    (hidden, cell), outputs = jax.lax.scan(step, (hidden, cell), reads, reverse=reverse)
    return outputs, hidden, cell


def _kept(is_open, new, old):
    """The new state where a sequence goes on, the old one where it is over."""
    return jax.tree.map(lambda now, before: jnp.where(is_open[:, None], now, before), new, old)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _direction(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask):
    return _scan(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask)


def _direction_forward(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask):
    def with_fixed_weight(from_input, bias, hidden, cell, projection):
        return _scan(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask)

    results, pull_back = jax.vjp(with_fixed_weight, from_input, bias, hidden, cell, projection)
    return results, (pull_back, results[0], hidden)


def _direction_backward(mode, reverse, saved, cotangents):
    pull_back, outputs, first = saved
    of_input, of_bias, of_hidden, of_cell, of_projection = pull_back(cotangents)
    of_gates = of_input if of_bias is None else of_bias  # (T, B, G): what reached weight·h
    before = [outputs[1:], first[None]] if reverse else [first[None], outputs[:-1]]
    of_weight = jnp.einsum("tbg,tbp->gp", of_gates, jnp.concatenate(before))
    return of_input, of_bias, of_hidden, of_cell, of_weight, of_projection, None


_direction.defvjp(_direction_forward, _direction_backward)


def _one_bias(weights):
    if "bias_ih" in weights:
        return weights["bias_ih"] + weights["bias_hh"]
    return jnp.zeros_like(weights["weight_ih"][:, 0])


def _run_direction(mode, reverse, input, hidden, cell, weights, mask):
    """One direction of a layer for input (T, B, I)."""
    weight, projection = weights["weight_hh"], weights.get("weight_hr")
    if mode == "LSTM" and projection is None and mask is None:
        weight_ih, bias = weights["weight_ih"], _one_bias(weights)
        return lstm_direction(reverse, input, weight_ih, bias, hidden, cell, weight)
    from_input = _times(input, weights["weight_ih"])  # (T, B, G)
    bias = None
    if "bias_ih" in weights:
        from_input = from_input + spread(weights["bias_ih"], from_input.shape)
        # In a GRU the reset gate stands between the state's bias and the input's.
        if mode == "GRU":
            bias = spread(weights["bias_hh"], from_input.shape)
        else:
            from_input = from_input + spread(weights["bias_hh"], from_input.shape)
    elif mode == "GRU":
        bias = jnp.zeros_like(from_input)
    return _direction(mode, reverse, from_input, bias, hidden, cell, weight, projection, mask)


# A stack of layers --------------------------------------------------------------------------------


def _named(weights, has_biases, projected):
    """The weights of each direction of each layer, from their flat list."""
    names = ["weight_ih", "weight_hh"]
    names += ["bias_ih", "bias_hh"] if has_biases else []
    names += ["weight_hr"] if projected else []
    groups = range(0, len(weights), len(names))
    return [dict(zip(names, weights[at : at + len(names)], strict=True)) for at in groups]


def _drop(key, layer, input, p, bits):
    mask = keep_mask(jax.random.fold_in(key, layer), input.shape, p, bits)
    return jnp.where(mask, scaled(input, p, bits), 0).astype(input.dtype)


def _zeros(groups, mode, input):
    """First states where none are given."""
    rows, size = groups[0]["weight_hh"].shape
    shape = len(groups), input.shape[1]
    hidden = jnp.zeros((*shape, size), input.dtype)
    return hidden, jnp.zeros((*shape, rows // 4), input.dtype) if mode == "LSTM" else None


def _run_layer(mode, input, hidden, cells, groups, mask):
    """Both directions, or the only one, of a layer; their outputs side by side."""
    made = [
        _run_direction(
            mode, at == 1, input, hidden[at], None if cells is None else cells[at], group, mask
        )
        for at, group in enumerate(groups)
    ]
    outputs, last_hidden, last_cells = zip(*made, strict=True)
    joined = outputs[0] if len(made) == 1 else jnp.concatenate(outputs, axis=-1)
    return joined, last_hidden, last_cells


def _stack(key, input, states, weights, shape, dropout=(), mask=None, fused=False):
    """Every layer after the other; with a key, dropout between them: its p, and the bits for it.

    `mask`, (T, B), says which steps are part of the sequences; None stands for all of them.
    `fused` says whether it is for a GPU, and a kernel of its own may be taken.
    """
    mode, has_biases, projected, directions, batch_first = shape
    if batch_first:
        input = jnp.swapaxes(input, 0, 1)  # (T, B, I)
    if input.shape[0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    _check_dtypes(input, *states)
    groups = _named(weights, has_biases, projected)
    first: tuple = (*states, None)[:2] if states else _zeros(groups, mode, input)
    hidden, cells = first
    if fused and mode == "LSTM" and not projected:
        made = fused_lstm(input, hidden, cells, groups, directions)
        if made is not None:
            output, *last = made
            return jnp.swapaxes(output, 0, 1) if batch_first else output, *last
    last_hidden, last_cells = [], []
    for layer in range(0, len(groups), directions):
        if key is not None and layer:
            input = _drop(key, layer, input, *dropout)
        part = slice(layer, layer + directions)
        own_cells = None if cells is None else cells[part]
        input, new_hidden, new_cells = _run_layer(
            mode, input, hidden[part], own_cells, groups[part], mask
        )
        last_hidden += new_hidden
        last_cells += new_cells
    output = jnp.swapaxes(input, 0, 1) if batch_first else input
    if mode == "LSTM":
        return output, jnp.stack(last_hidden), jnp.stack(last_cells)
    return output, jnp.stack(last_hidden)


def _check_dtypes(input, *others):
    for other in others:
        if other.dtype != input.dtype:
            names = scalar_name(other.dtype), scalar_name(input.dtype)
            raise RuntimeError(
                "mat1 and mat2 must have the same dtype, but got {} and {}".format(*names)
            )


def _layer_choice(input, states, weights, shape, *others, **options):
    """PyTorch's states of a GRU keep their precision on a CPU."""
    return "first" if shape[0] == "GRU" else "lower"


@op(
    function=False,
    method=False,
    grad="StackBackward0",
    autocast={"cpu": _layer_choice, "cuda": "lower"},
)
def recurrent_stack(
    input: Array,
    states: Sequence[Array],
    weights: Sequence[Array],
    shape: tuple,
    fused: bool = False,
):
    """Layers of an RNN, LSTM or GRU: the output of all steps, and the last states.

    Args:
        states: the first hidden state (layers·directions, B, P), and for an LSTM the first cell
            state (layers·directions, B, H); an empty list for zeros.
        weights: for each direction of each layer weight_ih (G, I), weight_hh (G, P), with biases
            bias_ih (G) and bias_hh (G), with a projection weight_hr (P, H).
        shape: the mode (RNN_TANH, RNN_RELU, LSTM or GRU), whether there are biases, whether there
            are projections, the number of directions, and whether B comes before T.
        fused: whether `may_be_fused` allows a GPU's own kernel.
    """
    return _stack(None, input, states, weights, shape, fused=fused)


@op(
    function=False,
    method=False,
    random=True,
    grad="StackBackward0",
    autocast={"cpu": _layer_choice, "cuda": "lower"},
)
def recurrent_stack_with_dropout(
    key,
    input: Array,
    states: Sequence[Array],
    weights: Sequence[Array],
    shape: tuple,
    dropout: Number,
    bits: int,
):
    """`recurrent_stack` with dropout of what each layer but the first reads."""
    return _stack(key, input, states, weights, shape, (dropout, bits))


# Sequences of different lengths -------------------------------------------------------------------


def _packed_stack(key, data, places, mask, rows, states, weights, shape, dropout=()):
    """Steps in one row, (sum of lengths, I): spread out, run, put in a row again."""
    if data.ndim != 2:
        raise RuntimeError(f"input must have 2 dimensions, got {data.ndim}")
    _check_dtypes(data, *states)
    input = jnp.where(mask[..., None], data[places], jnp.zeros((), data.dtype))  # (T, B, I)
    output, *last = _stack(key, input, states, weights, shape, dropout, mask)
    return output.reshape(-1, output.shape[-1])[rows], *last


def _packed_choice(data, places, mask, rows, states, weights, shape, *dropout):
    """PyTorch's states of an LSTM and a GRU keep their precision on a CPU."""
    return "lower" if shape[0].startswith("RNN") else "first"


_packed_options: dict = dict(
    function=False,
    method=False,
    grad="CatBackward0",
    autocast={"cpu": _packed_choice, "cuda": "lower"},
)


@op(**_packed_options)
def packed_recurrent_stack(
    data: Array,
    places: Array,
    mask: Array,
    rows: Array,
    states: Sequence[Array],
    weights: Sequence[Array],
    shape: tuple,
):
    """`recurrent_stack` of sequences of different lengths, whose steps stand in one row.

    Args:
        data: all first steps, then all second ones, … (sum of lengths, I).
        places: where in `data` each step of each sequence is, (T, B).
        mask: whether a sequence has that many steps, (T, B).
        rows: where in the flattened (T, B) each row of `data` belongs.
    """
    return _packed_stack(None, data, places, mask, rows, states, weights, shape)


@op(random=True, **_packed_options)
def packed_recurrent_stack_with_dropout(
    key,
    data: Array,
    places: Array,
    mask: Array,
    rows: Array,
    states: Sequence[Array],
    weights: Sequence[Array],
    shape: tuple,
    dropout: Number,
    bits: int,
):
    """`packed_recurrent_stack` with dropout of what each layer but the first reads."""
    return _packed_stack(key, data, places, mask, rows, states, weights, shape, (dropout, bits))


# A cell -------------------------------------------------------------------------------------------

_CELL_NAMES = {1: "TanhBackward0", 3: "AddBackward0", 4: "MulBackward0"}


def _cell_name(input, hidden, *rest):
    """What PyTorch calls the last thing a cell does, by the number of its gates."""
    gates = rest[-1].shape[0] // hidden.shape[-1]
    return _CELL_NAMES[gates] if input.ndim == 2 else "SqueezeBackward1"


def _cell_choice(input, states, *rest):
    """PyTorch's states of an LSTM and a GRU keep their precision on a CPU."""
    return "lower" if rest[-1].startswith("RNN") else "first"


@op(
    function=False,
    method=False,
    grad=_cell_name,
    autocast={"cpu": _cell_choice, "cuda": "lower"},
)
def recurrent_cell(
    input: Array,
    states: Sequence[Array],
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None,
    bias_hh: Array | None,
    mode: str,
):
    """One step of an RNN, LSTM or GRU for input (B, I) or (I): the new hidden state, and cell."""
    is_batched = input.ndim == 2
    if not is_batched:
        input, states = input[None], [state[None] for state in states]
    _check_cell(input, states, weight_ih, weight_hh)
    _check_dtypes(weight_ih, input, *states)
    from_input, from_state = _times(input, weight_ih), _times(states[0], weight_hh)
    from_input = from_input if bias_ih is None else from_input + bias_ih
    from_state = from_state if bias_hh is None else from_state + bias_hh
    made = _STEPS[mode](from_input, from_state, states[0], states[-1])
    made = made if is_batched else tuple(state[0] for state in made)
    return made if mode == "LSTM" else made[0]


def _check_cell(input, states, weight_ih, weight_hh):
    if input.shape[1] != weight_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {weight_ih.shape[1]}"
        )
    size = weight_hh.shape[1]
    for number, state in enumerate(states):
        if state.shape[0] != input.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{number} "
                f"batch size {state.shape[0]}"
            )
        if state.shape[1] != size:
            raise RuntimeError(
                f"hidden{number} has inconsistent hidden_size: got {state.shape[1]}, "
                f"expected {size}"
            )

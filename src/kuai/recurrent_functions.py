"""Recurrent networks as functions of their weights: what `nn.LSTM` and the others compute.

The weights are in the order of `nn.LSTM.parameters()`. Sequences of different lengths come as in a
packed sequence: the data, and the numbers of sequences at each time before the states.
"""

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.modules.packed_sequence import layout_of
from kuai.ops.nn.dropout import probability
from kuai.ops.nn.fused_recurrence import may_be_fused
from kuai.ops.nn.recurrent import (
    packed_recurrent_stack,
    packed_recurrent_stack_with_dropout,
    recurrent_stack,
    recurrent_stack_with_dropout,
)

__all__ = ["gru", "lstm", "rnn_relu", "rnn_tanh"]


def _run(mode: str, input, *rest) -> tuple:
    """The output and the last states, for either order of the arguments."""
    is_padded = isinstance(rest[2], bool)  # `has_biases`, behind the weights
    return (_run_padded if is_padded else _run_packed)(mode, input, *rest)


def _run_padded(
    mode, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
):
    shape = (mode, has_biases, _projected(mode, params, has_biases), 1 + bidirectional, batch_first)
    arguments = input, _listed(hx), list(params), shape
    if train and dropout > 0 and num_layers > 1:
        return recurrent_stack_with_dropout(*arguments, *probability(dropout))
    return recurrent_stack(*arguments, may_be_fused(input))


def _run_packed(
    mode, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional
):
    shape = (mode, has_biases, _projected(mode, params, has_biases), 1 + bidirectional, False)
    layout = layout_of(batch_sizes).tensors(data.device)
    arguments = data, *layout, _listed(hx), list(params), shape
    if train and dropout > 0 and num_layers > 1:
        return packed_recurrent_stack_with_dropout(*arguments, *probability(dropout))
    return packed_recurrent_stack(*arguments)


def _projected(mode, params, has_biases) -> bool:
    """Whether an LSTM's states are projected: then the state is read by as many columns fewer."""
    return mode == "LSTM" and params[1].shape[1] * 4 != params[1].shape[0]


def _listed(hx) -> list:
    return [hx] if isinstance(hx, Tensor) else list(hx)


def lstm(input: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The output of all steps of an LSTM, and its two states after the last.

    Called as `lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)` or `lstm(data, batch_sizes, hx, params, has_biases, …, bidirectional)`.

    Example:
        >>> net, zeros = kuai.nn.LSTM(3, 2), kuai.zeros(1, 4, 2)
        >>> weights = list(net.parameters())
        >>> x = kuai.ones(5, 4, 3)
        >>> output, h, c = kuai.lstm(x, [zeros, zeros], weights, True, 1, 0.0, False, False, False)
        >>> output.shape, h.shape
        (torch.Size([5, 4, 2]), torch.Size([1, 4, 2]))
    """
    return tuple(_run("LSTM", input, *args))


def gru(input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    """The output of all steps of a GRU, and its state after the last; arguments as `lstm`'s."""
    return tuple(_run("GRU", input, *args))


def rnn_tanh(input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    """The output of all steps of an Elman network with tanh, and its last state; see `lstm`."""
    return tuple(_run("RNN_TANH", input, *args))


def rnn_relu(input: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    """The output of all steps of an Elman network with ReLU, and its last state; see `lstm`."""
    return tuple(_run("RNN_RELU", input, *args))

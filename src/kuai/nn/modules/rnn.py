"""Recurrent layers over whole sequences: RNN, LSTM and GRU.

The weights of layer k are `weight_ih_lk`, `weight_hh_lk`, `bias_ih_lk`, `bias_hh_lk` and, with a
projection, `weight_hr_lk`; those of the reverse direction end in `_reverse`.
"""

import numbers
import warnings
from typing import TYPE_CHECKING, Any

from kuai.engine.tensor import Tensor, modes
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter
from kuai.nn.modules.packed_sequence import PackedSequence, layout_of
from kuai.nn.modules.rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase, draw_uniform
from kuai.ops.nn.dropout import probability
from kuai.ops.nn.fused_recurrence import may_be_fused
from kuai.ops.nn.recurrent import (
    packed_recurrent_stack,
    packed_recurrent_stack_with_dropout,
    recurrent_stack,
    recurrent_stack_with_dropout,
)

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """The slices of a state in another order; subclasses import it."""
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """Parameters and checks that RNN, LSTM and GRU share."""

    _said = ""  # the word that PyTorch's message about a wrong rank has for RNN only

    def __init__(
        self,
        mode,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_dropout(dropout)
        self._check_arguments()
        self._make_weights({"device": device, "dtype": dtype})
        self.reset_parameters()

    def _check_dropout(self, dropout: float):
        is_number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
        if not is_number or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={self.num_layers}",
                stacklevel=4,
            )

    def _check_arguments(self):
        kinds = {"bias": bool, "batch_first": bool, "input_size": int, "hidden_size": int}
        for name, kind in kinds.items():
            found = getattr(self, name)
            if not isinstance(found, kind):
                raise TypeError(
                    f"{name} should be of type {kind.__name__}, got: {type(found).__name__}"
                )
            if kind is int and found <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}")

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _output_size(self) -> int:
        """The size of what one direction hands on."""
        return self.proj_size or self.hidden_size

    def _make_weights(self, made):
        self._all_weights = []
        for layer in range(self.num_layers):
            reads = self.input_size if layer == 0 else self._output_size * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                shapes = self._shapes(reads)
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    self.register_parameter(name, parameter(shape, **made))
                self._all_weights.append(names)

    def _shapes(self, reads) -> dict:
        rows = _GATES[self.mode] * self.hidden_size
        shapes = {"weight_ih": (rows, reads), "weight_hh": (rows, self._output_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size > 0:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    @property
    def all_weights(self) -> list:
        """The parameters, one list for each direction of each layer."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list:
        """The parameters' names in one list; initializers of PyTorch's users loop over it."""
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list:
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Does nothing: XLA lays parameters out itself."""

    def reset_parameters(self):
        """Draw all parameters anew, uniform in ±1/sqrt(hidden_size)."""
        draw_uniform(self)

    def forward(self, input: Tensor, hx=None) -> tuple[Tensor, Any]:
        """The output of all steps, and the state after the last."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_rank(input)
        is_batched = input.ndim == 3
        batch_dim = 0 if self.batch_first else 1
        if hx is not None:
            hx = self._batched_states(self._states(hx), is_batched)
        if not is_batched:
            input = input.unsqueeze(batch_dim)
        self._check_input(input)
        self._check_states(hx, input.shape[batch_dim])
        output, *states = self._run(input, [] if hx is None else hx)
        if not is_batched:
            output, states = output.squeeze(batch_dim), [state.squeeze(1) for state in states]
        return output, self._packed_states(states)

    def _run(self, input, states):
        weights = [weight for group in self.all_weights for weight in group]
        projected = self.proj_size > 0
        shape = (self.mode, self.bias, projected, self._directions, self.batch_first)
        if self.training and self.dropout > 0 and self.num_layers > 1:
            return recurrent_stack_with_dropout(
                input, states, weights, shape, *probability(self.dropout)
            )
        return recurrent_stack(input, states, weights, shape, may_be_fused(input))

    def _forward_packed(self, input, hx) -> Any:
        """As `forward`, for sequences of different lengths."""
        data, batch_sizes, order, back = input
        self._check_input(data)
        states = [] if hx is None else self._states(hx)
        layout = layout_of(batch_sizes)
        self._check_states(states, layout.batch)
        if order is not None:
            states = [state.index_select(1, order) for state in states]
        output, *last = self._run_packed(data, layout.tensors(data.device), states)
        if back is not None:
            last = [state.index_select(1, back) for state in last]
        return PackedSequence(output, batch_sizes, order, back), self._packed_states(last)

    def _run_packed(self, data, layout, states):
        weights = [weight for group in self.all_weights for weight in group]
        shape = (self.mode, self.bias, self.proj_size > 0, self._directions, False)
        arguments = data, *layout, states, weights, shape
        if self.training and self.dropout > 0 and self.num_layers > 1:
            return packed_recurrent_stack_with_dropout(*arguments, *probability(self.dropout))
        return packed_recurrent_stack(*arguments)

    def _states(self, hx) -> list:
        return [hx]

    def _packed_states(self, states):
        return states[0]

    def _check_rank(self, input):
        if input.ndim not in (2, 3):
            name = self.mode.split("_")[0]
            raise ValueError(
                f"{name}: Expected input to be 2D or 3D, got {input.ndim}D {self._said}instead"
            )

    def _batched_states(self, states, is_batched):
        rank = 3 if is_batched else 2
        if any(state.dim() != rank for state in states):
            raise RuntimeError(self._rank_message(states, rank))
        return states if is_batched else [state.unsqueeze(1) for state in states]

    def _rank_message(self, states, rank) -> str:
        kind = "batched" if rank == 3 else "unbatched"
        return (
            f"For {kind} {rank}-D input, hx should also be {rank}-D "
            f"but got {states[0].ndim}-D tensor"
        )

    def _check_input(self, input):
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != dtype and modes.state.autocast is None:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _check_states(self, states, batch):
        sizes = (self._output_size, self.hidden_size)
        for number, state in enumerate(states or []):
            wanted = (self.num_layers * self._directions, batch, sizes[number])
            if tuple(state.shape) != wanted:
                place = f"[{number}]" if len(states) > 1 else ""
                raise RuntimeError(f"Expected hidden{place} size {wanted}, got {list(state.shape)}")

    def extra_repr(self):
        """What is printed between the parentheses."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        parts = [str(self.input_size), str(self.hidden_size)]
        for name, default in defaults.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _refuse_projection(keywords):
    if "proj_size" in keywords:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """An Elman network: hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh), or with relu.

    Args:
        input_size, hidden_size: the sizes of x and h.
        num_layers: layers on top of each other.
        nonlinearity: `'tanh'` or `'relu'`.
        bias, batch_first, dropout, bidirectional, device, dtype: as for `LSTM`.

    Shape:
        input `(T, B, input_size)`, `(B, T, input_size)` with `batch_first`, or `(T, input_size)`;
        output likewise with `directions·hidden_size`; state `(layers·directions, B, hidden_size)`.

    Example:
        >>> output, state = kuai.nn.RNN(10, 20, 2)(kuai.ones(5, 3, 10))
        >>> output.shape, state.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))

    Reference: Elman, Finding structure in time, 1990.
    """

    _said = "tensor "

    if TYPE_CHECKING:

        def forward(self, input: Tensor, hx=None) -> tuple[Tensor, Tensor]: ...

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        nonlinearity = args[3] if len(args) > 3 else kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args[:3], *args[4:], **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """A network of long short-term memory cells.

    i, f, o = σ(W x + b + U h + c) for input, forget and output gate, g = tanh(…) likewise;
    cₜ = f·cₜ₋₁ + i·g, hₜ = o·tanh(cₜ). The rows of the weights are in the order i, f, g, o.

    Args:
        input_size, hidden_size: the sizes of x and h.
        num_layers: layers on top of each other.
        bias: whether there are b and c.
        batch_first: the batch is the first dimension of input and output.
        dropout: of the output of each layer but the last, while training.
        bidirectional: a second set of weights reads the sequence from its end.
        proj_size: h is projected to this size, unless it is 0.

    Shape:
        input `(T, B, input_size)`, `(B, T, input_size)` with `batch_first`, or `(T, input_size)`;
        output likewise; both states `(layers·directions, B, hidden_size)`.

    Example:
        >>> output, (h, c) = kuai.nn.LSTM(10, 20, 2, bidirectional=True)(kuai.ones(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 3, 40]), torch.Size([4, 3, 20]), torch.Size([4, 3, 20]))

    Reference: Hochreiter, Schmidhuber, Long short-term memory, 1997.
    """

    if TYPE_CHECKING:

        def forward(self, input: Tensor, hx=None) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def _states(self, hx) -> list:
        states = [hx[0], hx[1]]
        if len(hx) > 2:
            raise RuntimeError("lstm expects two hidden states")
        return states

    def _packed_states(self, states):
        return tuple(states)

    def _rank_message(self, states, rank) -> str:
        kind = "batched" if rank == 3 else "unbatched"
        found = ", ".join(f"{state.ndim}-D" for state in states)
        return (
            f"For {kind} {rank}-D input, hx and cx should also be {rank}-D "
            f"but got ({found}) tensors"
        )


class GRU(RNNBase):
    """A network of gated recurrent units.

    r, z = σ(W x + b + U h + c), n = tanh(W x + b + r·(U h + c)), hₜ = (1 - z)·n + z·hₜ₋₁.
    The rows of the weights are in the order r, z, n.

    Args:
        input_size, hidden_size: the sizes of x and h.
        num_layers, bias, batch_first, dropout, bidirectional: as for `LSTM`.

    Shape:
        input `(T, B, input_size)`, `(B, T, input_size)` with `batch_first`, or `(T, input_size)`;
        output likewise; state `(layers·directions, B, hidden_size)`.

    Example:
        >>> output, state = kuai.nn.GRU(10, 20, batch_first=True)(kuai.ones(3, 5, 10))
        >>> output.shape, state.shape
        (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))

    Reference: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.
    """

    if TYPE_CHECKING:

        def forward(self, input: Tensor, hx=None) -> tuple[Tensor, Tensor]: ...

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

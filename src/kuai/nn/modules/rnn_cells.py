"""Recurrent cells: one step of an RNN, LSTM or GRU."""

import math

from kuai.engine.tensor import Tensor
from kuai.nn import init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter
from kuai.ops.nn.recurrent import recurrent_cell

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


def draw_uniform(module) -> None:
    """All parameters uniform in ±1/sqrt(hidden_size)."""
    bound = 1.0 / math.sqrt(module.hidden_size) if module.hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNCellBase(Module):
    """Parameters and checks that the cells share."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows, made = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = parameter((rows, input_size), **made)
        self.weight_hh = parameter((rows, hidden_size), **made)
        self.register_parameter("bias_ih", parameter(rows, **made) if bias else None)
        self.register_parameter("bias_hh", parameter(rows, **made) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw all parameters anew, uniform in ±1/sqrt(hidden_size)."""
        draw_uniform(self)

    def _step(self, mode, input, states):
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return recurrent_cell(input, states, *weights, mode)

    def _check_rank(self, what, tensor):
        if tensor.dim() not in (1, 2):
            name = type(self).__name__
            raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {tensor.dim()}D instead")

    def _zeros(self, input):
        return input.new_zeros((*input.shape[:-1], self.hidden_size))

    def extra_repr(self):
        """What is printed between the parentheses."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class _OneStateCell(RNNCellBase):
    """A cell whose state is one tensor."""

    def _next(self, mode, input, hx):
        self._check_rank("input", input)
        if hx is not None:
            self._check_rank("hidden", hx)
        return self._step(mode, input, [self._zeros(input) if hx is None else hx])


class RNNCell(_OneStateCell):
    """One step of an Elman network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu.

    Shape:
        input `(B, input_size)` or `(input_size)`; state and output `(B, hidden_size)` likewise.

    Example:
        >>> kuai.nn.RNNCell(10, 20)(kuai.ones(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx=None) -> Tensor:
        """The next state; without `hx` the state is zero."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._next(f"RNN_{self.nonlinearity.upper()}", input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: from (h, c) to (h', c').

    Shape:
        input `(B, input_size)` or `(input_size)`; both states `(B, hidden_size)` likewise.

    Example:
        >>> h, c = kuai.nn.LSTMCell(10, 20)(kuai.ones(3, 10))
        >>> h.shape
        torch.Size([3, 20])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx=None) -> tuple[Tensor, Tensor]:
        """The next hidden state and cell state; without `hx` they are zero."""
        self._check_rank("input", input)
        for number, state in enumerate(() if hx is None else hx):
            self._check_rank(f"hx[{number}]", state)
        if isinstance(hx, Tensor):
            raise TypeError(
                "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not "
                f"{type(hx).__name__}"
            )
        return self._step("LSTM", input, [self._zeros(input)] * 2 if hx is None else list(hx))


class GRUCell(_OneStateCell):
    """One step of a gated recurrent unit.

    Shape:
        input `(B, input_size)` or `(input_size)`; state and output `(B, hidden_size)` likewise.

    Example:
        >>> kuai.nn.GRUCell(10, 20)(kuai.ones(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx=None) -> Tensor:
        """The next state; without `hx` it is zero."""
        return self._next("GRU", input, hx)

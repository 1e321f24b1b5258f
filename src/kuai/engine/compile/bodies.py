"""The capture of a body: what a branch or a loop reaches beside its arguments.

A body is a function on tensors that becomes a part of a program being traced (see `lifting`). While
it runs once on stand-ins, a `Body` takes the place of the enclosing capture and notes

    tensors     that require a gradient: they stay differentiable, by their edges
    storages    that are read or written: buffers, the random generator's state

as inputs. Nothing is asked of the enclosing capture but shapes: what it would trace now would land
in the wrong trace, so values are fetched when the body's trace is over.
"""

from typing import NamedTuple

import jax
import numpy as np

from kuai.engine.autograd.tape import AccumulateGrad, Node, edge_of
from kuai.engine.autograd.tracing import Capture
from kuai.engine.tensor import Tensor, modes, views, wrap
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.storage import Lost, Storage
from kuai.errors import ControlFlowError, LeakedTensorError

__all__ = ["WRITES_HISTORY", "Aval", "Body", "Boundary", "Refresh", "aval_of"]

WRITES_HISTORY = "writes a result that requires a gradient into a tensor from outside"


class Boundary(Node):
    """Where a body's graph ends: at an argument, or at a tensor from outside."""

    def __init__(self):
        super().__init__("BodyInput", ())

    def apply(self, cotangents, create_graph):
        raise ControlFlowError(
            "backward() was called inside the body of a control flow operation and would have to "
            "go on outside of it. Call backward() outside, or use kuai.autograd.grad inside."
        )


class Aval(NamedTuple):
    """What is known of a tensor that is yet to come."""

    shape: tuple
    dtype: np.dtype
    requires_grad: bool = False

    def __str__(self):
        return f"{self.dtype}{list(self.shape)}"

    def like(self, other) -> bool:
        """Whether shape and dtype are the same."""
        return self[:2] == other[:2]


def aval_of(tensor) -> Aval:
    """What a body gets to know of a tensor."""
    array = views.outline(tensor)
    return Aval(array.shape, np.dtype(array.dtype), tensor.requires_grad)


class Refresh(Exception):
    """A view has to make its node anew, outside of the body, before the body can use it."""

    def __init__(self, view):
        super().__init__()
        self.view = view


class Body(Capture):
    """The capture of one body; `outer` is the capture it is a part of, if any."""

    def __init__(self, outer, what):
        device = device_of(None) if outer is None else outer.device
        super().__init__(device, Node("body", ()).sequence)
        self.outer, self.what = outer, what
        self.entered = {}  # edge -> stand-in of the tensor from outside, number of its input
        self.states = 0  # how many storages from outside the body itself has written
        self.used = {}  # id -> (tensor from outside, its node, its output)

    def shadow(self, storage):
        """The traced double of a storage from outside."""
        double = self.doubles.get(storage)
        if double is None:
            array = _present(self.outer, storage)
            traced = self.new_input(("state", storage), array.shape, array.dtype)
            double = self.doubles[storage] = Storage(traced, self)
        return double

    def write(self, storage, array):
        """Note that a storage from outside now holds `array`."""
        before = self.shadow(storage).held
        if (array.shape, array.dtype) != (before.shape, before.dtype):
            raise ControlFlowError(
                f"{self.what}: the body changes a tensor from outside from "
                f"{Aval(before.shape, before.dtype)} to {Aval(array.shape, array.dtype)}; inside "
                "a program it has to keep its shape and dtype."
            )
        super().write(storage, array)

    def enter(self, values):
        """Put stand-ins in the place of tensors from outside that require gradients."""
        return [
            self._stand_in(v) if isinstance(v, Tensor) and v._storage.home is not self else v
            for v in values
        ]

    def _stand_in(self, tensor):
        if tensor._base is not None and tensor._base._changes != tensor._seen:
            raise Refresh(tensor)
        self.used.setdefault(id(tensor), (tensor, tensor._node, tensor._output))
        edge = edge_of(tensor) if modes.state.grad_enabled else None
        if edge is None or edge[0].sequence >= self.first_sequence:
            return tensor  # without gradient, or a view made in the body
        if edge not in self.entered:
            shape, kind = _aval_outside(self.outer, tensor)
            index = len(self.sources)
            found = wrap(self.new_input(("tensor", tensor), shape, kind))
            found._node = edge[0] if isinstance(edge[0], AccumulateGrad) else Boundary()
            self.entered[edge] = (found, index)
        return self.entered[edge][0]

    def _refuse_grad(self, tensor):
        if tensor._storage.home is not self:
            raise ControlFlowError(
                f"{self.what}: the body uses the .grad of a tensor from outside. Call backward() "
                "outside of the body, or use kuai.autograd.grad inside."
            )

    def read_grad(self, tensor):
        """The `.grad` of a tensor made inside."""
        self._refuse_grad(tensor)
        return super().read_grad(tensor)

    def write_grad(self, tensor, value):
        """Put a gradient into the slot of a tensor made inside."""
        self._refuse_grad(tensor)
        super().write_grad(tensor, value)

    def settle(self, arguments):
        """Undo what the body did to tensors from outside, and return what has to be refused."""
        complaint = None
        for tensor, node, output in self.used.values():
            if tensor._node is not node:
                tensor._node, tensor._output = node, output
                complaint = WRITES_HISTORY
        written = {*self.written}
        if any(source[0] == "tensor" and source[1]._storage in written for source in self.sources):
            complaint = "writes to a tensor from outside that it also needs the gradient of"
        if len(self.written) != self.states:
            complaint = "writes to a tensor from outside in its backward pass"
        if any(argument._storage.version for argument in arguments):
            complaint = "changes one of its arguments in place"
        return complaint


def _present(outer, storage):
    """The array a storage holds as the enclosing capture sees it; only its shape may be used."""
    while outer is not None and storage.home is not outer and storage not in outer.doubles:
        outer = getattr(outer, "outer", None)
    here = storage if outer is None or storage.home is outer else outer.doubles[storage]
    array = here.held
    if isinstance(array, Lost):
        raise LeakedTensorError
    return array


def _aval_outside(outer, tensor):
    base = _present(outer, tensor._storage)
    if tensor._steps is None:
        return base.shape, base.dtype
    static, numbers = views.split(tensor._steps)
    base = jax.ShapeDtypeStruct(base.shape, base.dtype)
    made = jax.eval_shape(lambda array: views.read_chain(static, array, numbers), base)
    return made.shape, made.dtype

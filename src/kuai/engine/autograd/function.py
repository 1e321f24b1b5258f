"""autograd.Function: operations whose backward pass the user writes."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kuai.engine.autograd.returned import fitted
from kuai.engine.autograd.tape import Node, edge_of, freed_error
from kuai.engine.tensor import Tensor, devices, modes, wrap
from kuai.engine.tensor.views import outline

__all__ = ["Function", "FunctionContext", "once_differentiable"]


class FunctionContext:
    """What `forward` leaves for `backward`: `saved_tensors`, `needs_input_grad`, and own
    attributes."""

    _materialize = True
    _saved = ()
    _not_differentiable = ()
    _dirty = ()

    def save_for_backward(self, *tensors):
        """Keep tensors (or None) for `backward`, where they are `ctx.saved_tensors`."""
        self._saved = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple:
        """What was given to `save_for_backward`."""
        if self._saved is None:
            raise freed_error()
        return tuple(self._saved)

    def mark_non_differentiable(self, *tensors):
        """Say that these outputs have no gradient."""
        self._not_differentiable = tensors

    def mark_dirty(self, *tensors):
        """Say that `forward` changed these inputs in place and returns them."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool):
        """Whether outputs that got no gradient get zeros (the default) or None in `backward`."""
        self._materialize = value


class Function:
    """An operation with its own backward pass.

    Subclasses define static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`, or
    `forward(*args)` with `setup_context(ctx, inputs, output)`, and are called through `apply`.

    Example:
        >>> class Square(kuai.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * grad
        >>> x = kuai.tensor(3.0, requires_grad=True)
        >>> Square.apply(x).backward()
        >>> x.grad
        tensor(6.)
    """

    if TYPE_CHECKING:  # a subclass may give them any parameters
        forward: Callable[..., Any]
        backward: Callable[..., Any]
    else:

        @staticmethod
        def forward(*args, **kwargs):
            """Compute the outputs."""
            raise NotImplementedError(
                "You must implement the forward function for custom autograd.Function."
            )

        @staticmethod
        def backward(ctx, *grad_outputs):
            """Compute a gradient for each argument of `forward` (None for those without)."""
            raise NotImplementedError(
                "You must implement either the backward or vjp method for your custom "
                "autograd.Function to "
                "use it with backward mode AD."
            )

    @classmethod
    def apply(cls, *args) -> Any:
        """Run `forward` and put the function on the tape."""
        if modes.state.capture is not None:
            args = tuple(modes.state.capture.enter(args))
        edges = _edges(args) if modes.state.grad_enabled else (None,) * len(args)
        ctx = FunctionContext()
        ctx.needs_input_grad = tuple(edge is not None for edge in edges)
        outputs = _forward(cls, ctx, args)
        if not any(ctx.needs_input_grad):
            return outputs
        made = outputs if isinstance(outputs, tuple) else (outputs,)
        node = FunctionNode(cls, ctx, edges, made, args)
        node.block = modes.state.block
        boxes = tuple(
            _attach(ctx, node, number, output, args) for number, output in enumerate(made)
        )
        return boxes if isinstance(outputs, tuple) else boxes[0]


def _edges(args):
    return tuple(edge_of(a) if isinstance(a, Tensor) else None for a in args)


def _forward(cls, ctx, args):
    previous, modes.state.grad_enabled = modes.state.grad_enabled, False
    try:
        if hasattr(cls, "setup_context"):
            outputs = cls.forward(*args)
            cls.setup_context(ctx, args, outputs)
            return outputs
        return cls.forward(ctx, *args)
    finally:
        modes.state.grad_enabled = previous


def _attach(ctx, node, number, output, args):
    if not isinstance(output, Tensor) or any(output is t for t in ctx._not_differentiable):
        return output
    if not (output.dtype.is_floating_point or output.dtype.is_complex):
        return output
    if any(output is t for t in ctx._dirty):
        output._node, output._output = node, number
        output._changes += 1
        return output
    if any(output is a for a in args) or output._requires_grad:
        output = Tensor._share(output)  # an input passed through: a new tensor with its own history
    output._node, output._output = node, number
    return output


class FunctionNode(Node):
    """The node of a user's `Function`."""

    def __init__(self, cls, ctx, edges, outputs, inputs):
        super().__init__(f"{cls.__name__}Backward", edges)
        self.cls, self.ctx = cls, ctx
        self.count = len(outputs)
        self.avals = [_aval(o) if isinstance(o, Tensor) else None for o in outputs]
        self.inputs = [_shape_and_dtype(i) if isinstance(i, Tensor) else None for i in inputs]

    def apply(self, cotangents, create_graph):
        if self.ctx._saved is None:
            raise freed_error()
        given = tuple(map(self._materialized, cotangents, self.avals))
        made = self.cls.backward(self.ctx, *given)
        made = list(made) if isinstance(made, tuple) else [made]
        while len(made) > len(self.edges) and made[-1] is None:
            made.pop()
        if len(made) != len(self.edges):
            raise RuntimeError(
                f"function {self._name} returned an incorrect number of gradients "
                f"(expected {len(self.edges)}, got {len(made)})"
            )
        return [self._checked(number, gradient) for number, gradient in enumerate(made)]

    def _checked(self, number, gradient):
        """A gradient in the shape and dtype of the input it belongs to, or PyTorch's error."""
        if gradient is None:
            return None
        if not isinstance(gradient, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
        if self.inputs[number] is None:
            raise RuntimeError(
                f"function {self._name} returned a gradient different than None at position "
                f"{number + 1}, but the corresponding forward input was not a Variable"
            )
        if self.edges[number] is None:
            return gradient  # for hooks to see
        shape, kind = self.inputs[number]
        what = f"Function {self._name} returned an invalid gradient at index {number}"
        return fitted(gradient, shape, kind, what)

    def _materialized(self, cotangent, aval):
        if cotangent is not None or aval is None or not self.ctx._materialize:
            return cotangent
        shape, kind, where = aval
        return wrap(devices.filled(shape, kind, 0, where))

    def release(self):
        if self.ctx._saved:
            self.ctx._saved = None


def _shape_and_dtype(tensor):
    array = outline(tensor)
    return array.shape, array.dtype


def _aval(tensor):
    array = outline(tensor)
    return array.shape, array.dtype, devices.placement(array)


def once_differentiable(backward):
    """Mark a `backward` as not to be differentiated itself."""

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        previous, modes.state.grad_enabled = modes.state.grad_enabled, False
        try:
            return backward(ctx, *grads)
        finally:
            modes.state.grad_enabled = previous

    return wrapped

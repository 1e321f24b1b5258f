"""autograd.Function: operations whose backward pass the user writes."""

import functools
import inspect
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kuai.engine import autograd
from kuai.engine.autograd.around import kept
from kuai.engine.autograd.duals import has_tangent, pass_on
from kuai.engine.autograd.inplace import overwrite
from kuai.engine.autograd.returned import fitted
from kuai.engine.autograd.tape import Node, edge_of, freed_error
from kuai.engine.tensor import Tensor, devices, modes, wrap
from kuai.engine.tensor.views import outline

__all__ = ["Function", "FunctionContext", "once_differentiable", "tangents_of"]


class FunctionContext:
    """What `forward` leaves for `backward`: `saved_tensors`, `needs_input_grad`, and own
    attributes."""

    needs_input_grad: tuple = ()
    _materialize = True
    _saved: Any = ()
    _forward_saved: tuple | None = None  # for `jvp`, until that has run
    _not_differentiable: tuple = ()
    _dirty: tuple = ()

    def save_for_backward(self, *tensors):
        """Keep tensors (or None) for `backward`, where they are `ctx.saved_tensors`."""
        self._saved = tensors

    def save_for_forward(self, *tensors):
        """Keep tensors (or None) for `jvp`, where they are `ctx.saved_tensors`."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save "
                    "non-tensors as attributes on ctx."
                )
        self._forward_saved = tensors

    @property
    def saved_tensors(self) -> tuple:
        """What was given to `save_for_backward`; in `jvp`, to `save_for_forward`."""
        if self._forward_saved is not None:
            return tuple(self._forward_saved)
        if self._saved is None:
            raise freed_error()
        return tuple(self._saved if isinstance(self._saved, tuple) else self._saved.tensors())

    @property
    def saved_variables(self) -> tuple:
        """The older name of `saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def mark_non_differentiable(self, *tensors):
        """Say that these outputs have no gradient."""
        self._not_differentiable = tensors

    def mark_dirty(self, *tensors):
        """Say that `forward` changed these inputs in place and returns them."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool):
        """Whether outputs that got no gradient get zeros (the default) or None in `backward`."""
        self._materialize = value

    def name(self) -> str:
        """The name of the step in the graph, such as `SquareBackward`."""
        return type(self).__name__


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

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        name = f"{cls.__name__}Backward"
        cls._context_class = type(name, (FunctionContext,), {})
        cls._node_class = type(name, (FunctionNode,), {})

    if TYPE_CHECKING:  # a subclass may give them any parameters
        forward: Callable[..., Any]
        backward: Callable[..., Any]
        vjp: Callable[..., Any]
        jvp: Callable[..., Any]
        setup_context: Callable[..., Any]
        vmap: Callable[..., Any]
        _context_class: Any
        _node_class: Any
    else:

        @staticmethod
        def forward(*args, **kwargs):
            """Compute the outputs."""
            raise NotImplementedError(
                "You must implement the forward function for custom autograd.Function."
            )

        @staticmethod
        def setup_context(ctx, inputs, output):
            """Note what `backward` needs; with it, `forward` gets no `ctx`."""
            raise NotImplementedError("setup_context is not implemented.")

        @staticmethod
        def backward(ctx, *grad_outputs):
            """Compute a gradient for each argument of `forward` (None for those without)."""
            raise NotImplementedError(
                "You must implement either the backward or vjp method for your custom "
                "autograd.Function to "
                "use it with backward mode AD."
            )

        vjp = backward

        @staticmethod
        def jvp(ctx, *grad_inputs):
            """Compute the tangents of the outputs from those of the arguments of `forward`."""
            raise NotImplementedError(
                "You must implement the jvp function for custom autograd.Function to use it with "
                "forward mode AD."
            )

        @staticmethod
        def vmap(info, in_dims, *args):
            """Run the function for a batch: the outputs, and at which dimension they have it."""
            raise NotImplementedError(
                "To use autograd.Function with vmap, you must either override the vmap "
                "staticmethod or set generate_vmap_rule=True."
            )

    @classmethod
    def apply(cls, *args, **kwargs) -> Any:
        """Run `forward` and put the function on the tape."""
        if cls.setup_context is not Function.setup_context:
            args, kwargs = _bound(cls.forward, args, kwargs), {}
        elif modes.state.transforms and not modes.state.old_functions:
            raise RuntimeError(_NO_SETUP)
        elif kwargs:
            args, kwargs = _in_place_of_names(cls.forward, args, kwargs)
        if modes.state.capture is not None:
            args = tuple(modes.state.capture.enter(args))
        if modes.state.around is not None and has_tangent(args):
            return _forward_mode(cls, args, kwargs)
        return _on_tape(cls, args, kwargs)[0]


_NO_SETUP = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
    "...), it must override the setup_context staticmethod. For more details, please see "
    "https://pytorch.org/docs/main/notes/extending.func.html"
)


def _bound(forward, args, kwargs):
    """The arguments of `forward`, with its defaults filled in."""
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _in_place_of_names(forward, args, kwargs):
    """Arguments given by name at their places, so that there is a gradient for each of them."""
    bound = inspect.signature(forward).bind(None, *args, **kwargs)
    return bound.args[1:], bound.kwargs


def _forward_mode(cls, args, kwargs):
    """Run a function on tensors with tangents: `jvp` says what becomes of these."""
    around = modes.state.around
    modes.state.around = around.outer
    try:
        if has_tangent(args):  # at another level, where the function has a context of its own
            outputs, ctx = _forward_mode(cls, args, kwargs), cls._context_class()
            cls.setup_context(ctx, args, outputs)
        else:
            outputs, ctx = _on_tape(cls, args, kwargs)
    finally:
        modes.state.around = around
    made = outputs if isinstance(outputs, tuple) else (outputs,)
    if modes.state.level is not None and autograd.function_rules.asks_jvp(cls, ctx, args):
        made = autograd.function_rules.with_jvp(cls, ctx, made, args)
        outputs = made if isinstance(outputs, tuple) else made[0]
    pass_on(lambda *given: tangents_of(cls, ctx, given, len(made)), args, made, ctx._materialize)
    return outputs


def tangents_of(cls, ctx, given, count):
    """The tangents that a function's `jvp` gives, a row of one for each output."""
    try:
        found = cls.jvp(ctx, *given)
    finally:
        ctx._forward_saved = None
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != count:
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected "
            f"{count} but got {len(found)})"
        )
    for number, tangent in enumerate(found):
        if not isinstance(tangent, (Tensor, types.NoneType)):
            kind = type(tangent).__name__
            raise RuntimeError(f"expected Variable or None (got {kind}) for grad output {number}.")
    return found


def _on_tape(cls, args, kwargs):
    """The outputs, on the tape if it is on, and the context."""
    records = modes.state.grad_enabled
    edges = _edges(args) if records else (None,) * len(args)
    ctx = cls._context_class()
    ctx.needs_input_grad = tuple(
        isinstance(a, Tensor) and (e is not None or (not records and a.requires_grad))
        for a, e in zip(args, edges, strict=True)
    )
    level = modes.state.level
    inputs = {} if level is None else autograd.function_rules.inputs_of(level, args, edges)
    outputs = _forward(cls, ctx, args, kwargs)
    made = outputs if isinstance(outputs, tuple) else (outputs,)
    if not any(edge is not None for edge in edges):
        return _without_inputs(ctx, outputs, args), ctx
    _check_saved(ctx)
    _check_dirty(ctx, args, made)
    node = cls._node_class(cls, ctx, edges, made, args)
    node.block = block = modes.state.block
    if block is not None and block.checks is not None:
        block.checks.recorded(node)
    boxes = tuple([_attach(ctx, node, number, output, args) for number, output in enumerate(made)])
    if inputs:
        boxes = autograd.function_rules.with_rule(node, boxes, args, inputs)
    if modes.state.saved_hooks and ctx._saved:
        ctx._saved = kept(ctx._saved)
    return (boxes if isinstance(outputs, tuple) else boxes[0]), ctx


def _check_saved(ctx):
    """PyTorch's error for what cannot be saved; it saves nothing where nothing is recorded."""
    for number, value in enumerate(ctx._saved):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {number} is of type "
                f"{type(value).__name__}"
            )


def _edges(args):
    return tuple([edge_of(a) if isinstance(a, Tensor) else None for a in args])


def _plainly(cls, args):
    return cls.forward(*args)


def _forward(cls, ctx, args, kwargs):
    state = modes.state
    before = state.grad_enabled, state.around
    state.grad_enabled, state.around = False, None
    try:
        if cls.setup_context is not Function.setup_context:
            under_vmap = state.level is not None and state.transforms
            run = autograd.function_batching.vectorized if under_vmap else _plainly
            outputs = run(cls, args)
            cls.setup_context(ctx, args, outputs)
            return outputs
        return cls.forward(ctx, *args, **kwargs)
    finally:
        state.grad_enabled, state.around = before


def _without_inputs(ctx, outputs, args):
    """What is not on the tape: an input that is passed through is another tensor all the same."""
    if isinstance(outputs, tuple):
        return tuple([_without_inputs(ctx, output, args) for output in outputs])
    passed = isinstance(outputs, Tensor) and any(outputs is a for a in args)
    changed = any(outputs is t for t in ctx._dirty)
    return Tensor._share(outputs) if passed and not changed else outputs


def _check_dirty(ctx, args, outputs):
    for tensor in ctx._dirty:
        if not any(tensor is a for a in args):
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that "
                "have been mutated should be passed to ctx.mark_dirty().",
                stacklevel=4,
            )
        elif not any(tensor is o for o in outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
        elif tensor._requires_grad and tensor.grad_fn is None:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )


def _attach(ctx, node, number, output, args):
    if not isinstance(output, Tensor) or any(output is t for t in ctx._not_differentiable):
        return output
    if not (output.dtype.is_floating_point or output.dtype.is_complex):
        return output
    is_input = any(output is a for a in args)
    if is_input and any(output is t for t in ctx._dirty):
        return _changed(output, node, number)
    if is_input or output._requires_grad:
        output = Tensor._share(output)  # an input passed through: a new tensor with its own history
    output._node, output._output = node, number
    return output


def _changed(tensor, node, number):
    """An input that was changed in place, with the function as its history; a view's base, too."""
    made = Tensor._share(tensor)
    made._node, made._output = node, number
    if tensor._base is not None:
        return overwrite(tensor, made)
    tensor._node, tensor._output = node, number
    tensor._changes += 1
    tensor._storage.version += 1
    return tensor


class FunctionNode(Node):
    """The node of a user's `Function`; what the context has, it has, too."""

    def __init__(self, cls, ctx, edges, outputs, inputs):
        super().__init__(f"{cls.__name__}Backward", edges)
        self.cls, self.ctx = cls, ctx
        self.count = len(outputs)
        self.avals: list[Any] = [_aval(o) if isinstance(o, Tensor) else None for o in outputs]
        self.inputs = [_shape_and_dtype(i) if isinstance(i, Tensor) else None for i in inputs]

    def __getattr__(self, name):
        if "ctx" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.ctx, name)

    def __repr__(self):
        return f"<torch.autograd.function.{self._name} object at {id(self):#x}>"

    def output_type(self, number):
        return self.avals[number]

    def _backward(self):
        """What the user has written: `backward`, or `vjp`, which is the same."""
        cls = self.cls
        if cls.vjp is Function.vjp:
            return cls.backward
        if cls.backward is not Function.backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return cls.vjp

    def apply(self, cotangents, create_graph):
        if self.ctx._saved is None:
            raise freed_error()
        given = tuple(map(self._materialized, cotangents, self.avals))
        made = self._backward()(self.ctx, *given)
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
        shape, kind, convert = self.inputs[number]
        gradient = gradient if convert is None else convert(gradient)
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
    """What a gradient has to be, and what makes it one of a sparse tensor's elements."""
    is_dense = tensor._specified is None
    array = outline(tensor if is_dense else tensor._specified)
    return array.shape, array.dtype, None if is_dense else tensor._from_gradient


def _aval(tensor):
    array = outline(tensor)
    return array.shape, array.dtype, devices.placement(array)


def once_differentiable(backward):
    """Mark a `backward` as not to be differentiated itself: trying to raises an error."""

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        previous, modes.state.grad_enabled = modes.state.grad_enabled, False
        try:
            made = backward(ctx, *grads)
        finally:
            modes.state.grad_enabled = previous
        if not previous or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return made
        row = made if isinstance(made, tuple) else (made,)
        row = tuple([_never_again(g, number) for number, g in enumerate(row)])
        return row if isinstance(made, tuple) else row[0]

    return wrapped


def _never_again(gradient, number):
    if not isinstance(gradient, Tensor):
        return gradient
    made = Tensor._share(gradient)
    made._node, made._output = _Never("DelayedError", ()), 0
    return made


class _Never(Node):
    """The end of a graph that may not be differentiated."""

    def apply(self, cotangents, create_graph):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


Function._context_class, Function._node_class = FunctionContext, FunctionNode

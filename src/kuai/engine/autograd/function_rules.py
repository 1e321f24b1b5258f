"""What JAX is told of a user's `Function` inside a `vmap`, for derivatives from outside of it.

Such a derivative is JAX's, of the trace as a whole (see `batching`), and has to go back through
what the user has written. So the backward pass is traced together with the forward pass, and stands
at the outputs as a rule of JAX's, `jax.custom_vjp`; in forward mode `jvp`, as `jax.custom_jvp`.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from kuai.engine import autograd
from kuai.engine.autograd.batching import cut_off, is_dual
from kuai.engine.autograd.duals import has_tangent
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.modes import enable_grad
from kuai.engine.tensor.storage import put
from kuai.engine.tensor.views import value

__all__ = ["asks_jvp", "inputs_of", "with_jvp", "with_rule"]


def inputs_of(level, args, edges) -> dict:
    """The arrays of the arguments that have a history, by position, as they are before `forward`.

    None where no derivative from outside goes through what runs inside.
    """
    if level is not modes.state.capture:
        return {}
    arrays = {i: value(a) for i, a in enumerate(args) if edges[i] is not None}
    if level.follows is None:  # reading one from outside may have said so
        by_jvp = any(e is None and is_dual(a) for e, a in zip(edges, args, strict=True))
        return {} if by_jvp else arrays
    return arrays if level.follows else {}


def asks_jvp(cls, ctx, args) -> bool:
    """Whether only `jvp` says what a forward derivative from outside is to go through.

    Where all dual arguments have a history, too, it is the backward pass: a derivative forward of
    that is what is asked for, as a rule.
    """
    level = modes.state.level
    if level is not modes.state.capture or level.follows is not None:
        return False
    is_alone = any(is_dual(a) and not n for a, n in zip(args, ctx.needs_input_grad, strict=True))
    return is_alone and cls.jvp is not autograd.function.Function.jvp


def with_rule(node, outputs, args, inputs) -> tuple:
    """The outputs of a `Function`, its backward pass being what JAX goes through.

    Args:
        node: that of the function on the tape inside.
        inputs: what `inputs_of` gave.
    """
    made, own = list(outputs), [a._storage for a in args if isinstance(a, Tensor)]
    numbers = [n for n, o in enumerate(made) if isinstance(o, Tensor) and o._node is node]
    for number in numbers:
        made[number] = _alone(made[number], node, number, args, own)
    arrays = [cut_off(value(made[number])) for number in numbers]
    _fill(made, numbers, arrays)
    forward = modes.state.around is not None and node.cls.jvp is not autograd.function.Function.jvp
    how = _pushed if forward else _pulled
    function, types = how(node, numbers, arrays, args, inputs)
    run, consts = _traced(function, types)
    places = {i: n for i, c in enumerate(consts) for n, a in enumerate(arrays) if c is a}
    rule = (_forward_rule if forward else _rule)(run, places)
    _fill(made, numbers, rule(arrays, list(inputs.values()), consts))
    return tuple(made)


#: Up to which order there are derivatives from outside of a `Function` whose `backward` calls one:
#: each has a rule of its own, and a function that calls itself has one more for each order.
_ORDERS = 3
_TOO_OFTEN = (
    f"a derivative of order {_ORDERS + 1} was asked for from outside of the vmap that an "
    "autograd.Function is called in. Take the derivative inside of the vmap."
)


@dataclasses.dataclass
class _Called:
    """A call of a `Function`, of which a node would know the same."""

    cls: type
    ctx: Any
    count: int


def with_jvp(cls, ctx, outputs, args) -> tuple:
    """The outputs of a `Function` on dual tensors, its `jvp` being what JAX goes through.

    What has a tangent outside has one inside, too, but the trace is differentiated as a whole.
    """
    arrays = {i: value(a) for i, a in enumerate(args) if has_tangent((a,))}
    saved, made = ctx._forward_saved, list(outputs)
    skipped = (*ctx._not_differentiable, *args)
    numbers = [
        number
        for number, output in enumerate(made)
        if isinstance(output, Tensor)
        and not any(output is other for other in skipped)
        and jnp.issubdtype(value(output).dtype, jnp.inexact)
    ]
    kept = [cut_off(value(made[number])) for number in numbers]
    push, types = _pushed(_Called(cls, ctx, len(made)), numbers, kept, args, arrays)
    run, consts = _traced(push, types)
    places = {i: n for i, c in enumerate(consts) for n, a in enumerate(kept) if c is a}
    _fill(made, numbers, _forward_rule(run, places)(kept, list(arrays.values()), consts))
    ctx._forward_saved = saved
    return tuple(made)


def _alone(output, node, number, args, own):
    """An output whose memory may be written to: not that of an input that is passed through."""
    is_changed = any(output is a for a in args)
    if output._base is None and (is_changed or not any(output._storage is s for s in own)):
        return output
    alone = wrap(value(output))
    alone._node, alone._output = node, number
    return alone


def _fill(tensors, numbers, arrays):
    for number, array in zip(numbers, arrays, strict=True):
        put(tensors[number]._storage, array)


def _pulled(node, numbers, arrays, args, inputs):
    """The backward pass as a function of cotangents, and their types."""

    def backward(*cotangents):
        given: list = [None] * node.count
        for number, cotangent in zip(numbers, cotangents, strict=True):
            given[number] = _leaf(jnp.conj(cotangent))
        gradients = node.apply(given, True)
        found = [gradients[position] for position in inputs]
        return [None if g is None else jnp.conj(value(g)) for g in found]

    return backward, [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]


def _pushed(node, numbers, arrays, args, inputs):
    """What the user's `jvp` says, as a function of the inputs' tangents, and their types.

    In forward mode it counts; backwards JAX turns it around.
    """
    saved = node.ctx._forward_saved

    def push(*tangents):
        node.ctx._forward_saved = saved
        known = dict(zip(inputs, tangents, strict=True))
        given = [_tangent(node.ctx, a, known.get(i)) for i, a in enumerate(args)]
        made = autograd.function.tangents_of(node.cls, node.ctx, given, node.count)
        pairs = [(made[number], array) for number, array in zip(numbers, arrays, strict=True)]
        return [jnp.zeros_like(a) if t is None else value(t) for t, a in pairs]

    return push, [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in inputs.values()]


def _tangent(ctx, argument, tangent):
    if tangent is not None:
        return _leaf(tangent)
    if not isinstance(argument, Tensor) or not ctx._materialize:
        return None
    array = value(argument)
    return wrap(jnp.zeros_like(array)) if jnp.issubdtype(array.dtype, jnp.inexact) else None


def _leaf(array):
    made = wrap(array)
    made._requires_grad = True
    return made


def _traced(function, types):
    """A function of arrays and what it needs beside them: of these and of the arrays, and these."""

    level = modes.state.level
    if level.orders >= _ORDERS:
        return _raising(RuntimeError(_TOO_OFTEN)), []

    def within(*given):
        around, modes.state.around = modes.state.around, None
        level.orders += 1
        try:
            with enable_grad():
                return function(*given)
        finally:
            modes.state.around = around
            level.orders -= 1

    def traced():  # a new function each time, so that JAX does not give back an older trace
        return jax.make_jaxpr(lambda *given: within(*given), return_shape=True)(*types)

    known = level.known()
    try:
        closed, shapes = traced()
        if level.known() != known:  # what is outside has to be an input of the whole trace
            level.forget(known)
            within(*(jnp.zeros(t.shape, t.dtype) for t in types))
            closed, shapes = traced()
    except Exception as error:  # noqa: BLE001 (it is raised where the derivative is asked for)
        return _raising(error), []

    def run(consts, given):
        found = iter(jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, consts))(*given))
        return [None if shape is None else next(found) for shape in shapes]

    return run, list(closed.consts)


def _raising(error):
    def run(consts, given):
        raise error

    return run


def _rule(backward, places):
    """Outputs as they are, whose cotangents go to the inputs by the backward pass.

    Args:
        places: which of its constants are outputs; these have derivatives of their own.
    """

    @jax.custom_vjp
    def passed(outputs, inputs, consts):
        return outputs

    def forward(outputs, inputs, consts):
        made = passed(outputs, inputs, consts)
        return made, [made[places[i]] if i in places else c for i, c in enumerate(consts)]

    def pull(consts, cotangents):
        return None, backward(consts, cotangents), None

    passed.defvjp(forward, pull)
    return passed


def _forward_rule(push, places):
    """Outputs as they are, whose tangents come from those of the inputs."""

    @jax.custom_jvp
    def passed(outputs, inputs, consts):
        return outputs

    @passed.defjvp
    def derivative(primals, tangents):
        outputs, inputs, consts = primals
        made = passed(outputs, inputs, consts)
        needed = [made[places[i]] if i in places else c for i, c in enumerate(consts)]
        return made, push(needed, tangents[1])

    return passed

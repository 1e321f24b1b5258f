"""Branches and loops inside a program: `cond`, `while_loop` and `scan` on lifted bodies.

Each lifts the functions it was given (see `engine.lifting`), makes one pure function of them with
`jax.lax`, and runs it as one operation on the tape. Storages that a body writes (a running mean,
the state of the random generator) travel along as part of the carry and are put back afterwards.
"""

import jax
import jax.numpy as jnp

from kuai.engine.autograd.running import Operation, run
from kuai.engine.autograd.tape import Node, edge_of
from kuai.engine.compile.bodies import aval_of
from kuai.engine.compile.lifting import lift, lift_carrying
from kuai.engine.tensor import Tensor, modes, views, wrap
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.nests import ordered
from kuai.engine.tensor.promotion import strong
from kuai.engine.tensor.storage import put
from kuai.errors import ControlFlowError, LoopBackwardError

__all__ = ["cond", "flatten", "scan", "same_carry", "while_loop"]

_NUMBERS = (bool, int, float, complex)


def flatten(nested):
    """The leaves of nested tensors, and how they are nested."""
    return jax.tree.flatten(ordered(nested), is_leaf=is_tensor_leaf)


def as_tensors(leaves, what):
    """The leaves as tensors; numbers become 0-dimensional ones."""
    made = []
    for leaf in leaves:
        if not isinstance(leaf, (Tensor, *_NUMBERS)):
            raise TypeError(f"{what}: expected tensors, nested or not, but got a {_kind(leaf)}")
        made.append(leaf if isinstance(leaf, Tensor) else wrap(_array(leaf)))
    return made


def _kind(leaf):
    return type(leaf).__name__


def _array(number):
    array = jnp.asarray(number)
    return jax.lax.convert_element_type(array, array.dtype)


# Merging what several bodies need -----------------------------------------------------------------


class Outside:
    """What one or two lifted bodies need from outside, each thing once."""

    def __init__(self, *bodies):
        self.values, self.written, known = [], [], {}
        self.places = []  # for each body the positions of its sources
        for body in bodies:
            places = []
            for source, value in zip(body.sources, body.outside(), strict=True):
                key = (source[0], *map(id, source[1:]))
                if key not in known:
                    known[key] = len(self.values)
                    self.values.append(value)
                places.append(known[key])
            self.places.append(places)
        self.storages = list(dict.fromkeys(s for body in bodies for s in body.written))
        self.states = [known["state", id(storage)] for storage in self.storages]
        self.bodies = bodies

    def call(self, number, arguments, outside, states):
        """Run one of the bodies: its results, and the states after it."""
        body = self.bodies[number]
        arrays = list(outside)
        for position, state in zip(self.states, states, strict=True):
            arrays[position] = state
        results, new = body(arguments, [arrays[place] for place in self.places[number]])
        after = dict(zip(body.written, new, strict=True))
        pairs = zip(self.storages, states, strict=True)
        return results, [after.get(storage, state) for storage, state in pairs]

    def first(self, outside):
        """The states before any body has run."""
        return [strong(outside[position]) for position in self.states]

    def put(self, states):
        """Write the states after the operation back to where they belong."""
        for storage, state in zip(self.storages, states, strict=True):
            put(storage, views.held(state))


def _run(name, function, values, outside, recorded):
    """Run a pure function of values and states as one operation; its results, without states.

    Args:
        recorded: for each result whether a gradient can go back from it.
    """
    operation = Operation(name, f"{name.title().replace('_', '')}Backward0", compiled=False)
    made = run(operation, None, lambda: function, [*values, *outside.values])
    outside.put(made[len(recorded) :])
    for result, wanted in zip(made, recorded, strict=False):
        if not wanted:
            result._node = None
    return list(made[: len(recorded)])


# cond ---------------------------------------------------------------------------------------------


def cond(pred, true_fn, false_fn, operands):
    """`true_fn(*operands)` if `pred`, else `false_fn(*operands)`, chosen while the program runs."""
    leaves, tree = flatten(tuple(operands))
    tensors = as_tensors(leaves, "cond")
    avals = list(map(aval_of, tensors))
    bodies = [
        lift(function, avals, tree, f"cond, {name}")
        for function, name in ((true_fn, "true_fn"), (false_fn, "false_fn"))
    ]
    _same_results(*bodies)
    outside, count = Outside(*bodies), len(tensors)

    def function(pred, *values):
        given, needed = values[:count], values[count:]

        def branch(number):
            def chosen(given, states):
                results, states = outside.call(number, given, needed, states)
                return (*results, *states)

            return chosen

        pred = jnp.reshape(pred, ()).astype(bool)
        states = outside.first(needed)
        return jax.lax.cond(pred, branch(0), branch(1), given, states)

    pairs = zip(*(body.avals for body in bodies), strict=True)
    recorded = [one.requires_grad or other.requires_grad for one, other in pairs]
    results = _run("cond", function, [pred, *tensors], outside, recorded)
    return jax.tree.unflatten(bodies[0].tree, results)


def _same_results(true, false):
    if true.tree != false.tree:
        raise ControlFlowError(
            "cond: true_fn and false_fn have to return the same structure, but true_fn returns "
            f"{_structure(true.tree)} and false_fn {_structure(false.tree)}"
        )
    for number, (one, other) in enumerate(zip(true.avals, false.avals, strict=True)):
        if not one.like(other):
            raise ControlFlowError(
                "cond: true_fn and false_fn have to return tensors of the same shape and dtype, "
                f"but result {number} is {one} from true_fn and {other} from false_fn"
            )


def _structure(tree):
    return str(tree).removeprefix("PyTreeDef(").removesuffix(")")


# Loops --------------------------------------------------------------------------------------------


def same_carry(what, before, after):
    """Check that a body returned a carry like the one it was given.

    Args:
        before, after: each the structure and the shapes and dtypes of the leaves.
    """
    if before[0] != after[0]:
        raise ControlFlowError(
            f"{what}: the carry has to keep its structure, but it goes in as "
            f"{_structure(before[0])} and comes out as {_structure(after[0])}"
        )
    for number, (one, other) in enumerate(zip(before[1], after[1], strict=True)):
        if not one.like(other):
            raise ControlFlowError(
                f"{what}: the carry has to keep its shapes and dtypes, but its tensor {number} "
                f"goes in as {one} and comes out as {other}"
            )


def scan(combine_fn, init, xs, reverse):
    """Run `combine_fn` along the first dimension of `xs`, as one `lax.scan`."""
    leaves, carry_tree = flatten(init)
    carry = as_tensors(leaves, "scan")
    leaves, xs_tree = flatten(xs)
    tensors = as_tensors(leaves, "scan")
    avals = [*map(aval_of, carry), *(a._replace(shape=a.shape[1:]) for a in map(aval_of, tensors))]
    tree = jax.tree.structure(ordered((init, xs)), is_leaf=is_tensor_leaf)
    count = len(carry)
    body = lift_carrying(combine_fn, avals, count, tree, "scan, combine_fn")
    output_tree = _check_scan(body, carry_tree, avals[:count])
    outside = Outside(body)

    def function(*values):
        first, slices = values[:count], values[count : len(avals)]
        needed = values[len(avals) :]

        def step(state, x):
            results, states = outside.call(0, [*state[0], *x], needed, state[1])
            return (results[:count], states), results[count:]

        state = (list(first), outside.first(needed))
        (final, states), outputs = jax.lax.scan(step, state, list(slices), reverse=reverse)
        return (*final, *outputs, *states)

    recorded = [aval.requires_grad for aval in body.avals]
    results = _run("scan", function, [*carry, *tensors], outside, recorded)
    final = jax.tree.unflatten(carry_tree, results[:count])
    return final, jax.tree.unflatten(output_tree, results[count:])


def _check_scan(body, carry_tree, avals):
    children = body.tree.children()
    if body.tree.node_data() is None or len(children) != 2:
        raise ControlFlowError(
            "scan: combine_fn has to return a pair, the next carry and an output, but it returned "
            f"{_structure(body.tree)}"
        )
    same_carry("scan", (carry_tree, avals), (children[0], body.avals[: len(avals)]))
    return children[1]


def while_loop(cond_fn, body_fn, carried_inputs, max_iterations):
    """Run `body_fn` while `cond_fn` says so: `lax.while_loop`, or a bounded `lax.scan`."""
    leaves, tree = flatten(tuple(carried_inputs))
    carry = as_tensors(leaves, "while_loop")
    avals, count = list(map(aval_of, carry)), len(carry)
    test = lift(cond_fn, avals, tree, "while_loop, cond_fn", differentiate=False)
    bounded = max_iterations is not None
    body = lift_carrying(
        _as_tuple(body_fn), avals, count, tree, "while_loop, body_fn", differentiate=bounded
    )
    same_carry("while_loop", (tree, avals), (body.tree, body.avals))
    _check_test(test)
    outside = Outside(test, body)

    def function(*values):
        first, needed = list(values[:count]), values[count:]

        def goes_on(state):
            results, _ = outside.call(0, state[0], needed, state[1])
            return jnp.reshape(results[0], ()).astype(bool)

        def step(state):
            return outside.call(1, state[0], needed, state[1])

        state = (first, outside.first(needed))
        if not bounded:
            final, states = jax.lax.while_loop(goes_on, step, state)
        else:
            final, states = _bounded(goes_on, step, state, max_iterations)
        return (*final, *states)

    recorded = [aval.requires_grad for aval in body.avals]
    if bounded:
        results = _run("while_loop", function, carry, outside, recorded)
    else:
        results = _run_endless(function, carry, outside, recorded)
    return jax.tree.unflatten(tree, results)


def _bounded(goes_on, step, state, length):
    def iteration(state, _):
        return jax.lax.cond(goes_on(state), step, lambda state: state, state), None

    return jax.lax.scan(iteration, state, None, length=length)[0]


def _as_tuple(body_fn):
    def body(*carry):
        made = body_fn(*carry)
        return tuple(made) if isinstance(made, (tuple, list)) else (made,)

    return body


def _check_test(test):
    if len(test.avals) != 1 or any(size != 1 for size in test.avals[0][0]):
        raise ControlFlowError(
            "while_loop: cond_fn has to return one boolean, but it returned "
            f"{', '.join(map(str, test.avals)) or 'nothing'}"
        )
    if test.written:
        raise ControlFlowError(
            "while_loop: cond_fn draws random numbers or writes to a tensor from outside. Do so "
            "in body_fn and carry the result."
        )


class _EndlessNode(Node):
    """Stands where a loop of unknown length would have its backward pass."""

    def apply(self, cotangents, create_graph):
        raise LoopBackwardError


def _run_endless(function, carry, outside, recorded):
    inputs = [v for v in (*carry, *outside.values) if isinstance(v, Tensor)]
    follows = modes.state.grad_enabled and any(recorded)
    if follows and modes.state.capture is None and modes.state.recorder is not None:
        raise LoopBackwardError
    with modes.no_grad():
        results = _run("while_loop", function, carry, outside, recorded)
    if not modes.state.grad_enabled:
        return results
    edges = [edge for edge in map(edge_of, inputs) if edge is not None]
    node = _EndlessNode("WhileLoopBackward0", tuple(edges))
    node.count = len(results)
    for number, result in enumerate(results):
        if edges and recorded[number]:
            result._node, result._output = node, number
    return results

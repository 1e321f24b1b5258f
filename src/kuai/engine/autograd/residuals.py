"""Residuals: what a forward program saves for the backward pass, and the calls that use it.

A forward program returns, besides the results, what `jax.vjp` saved, in one row. Its *layout* says
how that is put together again, and has the backward pass as a call. One layout belongs to one trace
of the forward program: to one set of shapes or, where the interpreter has traced it with symbols
for sizes, to many (`OpenLayout`).
"""

import weakref

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor.calls import Call, in_tiers, plainly
from kuai.engine.tiers.plan import Plan
from kuai.engine.tiers.rules import NotInterpretable
from kuai.engine.tiers.tiered import Tiered, placement, put
from kuai.engine.tiers.traced import Trace

__all__ = [
    "ForwardCall", "Layout", "OpenLayout", "Residuals", "RowCall", "TieredForward", "as_tuple",
    "gradients", "named", "outlined", "spread",
]  # fmt: skip


class Residuals:
    """What a backward program needs: arrays, and how to put them together."""

    __slots__ = ("layout", "leaves")

    def __init__(self, leaves, layout):
        self.leaves = leaves
        self.layout = layout


jax.tree_util.register_pytree_node(
    Residuals, lambda r: (r.leaves, r.layout), lambda layout, leaves: Residuals(leaves, layout)
)


class Layout:
    """How the residuals of one traced forward program are made up, and the program that uses them.

    Compared by identity: one layout belongs to one set of input shapes and dtypes.
    """

    __slots__ = (
        "backward", "compiled", "name", "outputs", "repeats", "returned", "saves", "second",
        "single", "sources", "tree", "types", "__weakref__",
    )  # fmt: skip

    def __init__(self, name, tree, types, sources, repeats, results, compiled):
        self.tree, self.types = tree, types
        self.repeats = repeats  # per leaf: the number of the result that it is, or -1
        self.sources = (
            sources  # per leaf: the number of an input, or -1 for one the program returned
        )
        self.returned = min(sources, default=0) < 0  # whether the program returned any
        # whether inputs or results are among them that gradients may depend on
        both = zip(types, sources, repeats, strict=True)
        self.saves = any(r >= 0 or s >= 0 and _is_inexact(kind) for kind, s, r in both)
        self.single = not isinstance(results, tuple)
        self.outputs = tuple((r.shape, r.dtype) for r in as_tuple(results))
        self.second = {}  # the backward pass as operations, by which cotangents are given
        self.name = f"{name}_backward"
        self.compiled = compiled
        self.backward = {}  # the backward pass as calls, by which cotangents are given

    def backward_for(self, given):
        """The backward pass as a call on the residuals and those cotangents that are given."""
        call = self.backward.get(given)
        if call is None:
            function = named(self.backward_of(given), self.name)
            function = in_tiers(function) if self.compiled else function
            call = self.backward[given] = RowCall(function, self.name)
        return call

    def backward_of(self, given):
        """The backward pass as a function of the residuals and those cotangents."""
        count = self.tree.num_leaves

        def backward(*arrays):
            pullback = jax.tree.unflatten(self.tree, arrays[:count])
            return gradients(pullback(self.complete(spread(arrays[count:], given))))

        return backward

    def complete(self, cotangents):
        """Cotangents for every result: zeros where none came, and JAX's float0 for integers."""
        made = tuple(map(_cotangent, cotangents, self.outputs))
        return made[0] if self.single else made


class OpenLayout:
    """A layout that was traced with symbols for sizes, with the sizes of one set of shapes.

    Its backward pass is interpreted. Where that is not possible - inside a record or a capture, for
    gradients of gradients, where a cotangent has another dtype - the gradients are computed from
    the inputs, whose number and shapes are those of the forward program.
    """

    __slots__ = (
        "calls", "layout", "outputs", "plans", "returned", "saves", "second", "single", "sizes",
        "sources",
    )  # fmt: skip

    def __init__(self, layout, sizes, outputs):
        self.layout, self.sizes = layout, sizes
        self.outputs = tuple((each.shape, each.dtype) for each in outputs)
        self.single, self.sources, self.returned = layout.single, layout.sources, layout.returned
        self.saves = layout.saves
        self.second, self.calls = {}, {}
        self.plans = {}  # by which cotangents are given; None where it cannot be interpreted

    complete = Layout.complete

    def interpreted(self, given, residuals, cotangents):
        """The gradients; None if they cannot be interpreted."""
        outputs = [kind for kind, there in zip(self.outputs, given, strict=True) if there]
        for array, kind in zip(cotangents, outputs, strict=True):
            if (array.shape, array.dtype) != kind:
                return None
        if given not in self.plans:
            self.plans[given] = self._plan(given)
        plan, where = self.plans[given], placement((*residuals, *cotangents))
        if plan is None or where is None:
            return None
        return put(plan.run((*residuals, *cotangents)), where)

    def _plan(self, given):
        try:
            return backward_plan(self.layout, given, self.sizes)
        except Exception:  # noqa: BLE001 - computed from the inputs, what is wrong is said there
            return None


_open_traces: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def backward_plan(layout, given, sizes):
    """How the backward pass of a layout is interpreted for some sizes.

    Raises:
        NotInterpretable: it has to be compiled; or whatever JAX raises for sizes that it cannot
            compare.
    """
    traces = _open_traces.setdefault(layout, {})
    if given not in traces:
        outputs = [kind for kind, there in zip(layout.outputs, given, strict=True) if there]
        examples = [
            jax.ShapeDtypeStruct(t.shape, t.dtype, weak_type=t.weak_type) for t in layout.types
        ]
        examples += [jax.ShapeDtypeStruct(*kind) for kind in outputs]
        traces[given] = Trace(layout.backward_of(given), examples, plainly)
    trace = traces[given]
    return Plan(trace.recipe, sizes)


class TieredForward(Tiered):
    """A forward program in tiers: residuals that the interpreter makes stay NumPy arrays."""

    def check(self, trace, sizes):
        """Find the layout, and see that the backward pass can be interpreted, too."""
        trace.results, residuals = trace.tree.children()
        trace.layout = residuals.node_data()[1]
        count = trace.results.num_leaves
        outputs = [v.aval for v in trace.closed.jaxpr.outvars]
        concerned = outputs[:count] if sizes else outputs
        if any(aval.weak_type for aval in concerned):
            raise NotInterpretable("a weak type")
        if sizes:
            given = tuple(jnp.issubdtype(aval.dtype, jnp.inexact) for aval in outputs[:count])
            backward_plan(trace.layout, given, sizes)

    def finish(self, slot, arrays, where):
        """Results as JAX arrays, and the residuals."""
        trace, count = slot.trace, slot.trace.results.num_leaves
        results = jax.tree.unflatten(trace.results, put(arrays[:count], where))
        layout = trace.layout
        if slot.plan.sizes:
            if slot.layout is None:
                slot.layout = OpenLayout(layout, slot.plan.sizes, slot.plan.outputs[:count])
            layout = slot.layout
        return results, Residuals(arrays[count:], layout)


def _is_inexact(kind):
    """Whether it is the type of a tensor of floating point or complex numbers."""
    return not kind.weak_type and jnp.issubdtype(kind.dtype, jnp.inexact)


def _cotangent(given, output):
    shape, kind = output
    if not jnp.issubdtype(kind, jnp.inexact):
        return np.zeros(shape, jax.dtypes.float0)
    return jnp.zeros(shape, kind) if given is None else jnp.conj(jnp.asarray(given, kind))


def gradients(made):
    """JAX's gradients in PyTorch's convention, which for complex numbers is the conjugate one."""
    return tuple(jnp.conj(array) for array in made)


class RowCall(Call):
    """A call that returns one array or a tuple of arrays; `structure` is whether it is one."""

    __slots__ = ()

    def nesting(self, results):
        """Whether there is just one result that is no tuple."""
        return not isinstance(results, tuple)


class ForwardCall(Call):
    """The forward program of a recorded operation, whose results include its residuals."""

    __slots__ = ()

    def nesting(self, results):
        """The number of results, without the residuals, and the residuals' layout."""
        results, residuals = results
        return len(as_tuple(results)), residuals.layout

    def as_described(self, arguments):
        """Run it compiled: the interpreter has layouts, and residuals, of its own."""
        if isinstance(self.function, Tiered):
            return self.function.compiled(arguments)
        if any(isinstance(argument, jax.core.Tracer) for argument in arguments):
            return self.function(*arguments)
        # run at once, it may find two residuals to be one array, which it does not as it is traced
        return jax.jit(self.function)(*arguments)


def outlined(arrays):
    """Inputs of an operation without the values of tensors; numbers stay."""
    return [jax.ShapeDtypeStruct(a.shape, a.dtype) if hasattr(a, "shape") else a for a in arrays]


def spread(cotangents, given):
    arriving = iter(cotangents)
    return tuple(next(arriving) if there else None for there in given)


def named(function, name):
    """The function under another name, which is the program's name in profiles."""

    def program(*args):
        return function(*args)

    program.__name__ = program.__qualname__ = name
    return program


def as_tuple(results):
    return results if isinstance(results, tuple) else (results,)

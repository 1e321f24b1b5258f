"""Layouts: a program's values with their channels where its convolutions want them.

Users' values are (N, C, *sizes). Some convolutions read and write (N, *sizes, C), so what is traced
has two transpositions around each. Between two convolutions these would cancel, but for what stands
there: normalizations, activations, sums of branches, pooling, forward and backward. XLA moves a
transposition through hardly any of it, and a loop that reads one layout and writes another one
takes several times as long as one that does not.

So equations are run on values of both kinds. A value that a transposition has given stays as it
was before (`Last`); whatever works on each element by itself, or along dimensions that can be named
otherwise, is done there; and only what needs the dimensions in their order has it transposed. The
layout spreads from the convolutions as far as that goes, and a program without them has none.

A convolution whose value is read once only may compute its reader, too (`Pending`): what scales and
shifts its channels, adds another value, and clamps the sum.
"""

import collections

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Literal

from kuai.engine.compile.additions import Deferred
from kuai.engine.compile.binding import bind, named, scope_of
from kuai.engine.compile.calls import Search, called, environment_of

__all__ = ["Last", "interpret_channels_last"]


class Last:
    """A value (N, C, *sizes) that is at hand as an array (N, *sizes, C)."""

    __slots__ = ("_first", "array")

    def __init__(self, array):
        self.array, self._first = array, None

    def first(self):
        """The array (N, C, *sizes)."""
        if self._first is None:
            self._first = lax.transpose(self.array, _to_first(self.array.ndim))
        return self._first


class Pending(Last):
    """A value with the channels last that is computed when it is wanted, with what follows it."""

    __slots__ = ("deferred",)

    def __init__(self, deferred):
        self.deferred, self._first = deferred, None

    @property
    def array(self):
        """The array (N, *sizes, C)."""
        return self.deferred.array()


def _to_first(rank):
    """The permutation that puts the last dimension second."""
    return (0, rank - 1, *range(1, rank - 1))


def _to_last(rank):
    return (0, *range(2, rank), 1)


def _place(axis, rank):
    """Where a dimension of (N, C, *sizes) lies in (N, *sizes, C)."""
    return axis if axis == 0 else (axis - 2) % (rank - 1) + 1


def _moved(numbers):
    """One number for each dimension, in the other order."""
    return (numbers[0], *numbers[2:], numbers[1])


def _plain(value):
    if isinstance(value, Deferred):
        return value.array()
    return value.first() if isinstance(value, Last) else value


def _is_written(value, readers) -> bool:
    """Whether a kernel writes a value down, for all its readers."""
    return type(value) is Pending and (readers == 1 or value.deferred.is_written)


def _settled(value):
    """A value that more than one reads, and which is computed alone therefore."""
    if isinstance(value, Deferred):
        return value.array()
    return Last(value.array) if type(value) is Pending else value


def _last(value):
    """The array (N, *sizes, C) of a value; numbers stay as they are."""
    if isinstance(value, Last):
        return value.array
    return value if np.ndim(value) == 0 else lax.transpose(value, _to_last(value.ndim))


# A program ----------------------------------------------------------------------------------------


def interpret_channels_last(equations, environment, wanted, additions):
    """The wanted values, as `equations.interpret` gives them, computed in either layout."""
    kept = additions.kept(equations)
    return list(map(_plain, _Interpreter(additions).run(equations, environment, wanted, kept)))


class _Interpreter:
    """Runs equations on arrays and values with the channels last."""

    def __init__(self, additions):
        self.additions = additions
        self.anchors = Search(
            lambda e: e.primitive.name in additions.channels_last or additions.computes(e)
        )
        self.deferred = additions.deferring()
        self.from_anchor = {}  # id -> array; signals are told from matrices by where they come from

    def run(self, equations, environment, wanted, kept=()):
        atoms = [*(atom for equation in equations for atom in equation.invars), *wanted]
        uses = collections.Counter([atom for atom in atoms if not isinstance(atom, Literal)])

        def read(atom):
            if isinstance(atom, Literal):
                return atom.val
            return environment[atom] if uses[atom] == 1 else _settled(environment[atom])

        for equation in equations:
            with scope_of(equation):
                results = self._results(equation, list(map(read, equation.invars)))
                for variable, result in zip(equation.outvars, results, strict=True):
                    if variable in kept and not _is_written(result, uses[variable]):
                        result = self._kept(result)
                    environment[variable] = result
        return [read(atom) for atom in wanted]

    def _kept(self, value):
        """What a convolution reads, as it reads it."""
        rank = np.ndim(value.array if isinstance(value, Last) else value)
        return Last(self.additions.keep(_last(value))) if rank >= 3 else value

    def _results(self, equation, values):
        if equation.primitive.name == "transpose" and isinstance(values[0], Deferred):
            if tuple(equation.params["permutation"]) == _to_first(len(values[0].shape)):
                return [Pending(values[0])]
        values = [value.array() if isinstance(value, Deferred) else value for value in values]
        is_last = any([isinstance(value, Last) for value in values])
        inner = called(equation)
        if inner is not None and (is_last or self.anchors.is_inside(equation)):
            name = equation.params.get("name")
            with named(f"jit({name})" if name else ""):
                environment = environment_of(inner, values)
                return self.run(inner.jaxpr.eqns, environment, inner.jaxpr.outvars)
        if is_last:
            absorbed = _absorbed(equation, values)
            if absorbed is not None:
                return [Pending(absorbed)]
            rule = _RULES.get(equation.primitive.name)
            found = None if rule is None else rule(equation, values)
            if found is not None:
                return found
        elif equation.primitive.name == "transpose" and self._begins(equation, values[0]):
            return [Last(values[0])]
        arrays = list(map(_plain, values))
        deferred = self.deferred(equation, arrays)
        if deferred is not None:
            return [deferred]
        results = self.additions.results(equation, arrays)
        if equation.primitive.name in self.additions.channels_last:
            self.from_anchor.update((id(result), result) for result in results)
        return results

    def _begins(self, equation, array) -> bool:
        """Whether a transposition gives a value with channels."""
        if tuple(equation.params["permutation"]) != _to_first(array.ndim) or array.ndim < 3:
            return False
        return array.ndim > 3 or id(array) in self.from_anchor


# What a value that is pending takes in ------------------------------------------------------------


def _absorbed(equation, values):
    """What an equation gives that is computed together with one of its values, or None."""
    rule = _ABSORBING.get(equation.primitive.name)
    place = next((n for n, value in enumerate(values) if type(value) is Pending), None)
    if rule is None or place is None or len(values) != 2:
        return None
    return rule(values[place].deferred, values[1 - place], is_first=place == 0)


def _of_channels(value, shape):
    """A value that is the same for all of a channel, as (C,), for an array (N, *sizes, C)."""
    if isinstance(value, Last):
        return None
    channels = shape[-1]
    if _is_number(value):
        return jnp.broadcast_to(value, (channels,))
    alone = (1, channels, *[1] * (len(shape) - 2))
    return lax.reshape(value, (channels,)) if value.shape == alone else None


def _sum_absorbed(deferred, other, is_first):
    numbers = _of_channels(other, deferred.shape)
    if numbers is not None:
        return deferred.shifted(numbers)
    is_alike = _shape_last(other) == deferred.shape
    return deferred.added(lambda: _last(other)) if is_alike else None


def _difference_absorbed(deferred, other, is_first):
    numbers = _of_channels(other, deferred.shape) if is_first else None
    return None if numbers is None else deferred.shifted(-numbers)


def _product_absorbed(deferred, other, is_first):
    numbers = _of_channels(other, deferred.shape)
    return None if numbers is None else deferred.scaled(numbers)


def _maximum_absorbed(deferred, other, is_first):
    return deferred.clamped(least=other) if _is_number(other) else None


def _minimum_absorbed(deferred, other, is_first):
    return deferred.clamped(most=other) if _is_number(other) else None


def _is_number(value) -> bool:
    return not isinstance(value, Last) and np.ndim(value) == 0


def _shape_last(value):
    """The shape of a value as an array (N, *sizes, C), which is not computed for it."""
    if type(value) is Pending:
        return value.deferred.shape
    if type(value) is Last:
        return value.array.shape
    shape = np.shape(value)
    return _moved(shape) if len(shape) >= 3 else shape


_ABSORBING = {
    "add": _sum_absorbed,
    "add_any": _sum_absorbed,
    "max": _maximum_absorbed,
    "min": _minimum_absorbed,
    "mul": _product_absorbed,
    "sub": _difference_absorbed,
}


# The rules: results of an equation, some of whose values have the channels last, or None ----------


def _elementwise(equation, values):
    return [Last(bind(equation, list(map(_last, values))))]


def _transpose(equation, values):
    (value,), rank = values, values[0].array.ndim
    permutation = tuple([_place(axis, rank) for axis in equation.params["permutation"]])
    if permutation == tuple(range(rank)):
        return [value.array]
    return [lax.transpose(value.array, permutation)]


def _reduce(equation, values):
    """A sum; what is left may have to be put in order."""
    rank, axes = values[0].array.ndim, equation.params["axes"]
    places = tuple(sorted([_place(axis, rank) for axis in axes]))
    made = bind(equation, [values[0].array], axes=places)
    left = [_place(axis, rank) for axis in range(rank) if axis not in axes]
    order = [sorted(left).index(place) for place in left]
    return [made if order == sorted(order) else lax.transpose(made, order)]


def _reshape(equation, values):
    """Other sizes, and the same channels."""
    (value,), sizes = values, equation.params["new_sizes"]
    before = value.array.shape
    if len(sizes) < 3 or sizes[0] != before[0] or sizes[1] != before[-1]:
        return None
    return [Last(lax.reshape(value.array, _moved(sizes)))]


def _broadcast_in_dim(equation, values):
    """Sizes of one spread out."""
    (value, *dynamic), shape = values, equation.params["shape"]
    dimensions = equation.params["broadcast_dimensions"]
    if dynamic or tuple(dimensions) != tuple(range(value.array.ndim)) or len(shape) < 3:
        return None
    return [Last(lax.broadcast_in_dim(value.array, _moved(shape), dimensions))]


def _concatenate(equation, values):
    arrays = list(map(_last, values))
    place = _place(equation.params["dimension"], arrays[0].ndim)
    return [Last(lax.concatenate(arrays, place))]


def _split(equation, values):
    place = _place(equation.params["axis"], values[0].array.ndim)
    return list(map(Last, bind(equation, [values[0].array], axis=place)))


def _pad(equation, values):
    if not isinstance(values[0], Last) or isinstance(values[1], Last):
        return None
    config = _moved(equation.params["padding_config"])
    return [Last(lax.pad(values[0].array, values[1], config))]


def _slice(equation, values):
    given = equation.params
    strides = given["strides"]
    start, limit = _moved(given["start_indices"]), _moved(given["limit_indices"])
    strides = None if strides is None else _moved(strides)
    return [Last(lax.slice(values[0].array, start, limit, strides))]


def _rev(equation, values):
    rank = values[0].array.ndim
    places = tuple([_place(axis, rank) for axis in equation.params["dimensions"]])
    return [Last(lax.rev(values[0].array, places))]


def _gather(equation, values):
    """What `jnp.take` along one dimension is; of other ways to gather, none."""
    if not isinstance(values[0], Last) or isinstance(values[1], Last):
        return None
    given, rank = equation.params, values[0].array.ndim
    numbers, shape = given["dimension_numbers"], values[0].array.shape
    sizes = _moved(given["slice_sizes"])
    if len(numbers.start_index_map) != 1 or values[1].ndim != 2:
        return None
    (axis,) = numbers.start_index_map
    place, others = _place(axis, rank), tuple([d for d in range(rank) if d != axis])
    along = tuple([1 if d == place else n for d, n in enumerate(shape)])
    whole = numbers.collapsed_slice_dims == (axis,) and numbers.offset_dims == others
    if not whole or numbers.operand_batching_dims or sizes != along:
        return None
    numbers = numbers._replace(
        offset_dims=tuple([d for d in range(rank) if d != place]),
        collapsed_slice_dims=(place,),
        start_index_map=(place,),
    )
    array = bind(
        equation, [values[0].array, values[1]], dimension_numbers=numbers, slice_sizes=sizes
    )
    return [Last(array)]


_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type
    copy copy_p cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow
    is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or pow
    reduce_precision rem round rsqrt select_n sign sin sinh sqrt square sub tan tanh xor
""".split()
_REDUCTIONS = "reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum".split()

_RULES = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _rev,
    "slice": _slice,
    "split": _split,
    "transpose": _transpose,
}

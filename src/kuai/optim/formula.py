"""From a formula for one parameter to a program for many.

What a formula may rely on:

* It sees real numbers only: a complex parameter, its gradient and its state arrive with a last
  dimension of (real, imaginary), each part a parameter of its own.
* It sees 16-bit parameters in float32.
* Numbers (options, and state of one number such as `step`) arrive as weakly typed float64: what is
  computed from them keeps its digits (in float32, 1 − βᵗ has few left while t is small), and where
  they meet an array they take on its dtype.
* Under `maximize` the gradient has been negated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core.primitives import convert_element_type_p

from kuai.optim.state import StateLayout

__all__ = ["Structure", "decayed", "program"]

_FLOAT64 = jnp.dtype("float64")


class Structure(NamedTuple):
    """All that a program depends on besides its formula.

    Attributes:
        count: the number of parameters.
        state: what the state of each consists of.
        switches: the options that are constants.
        numbers: the options that are inputs, and how many numbers each is (None: it is no tuple).
    """

    count: int  # pyright: ignore[reportIncompatibleMethodOverride]  (a tuple's own method)
    state: StateLayout
    switches: dict[str, bool]
    numbers: dict[str, int | None]


def program(update: Callable, structure: Structure) -> Callable:
    """A function of the arrays of parameters, their states, gradients and numbers, in one row.

    It returns the new parameters and the new states. The formula is traced once for all parameters
    of one shape and dtype.
    """
    count, names = structure.count, structure.state.names

    @jax.jit
    def update_one(param, grad, state, numbers):
        options = _options(structure, iter(numbers))
        arguments = _prepared(param, grad, state, structure.state, options)
        new_param, new_state = update(*arguments, options)
        return _closed(new_param, param), [_closed(new_state[n], state[n]) for n in names]

    def flat(*arrays):
        rest = iter(arrays)
        params = _take(rest, count)
        states = [dict(zip(names, _take(rest, len(names)), strict=True)) for _ in range(count)]
        grads, numbers = _take(rest, count), list(rest)
        new_params, new_states = [], []
        for param, grad, state in zip(params, grads, states, strict=True):
            new_param, new_state = update_one(param, grad, state, numbers)
            new_params.append(new_param)
            new_states += new_state
        return (*new_params, *new_states)

    return flat


def decayed(parameter: Any, gradient: Any, options: SimpleNamespace) -> tuple:
    """Parameter and gradient after weight decay, which either of them takes up."""
    if options.decoupled_weight_decay:
        return parameter * (1 - options.lr * options.weight_decay), gradient
    return parameter, gradient + options.weight_decay * parameter


def _prepared(param, grad, state, layout, options):
    """What a formula gets to see of one parameter."""
    opened = _opened(grad)
    kinds = zip(layout.names, layout.numbers, strict=True)
    seen = {n: _number(state[n]) if is_number else _opened(state[n]) for n, is_number in kinds}
    return _opened(param), -opened if options.maximize else opened, seen


def _options(structure: Structure, arrays: Iterator) -> SimpleNamespace:
    options = SimpleNamespace(**{"maximize": False, **structure.switches})
    for name, length in structure.numbers.items():
        values = tuple(map(_number, _take(arrays, length or 1)))
        setattr(options, name, values[0] if length is None else values)
    return options


def _take(arrays: Iterator, count: int) -> list:
    return [next(arrays) for _ in range(count)]


# How arrays are seen ------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    """Numbers as weakly typed float64; truth values as they are."""
    value = jnp.asarray(value).reshape(())
    if value.dtype == bool:
        return value
    return convert_element_type_p.bind(value, new_dtype=_FLOAT64, weak_type=True, sharding=None)


def _opened(values: Any) -> Any:
    """16-bit numbers in float32, complex ones as pairs."""
    if jnp.iscomplexobj(values):
        return jnp.stack([values.real, values.imag], axis=-1)
    return values.astype(jnp.float32) if values.dtype.itemsize == 2 else values


def _closed(values: Any, like: Any) -> Any:
    """The inverse of `_opened` and `_number`."""
    if jnp.iscomplexobj(like):
        values = jax.lax.complex(values[..., 0], values[..., 1])
    return jnp.asarray(values).astype(like.dtype)

"""What `gradcheck` asks of derivatives besides their values: batches, zeros, gradients missing."""

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd import around
from kuai.engine.autograd.backward import grad
from kuai.engine.autograd.batching import vectorize
from kuai.engine.autograd.duals import dual, tangent_of
from kuai.engine.tensor import Tensor, views, wrap

__all__ = ["GradcheckError", "backward", "batched_forward"]


class GradcheckError(RuntimeError):
    """Raised by `gradcheck` and `gradgradcheck`."""


def backward(func, inputs, batched, undefined) -> None:
    """Look at gradients for batches, for zeros, and for nothing.

    Raises:
        GradcheckError: a backward function does not take them as it should.
    """
    wanted = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
    outputs = _differentiable(func, inputs)
    if not outputs:
        return
    if batched:
        for number, output in enumerate(outputs):
            _batched(number, output, wanted)
    _zeros(_differentiable(func, inputs), wanted)
    if undefined:
        _missing(func, inputs, wanted)


def _differentiable(func, inputs):
    made = func(*inputs)
    made = made if isinstance(made, (list, tuple)) else (made,)
    return [o for o in made if isinstance(o, Tensor) and o.requires_grad]


def _random(tensor, count):
    array = views.value(tensor)
    numbers = np.random.default_rng(0).standard_normal((count, *array.shape))
    return wrap(jnp.asarray(numbers, array.dtype))


def _rows(tensor):
    return [wrap(row) for row in views.value(tensor)]


def _batched(number, output, wanted):
    seeds = _random(output, 2)

    def one(seed):
        found = grad(output, wanted, seed, retain_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    expected = [one(seed) for seed in _rows(seeds)]
    try:
        stacked, _ = vectorize(lambda slices: (one(slices[0]), []), [seeds], [0], 2)
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}") from error
    _same(number, expected, stacked)


def _same(number, expected, stacked):
    for place, found in enumerate(stacked):
        wanted = np.stack([np.asarray(views.value(row[place])) for row in expected])
        if not np.allclose(views.value(found), wanted, 1e-5, 1e-8):
            raise GradcheckError(
                f"For output {number} and input {place}:\n\n"
                "Got:\n"
                f"{found}\n\nExpected:\n{wrap(jnp.asarray(wanted))}"
            )


def batched_forward(func, inputs) -> None:
    """Look at tangents for batches."""
    for number, tensor in enumerate(inputs):
        if not (isinstance(tensor, Tensor) and tensor.requires_grad):
            continue
        seeds = _random(tensor, 2)

        def one(seed, number=number):
            return _pushed(func, inputs, number, seed)

        expected = [one(seed) for seed in _rows(seeds)]
        try:
            stacked, _ = vectorize(lambda s, one=one: (one(s[0]), []), [seeds], [0], 2)
        except RuntimeError as error:
            raise GradcheckError(f"While computing batched gradients, got: {error}") from error
        _same(number, expected, stacked)


def _pushed(func, inputs, number, seed):
    level = around.new_level()
    try:
        moved = list(inputs)
        moved[number] = dual(moved[number], seed, level)
        made = func(*moved)
        made = made if isinstance(made, (list, tuple)) else (made,)
        found = [tangent_of(o, level) for o in made if isinstance(o, Tensor)]
        return [t for t in found if t is not None]
    finally:
        around.remove_level(level)


def _zeros(outputs, wanted):
    """Where zeros arrive, gradients are zero: a backward function is linear."""
    given = [_filled(output) for output in outputs]
    found = grad(outputs, wanted, given, allow_unused=True)
    for gradient in found:
        if gradient is not None and np.any(np.asarray(views.value(gradient)) != 0):
            raise GradcheckError("backward not multiplied by grad_output")


def _filled(tensor):
    array = views.value(tensor)
    return wrap(jnp.zeros(array.shape, array.dtype))


def _missing(func, inputs, wanted):
    """Gradients that do not arrive count as zeros."""
    count = len(_differentiable(func, inputs))
    for left_out in (range(count), *([i] for i in range(count if count > 1 else 0))):
        outputs = _differentiable(func, inputs)
        handles = [
            node.register_prehook(_without(outputs[i]._output))
            for i in left_out
            if (node := outputs[i].grad_fn) is not None
        ]
        given = [_filled(output) for output in outputs]
        try:
            found = grad(outputs, wanted, given, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads. {_NOTES}"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        for gradient in found:
            if gradient is not None and np.any(np.asarray(views.value(gradient)) != 0):
                raise GradcheckError(
                    "Expected all input grads to be undefined or zero when all output grads are "
                    f"undefined or zero. {_NOTES}"
                )


_NOTES = (
    'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
)


def _without(number):
    def hook(gradients):
        return tuple([None if i == number else g for i, g in enumerate(gradients)])

    return hook

"""gradcheck: gradients against finite differences.

Every input element is moved by `eps` in both directions; the change of every output element,
divided by 2 eps, is an entry of the numerical Jacobian. The analytical one comes from one
backward pass for each output element.
"""

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.backward import grad
from kuai.engine.tensor import Tensor, modes, views, wrap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Raised by `gradcheck` and `gradgradcheck`."""


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Whether the gradients of `func` at `inputs` agree with finite differences.

    The inputs should be float64, and those to be checked require gradients.

    Example:
        >>> x = kuai.tensor([1.0, 2.0], dtype=kuai.float64, requires_grad=True)
        >>> kuai.autograd.gradcheck(kuai.exp, x)
        True

    Differs from PyTorch: forward mode, batched gradients and undefined gradients are not checked.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check(func, inputs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, **options):
    """Whether second derivatives agree with finite differences of the first.

    Example:
        >>> x = kuai.tensor([1.0, 2.0], dtype=kuai.float64, requires_grad=True)
        >>> kuai.autograd.gradgradcheck(kuai.exp, x)
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = _differentiable(_outputs(func, inputs))
    given = _cotangents(outputs) if grad_outputs is None else grad_outputs
    given = (given,) if isinstance(given, Tensor) else tuple(given)
    count = len(inputs)

    def first_derivative(*values):
        made = _differentiable(_outputs(func, values[:count]))
        wanted = [v for v in values[:count] if isinstance(v, Tensor) and v.requires_grad]
        found = grad(made, wanted, values[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(first_derivative, (*inputs, *given), eps=eps, atol=atol, rtol=rtol, **options)


def _cotangents(outputs):
    numbers = np.random.default_rng(0)
    made = []
    for output in outputs:
        array = views.value(output)
        tensor = wrap(jnp.asarray(numbers.standard_normal(array.shape), array.dtype))
        tensor.requires_grad = True
        made.append(tensor)
    return tuple(made)


def _outputs(func, inputs):
    made = func(*inputs)
    return made if isinstance(made, (list, tuple)) else (made,)


def _differentiable(outputs):
    return [o for o in outputs if isinstance(o, Tensor) and o.requires_grad]


def _check(func, inputs, eps, atol, rtol, nondet_tol):
    moved = [(i, t) for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]
    if not moved:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    outputs = _outputs(func, inputs)
    checked = [o for o in outputs if isinstance(o, Tensor) and o.requires_grad]
    if not checked:
        _check_constant(func, inputs, moved, eps)
        return
    numbers = [i for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad]
    analytical = _analytical(checked, [t for _, t in moved])
    again = _analytical(_pick(_outputs(func, inputs), numbers), [t for _, t in moved])
    for column, (position, tensor) in enumerate(moved):
        numerical = _numerical(func, inputs, position, tensor, numbers, eps)
        for row, output in enumerate(numbers):
            found, wanted = analytical[row][column], numerical[row]
            if np.abs(found - again[row][column]).max(initial=0.0) > nondet_tol:
                raise GradcheckError(_NOT_REENTRANT)
            if not np.allclose(found, wanted, rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {output} with respect to input {position},\n"
                    f"numerical:{wanted.T}\nanalytical:{found.T}\n"
                )


_NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output "
    "multiple times "
    "gives different values, although analytical gradient matches numerical gradient."
)


def _pick(outputs, numbers):
    return [outputs[i] for i in numbers]


def _check_constant(func, inputs, moved, eps):
    outputs = _outputs(func, inputs)
    numbers = [i for i, o in enumerate(outputs) if isinstance(o, Tensor)]
    for position, tensor in moved:
        for number, jacobian in zip(
            numbers, _numerical(func, inputs, position, tensor, numbers, eps), strict=True
        ):
            if np.abs(jacobian).max(initial=0.0) > 0:
                raise GradcheckError(
                    f"Numerical gradient for function expected to be zero (output {number})"
                )


def _analytical(outputs, inputs):
    """For each output and input the Jacobian, one row an output element."""
    table = []
    for output in outputs:
        array = views.value(output)
        rows = []
        for place in range(array.size):
            basis = np.zeros(array.size, array.dtype)
            basis[place] = 1
            seed = wrap(jnp.asarray(basis.reshape(array.shape)))
            rows.append(grad(output, inputs, seed, retain_graph=True, allow_unused=True))
        table.append([_matrix(rows, number, tensor) for number, tensor in enumerate(inputs)])
    return table


def _matrix(rows, number, tensor):
    size = views.value(tensor).size
    flat = [
        np.zeros(size) if r[number] is None else np.asarray(views.value(r[number])).ravel()
        for r in rows
    ]
    return np.array(flat).reshape(len(rows), size)


def _numerical(func, inputs, position, tensor, numbers, eps):
    """For each output the Jacobian by central differences, one row an output element."""
    array = np.asarray(views.value(tensor))
    columns = []
    for place in range(array.size):
        ends = []
        for change in (eps, -eps):
            shifted = array.copy()
            shifted.reshape(-1)[place] += change
            ends.append(_run(func, inputs, position, shifted, numbers))
        columns.append([(a - b) / (2 * eps) for a, b in zip(*ends, strict=True)])
    if not columns:
        return [np.zeros((views.value(o).size, 0)) for o in _pick(_outputs(func, inputs), numbers)]
    return [np.stack([c[row] for c in columns], axis=1) for row in range(len(numbers))]


def _run(func, inputs, position, array, numbers):
    moved = list(inputs)
    moved[position] = wrap(jnp.asarray(array))
    moved[position].requires_grad = True  # so that a func which asks for gradients gets them
    with modes.enable_grad():
        outputs = _outputs(func, moved)
    return [np.asarray(views.value(o)).ravel() for o in _pick(outputs, numbers)]

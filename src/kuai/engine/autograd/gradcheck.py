"""gradcheck: gradients against finite differences.

Every input element is moved by `eps` in both directions; the change of every output element,
divided by 2 eps, is an entry of the numerical Jacobian. The analytical one comes from one
backward pass for each output element, and in forward mode from one pass for each input element.

A complex output is two real functions, its real and its imaginary part. The gradient of a real
function of a complex number x + iy is df/dx + i df/dy.
"""

import warnings

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd import around, derivative_checks
from kuai.engine.autograd.backward import grad
from kuai.engine.autograd.derivative_checks import GradcheckError
from kuai.engine.autograd.duals import dual, tangent_of
from kuai.engine.tensor import Tensor, dtypes, modes, views, wrap
from kuai.engine.tiers.tiered import start_anew

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


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

    The inputs should be float64 or complex128, and those to be checked require gradients.

    Args:
        eps: how far elements are moved.
        atol, rtol: how far gradients may be off.
        raise_exception: raise an error that says what differs, rather than return False.
        nondet_tol: how far two backward passes may differ.
        check_undefined_grad: gradients that do not arrive count as zeros.
        check_grad_dtypes: gradients have the dtypes of the inputs.
        check_batched_grad, check_batched_forward_grad: derivatives may be taken under `vmap`.
        check_forward_ad, check_backward_ad: which derivatives are looked at.
        fast_mode, masked: accepted for PyTorch's sake; the whole Jacobian is compared.

    Example:
        >>> x = kuai.tensor([1.0, 2.0], dtype=kuai.float64, requires_grad=True)
        >>> kuai.autograd.gradcheck(kuai.exp, x)
        True
    """
    for wrong, what in (
        (
            not (check_forward_ad or check_backward_ad),
            "Expected at least one of check_forward_ad or check_backward_ad to be True",
        ),
        (
            check_batched_grad and not check_backward_ad,
            "Setting check_batched_grad=True requires check_backward_ad to be True",
        ),
        (
            check_batched_forward_grad and not check_forward_ad,
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True",
        ),
    ):
        if wrong:
            raise AssertionError(what)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _check_inputs(inputs, check_forward_ad)
    check = _Check(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    try:
        check.run(check_forward_ad, check_backward_ad)
        if check_batched_forward_grad:
            derivative_checks.batched_forward(func, inputs)
        if check_backward_ad:
            derivative_checks.backward(func, inputs, check_batched_grad, check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_fwd_over_rev=False,
    check_rev_over_rev=True,
    fast_mode=False,
    masked=False,
):
    """Whether second derivatives agree with finite differences of the first.

    Args:
        grad_outputs: at which gradients of the outputs; default: random ones.
        check_fwd_over_rev, check_rev_over_rev: by which mode the first derivatives are
            differentiated. All other arguments are those of `gradcheck`.

    Example:
        >>> x = kuai.tensor([1.0, 2.0], dtype=kuai.float64, requires_grad=True)
        >>> kuai.autograd.gradgradcheck(kuai.exp, x)
        True
    """
    for wrong, what in (
        (
            not (check_fwd_over_rev or check_rev_over_rev),
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True",
        ),
        (
            check_undefined_grad and not check_rev_over_rev,
            "Setting check_undefined_grad=True requires check_rev_over_rev to be True",
        ),
        (
            check_batched_grad and not check_rev_over_rev,
            "Setting check_batched_grad=True requires check_rev_over_rev to be True",
        ),
    ):
        if wrong:
            raise AssertionError(what)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = _differentiable(_outputs(func, inputs))
    given = _cotangents(outputs) if grad_outputs is None else grad_outputs
    given = (given,) if isinstance(given, Tensor) else tuple(given)
    count = len(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def first_derivative(*values):
        made = _differentiable(_outputs(func, values[:count]))
        arguments = [values[i] for i in wanted]
        found = grad(made, arguments, values[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first_derivative,
        (*inputs, *given),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
    )


def _cotangents(outputs):
    numbers = np.random.default_rng(0)
    made = []
    for output in outputs:
        array = views.value(output)
        values = numbers.uniform(-1, 1, array.shape)
        if array.dtype.kind == "c":
            values = values + 1j * numbers.uniform(-1, 1, array.shape)
        tensor = wrap(jnp.asarray(values, array.dtype))
        tensor.requires_grad = True
        made.append(tensor)
    return tuple(made)


def _outputs(func, inputs):
    made = func(*inputs)
    return made if isinstance(made, (list, tuple)) else (made,)


def _differentiable(outputs):
    return [o for o in outputs if isinstance(o, Tensor) and o.requires_grad]


def _check_inputs(inputs, forward):
    any_wanted = False
    for number, tensor in enumerate(inputs):
        if not (isinstance(tensor, Tensor) and tensor.requires_grad):
            continue
        any_wanted = True
        if tensor.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{number} requires gradient and is not a double precision floating point "
                "or complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=3,
            )
    if not any_wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )


class _Check:
    """One comparison of derivatives with finite differences."""

    def __init__(self, func, inputs, eps, atol, rtol, nondet_tol, check_dtypes):
        self.func, self.inputs = func, inputs
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.nondet_tol, self.check_dtypes = nondet_tol, check_dtypes
        self.moved = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]

    def run(self, forward, backward):
        """Compare; raises `GradcheckError`."""
        outputs = _outputs(self.func, self.inputs)
        numbers = [i for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad]
        if not numbers:
            numbers = [i for i, o in enumerate(outputs) if isinstance(o, Tensor)]
            for table in self._numerical(numbers):
                if any(np.any(jacobian != 0) for jacobian in table):
                    raise GradcheckError("Numerical gradient for function expected to be zero")
            return
        numerical = self._numerical(numbers)
        if backward:
            start_anew()  # operations that come again are compiled, which changes last bits:
            found = self._analytical(numbers)
            start_anew()  # both passes begin at the same of their ways
            again = self._analytical(numbers)
            self._compare(numbers, numerical, found, again)
        if forward:
            self._compare_forward(numbers, numerical, self._forward(numbers))

    def _compare(self, numbers, numerical, found, again):
        for row, output in enumerate(numbers):
            for column, position in enumerate(self.moved):
                one, other = found[row][column], again[row][column]
                if np.abs(one - other).max(initial=0.0) > self.nondet_tol:
                    raise GradcheckError(_NOT_REENTRANT.format(self.nondet_tol))
                is_complex = self._is_complex(position)
                for wanted, name in _parts(numerical[row][column], is_complex):
                    got = one if name is None else _of_part(one, name)
                    self._match(wanted, got, output, position, name, False)

    def _compare_forward(self, numbers, numerical, found):
        for row, output in enumerate(numbers):
            for column, position in enumerate(self.moved):
                self._match(
                    _real_rows(numerical[row][column]),
                    _real_rows(found[row][column]),
                    output,
                    position,
                    None,
                    True,
                )

    def _match(self, wanted, found, output, position, part, forward):
        if np.allclose(found, wanted, self.rtol, self.atol):
            return
        if part is not None:
            word = "imaginary" if part == "imag" else part
            start = f"While considering the {word} part of complex outputs only, "
        elif self._is_complex(position):
            start = "While considering the real part of complex inputs only, " if forward else ""
        else:
            start = ""
        mode = "computed with forward mode " if forward else ""
        raise GradcheckError(
            f"{start}Jacobian {mode}mismatch for output {output} with respect to input "
            f"{position},\nnumerical:{_printed(wanted)}\nanalytical:{_printed(found)}\n"
        )

    def _is_complex(self, position):
        return views.outline(self.inputs[position]).dtype.kind == "c"

    # Jacobians: tables [output][input] of arrays, one row an output element -------------------

    def _numerical(self, numbers):
        """By central differences; along the real and the imaginary axis of a complex input."""
        per_input = []
        for position in self.moved:
            array = np.asarray(views.value(self.inputs[position]))
            steps = (self.eps, 1j * self.eps) if array.dtype.kind == "c" else (self.eps,)
            columns = [
                [self._difference(position, array, place, step, numbers) for step in steps]
                for place in range(array.size)
            ]
            per_input.append(columns)
        sizes = [views.value(o).size for o in self._pick(numbers)]
        return [
            [_stacked([[d[row] for d in c] for c in columns], size) for columns in per_input]
            for row, size in enumerate(sizes)
        ]

    def _pick(self, numbers):
        outputs = _outputs(self.func, self.inputs)
        return [outputs[i] for i in numbers]

    def _difference(self, position, array, place, step, numbers):
        ends = []
        for change in (step, -step):
            shifted = array.copy()
            shifted.reshape(-1)[place] += change
            ends.append(self._values(position, shifted, numbers))
        return [(a - b) / (2 * self.eps) for a, b in zip(*ends, strict=True)]

    def _values(self, position, array, numbers):
        moved = list(self.inputs)
        moved[position] = wrap(jnp.asarray(array))
        moved[position].requires_grad = True  # a func that asks for gradients gets them
        with modes.enable_grad():
            outputs = _outputs(self.func, moved)
        return [np.asarray(views.value(outputs[i])).ravel() for i in numbers]

    def _analytical(self, numbers):
        """Gradients of each output element, of both its parts if it is complex."""
        wanted = [self.inputs[i] for i in self.moved]
        table = []
        for output in self._pick(numbers):
            array = views.value(output)
            units = (1, 1j) if array.dtype.kind == "c" else (1,)
            rows = []
            for place in range(array.size):
                for unit in units:
                    basis = np.zeros(array.size, array.dtype)
                    basis[place] = unit
                    seed = wrap(jnp.asarray(basis.reshape(array.shape)))
                    rows.append(grad(output, wanted, seed, retain_graph=True, allow_unused=True))
            table.append([self._matrix(rows, n, t, len(units)) for n, t in enumerate(wanted)])
        return table

    def _matrix(self, rows, number, tensor, parts):
        array = views.value(tensor)
        flat = []
        for row in rows:
            found = None if row[number] is None else np.asarray(views.value(row[number]))
            if found is not None and found.dtype != array.dtype and self.check_dtypes:
                raise GradcheckError("Gradient has dtype mismatch")
            if found is not None and found.shape != array.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            flat.append(np.zeros(array.size, array.dtype) if found is None else found.ravel())
        made = np.array(flat).reshape(len(rows), array.size)
        return made if parts == 1 else np.stack([made[::2], made[1::2]])

    def _forward(self, numbers):
        """Tangents of the outputs for each input element, along both axes if it is complex."""
        per_input = []
        for position in self.moved:
            array = views.value(self.inputs[position])
            units = (1, 1j) if array.dtype.kind == "c" else (1,)
            columns = []
            for place in range(array.size):
                columns.append([self._push(position, array, place, u, numbers) for u in units])
            per_input.append(columns)
        sizes = [views.value(o).size for o in self._pick(numbers)]
        return [
            [_stacked([[d[row] for d in c] for c in columns], size) for columns in per_input]
            for row, size in enumerate(sizes)
        ]

    def _push(self, position, array, place, unit, numbers):
        basis = np.zeros(array.size, array.dtype)
        basis[place] = unit
        level = around.new_level()
        try:
            inputs = list(self.inputs)
            seed = wrap(jnp.asarray(basis.reshape(array.shape)))
            inputs[position] = dual(inputs[position], seed, level)
            outputs = _outputs(self.func, inputs)
            tangents = [(outputs[i], tangent_of(outputs[i], level)) for i in numbers]
            return [
                np.zeros(views.value(o).size) if t is None else np.asarray(views.value(t)).ravel()
                for o, t in tangents
            ]
        finally:
            around.remove_level(level)


_NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output "
    "multiple times gives different values, although analytical gradient matches numerical "
    "gradient.The tolerance for nondeterminism was {}."
)


def _stacked(columns, size):
    """Columns of derivatives, each along one or two axes, as `(axes, output, input)`."""
    if not columns:
        return np.zeros((1, size, 0))
    axes = range(len(columns[0]))
    return np.stack([np.stack([c[a] for c in columns], axis=1) for a in axes])


def _real_rows(jacobian):
    """A Jacobian of complex numbers as one of real ones, so that nothing is lost."""
    flat = jacobian.reshape(-1, jacobian.shape[-1])
    return np.concatenate([flat.real, flat.imag]) if np.iscomplexobj(flat) else flat


def _parts(jacobian, input_is_complex):
    """What gradients of an output have to be: of itself, or of its two parts."""
    names = ("imag", "real") if np.iscomplexobj(jacobian) else (None,)
    for name in names:
        part = jacobian if name is None else getattr(jacobian, name)
        yield (part[0] + 1j * part[1] if input_is_complex else part[0]), name


def _of_part(gradients, name):
    """The gradients of an output's real or imaginary part."""
    return gradients[0] if name == "real" else gradients[1]


def _printed(jacobian):
    return repr(wrap(jnp.asarray(jacobian.T)))

"""Control flow as operations: `cond`, `while_loop` and `scan`.

Eagerly they are what they stand for, an `if`, a `while` and a `for` in Python, so that everything
inside runs, prints and stops in a debugger as usual. While operations are recorded or traced they
become one branch or loop of the program (see `control_flow_lifted`).
"""

from typing import Any

import jax
import jax.core

from kuai.engine.compile.bodies import aval_of
from kuai.engine.compile.calling import line_of_error
from kuai.engine.op import composite
from kuai.engine.tensor import Tensor, modes, views
from kuai.errors import CompileError, ControlFlowError, DataDependentError
from kuai.ops.array.joining import stack
from kuai.ops.array.splitting import unbind
from kuai.ops.array.transposing import movedim
from kuai.ops.control import control_flow_lifted as lifted
from kuai.ops.dimensions import normalize_dim

__all__ = ["cond", "scan", "while_loop"]


def _in_a_program(lifted_form, python_form):
    """What a branch or a loop gives as a part of the program.

    Where a body needs a concrete value, or a gradient has to go back through a loop of unknown
    length, a record can do without: it is run, and Python decides.
    """
    state = modes.state
    if state.capture is not None or state.recorder is None:
        return lifted_form()
    try:
        return lifted_form()
    except DataDependentError as error:
        if state.recorder.fullgraph:
            raise CompileError(f"{error} It happens at {line_of_error(error)}.") from error
        return python_form()


def _traced(*nested) -> bool:
    """Whether operations are recorded or traced, by Kuai or by JAX."""
    if modes.state.capture is not None or modes.state.recorder is not None:
        return True
    leaves, _ = lifted.flatten(nested)
    arrays = (views.held(leaf) for leaf in leaves if isinstance(leaf, Tensor))
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


@composite(method=False)
def cond(pred, true_fn, false_fn, operands=()) -> Any:
    """`true_fn(*operands)` if `pred`, else `false_fn(*operands)`.

    Inside `kuai.compile` both functions become part of the program, which chooses when it runs.
    Gradients flow through the chosen one, also to the parameters that it uses.

    Args:
        pred: a tensor with one element, or a Python boolean, which decides at once.
        true_fn, false_fn: functions of the operands; both return tensors of the same shapes and
            dtypes, nested in the same way.
        operands: a tuple of tensors, nested as you like.

    Example:
        >>> x = kuai.tensor([1.0, 2.0])
        >>> kuai.cond(x.sum() > 2, lambda x: x * 10, lambda x: -x, (x,))
        tensor([10., 20.])
    """
    if not isinstance(pred, (bool, int, float, Tensor)):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not (callable(true_fn) and callable(false_fn)):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of"
            f" tensor leaves, but got {operands}."
        )
    if not (isinstance(pred, Tensor) and _traced(pred, operands)):
        return (true_fn if pred else false_fn)(*operands)
    return _in_a_program(
        lambda: lifted.cond(pred, true_fn, false_fn, operands),
        lambda: (true_fn if pred else false_fn)(*operands),
    )


@composite(method=False)
def while_loop(cond_fn, body_fn, carried_inputs, *, max_iterations=None) -> tuple[Any, ...]:
    """Run `carry = body_fn(*carry)` while `cond_fn(*carry)` is true; returns the last carry.

    Inside `kuai.compile` the loop stays in the program. Its number of iterations is then not known
    in advance, so there is no backward pass, unless `max_iterations` bounds it: room is made for
    that many, and those left over are skipped.

    Args:
        cond_fn: function of the carry that returns a boolean with one element.
        body_fn: function of the carry that returns a carry with the same shapes and dtypes.
        carried_inputs: a tuple of tensors, nested as you like.
        max_iterations: stop after so many iterations, whatever `cond_fn` says.

    Example:
        >>> halve = lambda x: (x / 2,)
        >>> kuai.while_loop(lambda x: x.abs().sum() > 1, halve, (kuai.tensor([4.0, 2.0]),))
        (tensor([0.5000, 0.2500]),)

    Differs from PyTorch: the name stands in `kuai` itself; `max_iterations`.
    """
    if not (callable(cond_fn) and callable(body_fn)):
        raise RuntimeError("cond_fn and body_fn must be callable")
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(f"carried_inputs must be a tuple or list but got {type(carried_inputs)}")
    arguments = (cond_fn, body_fn, carried_inputs, max_iterations)
    if _traced(carried_inputs):
        return _in_a_program(lambda: lifted.while_loop(*arguments), lambda: _while(*arguments))
    return _while(*arguments)


def _while(cond_fn, body_fn, carried_inputs, max_iterations):
    """The loop in Python."""
    carry, done = tuple(carried_inputs), 0
    while (max_iterations is None or done < max_iterations) and _is_true(cond_fn(*carry)):
        carry, before = _unchanged("while_loop, body_fn", body_fn, carry), carry
        carry = tuple(carry) if isinstance(carry, (tuple, list)) else (carry,)
        lifted.same_carry("while_loop", _form("while_loop", before), _form("while_loop", carry))
        done += 1
    return carry


def _is_true(found):
    if isinstance(found, Tensor) and found.numel() != 1:
        raise ControlFlowError(
            f"while_loop: cond_fn has to return one boolean, but it returned {aval_of(found)}"
        )
    return bool(found)


@composite(method=False)
def scan(combine_fn, init, xs, *, dim=0, reverse=False) -> tuple[Any, Any]:
    """Run `carry, y = combine_fn(carry, x)` for every slice `x` of `xs`; a loop with memory.

    Inside `kuai.compile` the loop is one part of the program, however long it is, and it is
    differentiable, also with respect to parameters that `combine_fn` uses.

    Args:
        combine_fn: function of the carry and a slice; returns the next carry, with the same shapes
            and dtypes, and an output.
        init: the first carry, a tensor or nested tensors.
        xs: a tensor or nested tensors, all of the same size along `dim`.
        dim: the dimension of `xs` to go along.
        reverse: go from the last slice to the first; the outputs keep the order of the slices.

    Returns:
        The last carry, and the outputs stacked along a new dimension `dim`.

    Example:
        >>> add = lambda total, x: (total + x, total + x)
        >>> kuai.scan(add, kuai.tensor(0), kuai.arange(5))
        (tensor(10), tensor([ 0,  1,  3,  6, 10]))

    Differs from PyTorch: the name stands in `kuai` itself; closed-over tensors are allowed.
    """
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    if not isinstance(dim, int):
        raise RuntimeError(f"Dim must be an int, but got {type(dim)}")
    if not isinstance(reverse, bool):
        raise RuntimeError(f"Reverse must be a bool, but got {type(reverse)}")
    leaves, tree = lifted.flatten(xs)
    slices, length, dim = _along_first(lifted.as_tensors(leaves, "scan"), dim)
    arguments = (combine_fn, init, jax.tree.unflatten(tree, slices), reverse)
    if not length:
        last, outputs = lifted.scan(*arguments)
    elif _traced(init, slices):
        last, outputs = _in_a_program(lambda: lifted.scan(*arguments), lambda: _scan(*arguments))
    else:
        last, outputs = _scan(*arguments)
    return last, _along(outputs, dim)


def _scan(combine_fn, init, xs, reverse):
    """The loop in Python: the last carry, and the outputs stacked."""
    slices, tree = lifted.flatten(xs)
    rows = [jax.tree.unflatten(tree, row) for row in zip(*map(unbind, slices), strict=True)]
    outputs = []
    for row in reversed(rows) if reverse else rows:
        init, output = _combine(combine_fn, init, row)
        outputs.append(output)
    return init, _stacked(outputs[::-1] if reverse else outputs)


def _along_first(tensors, dim):
    if not tensors:
        raise RuntimeError("scan() operator requires xs leaves.")
    dim = normalize_dim(dim, tensors[0].ndim)
    made = [movedim(t, dim, 0) if dim else t for t in tensors]
    lengths = {t.shape[0] if t.ndim else None for t in made}
    if len(lengths) != 1 or None in lengths:
        raise RuntimeError(
            f"All xs leaves must have the same scan dimension, but their sizes along {dim} are "
            f"{', '.join(str(t.shape[0]) if t.ndim else 'missing' for t in made)}"
        )
    return made, lengths.pop(), dim


def _along(outputs, dim):
    """Stacked outputs with their new dimension at `dim`, as PyTorch has it."""
    if not dim:
        return outputs
    leaves, tree = lifted.flatten(outputs)
    return jax.tree.unflatten(tree, [movedim(leaf, 0, dim) for leaf in leaves])


def _combine(combine_fn, carry, row):
    made = _unchanged("scan, combine_fn", combine_fn, (carry, row))
    if not (isinstance(made, (tuple, list)) and len(made) == 2):
        raise ControlFlowError(
            "scan: combine_fn has to return a pair, the next carry and an output, but it returned "
            f"{'a ' + type(made).__name__ if not isinstance(made, tuple) else len(made)}"
        )
    lifted.same_carry("scan", _form("scan", carry), _form("scan", made[0]))
    return made


def _stacked(outputs):
    _, tree = lifted.flatten(outputs[0])
    columns = zip(*(lifted.as_tensors(lifted.flatten(o)[0], "scan") for o in outputs), strict=True)
    return jax.tree.unflatten(tree, [stack(column) for column in columns])


def _unchanged(what, function, arguments):
    """Call a body and check that it did not change its arguments in place."""
    leaves = [leaf for leaf in lifted.flatten(arguments)[0] if isinstance(leaf, Tensor)]
    before = [leaf._storage.version for leaf in leaves]
    made = function(*arguments)
    if [leaf._storage.version for leaf in leaves] != before:
        raise ControlFlowError(
            f"{what}: the body changes one of its arguments in place. Return the new value as a "
            "result instead, and use clone() where a copy is to be changed."
        )
    return made


def _form(what, carry):
    leaves, tree = lifted.flatten(carry)
    return tree, list(map(aval_of, lifted.as_tensors(leaves, what)))

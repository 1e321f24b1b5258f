"""In-place changes and the history of views.

`overwrite(target, result)` is what every in-place operation ends in: the result of the ordinary
operation takes the target's place. For a tensor that is its own base this means a new array and a
new node. For a view the base gets a new array (with the view's part replaced) and a new node,
`CopySlices`; the base counts the change, and every view of it makes its own node anew when it is
next asked for. PyTorch does the same; only its refusal "modified by an inplace operation" is not
needed here, because what the tape saved cannot be overwritten.
"""

import warnings

import jax.numpy as jnp

from kuai.engine.autograd import duals
from kuai.engine.autograd.running import Operation, run
from kuai.engine.autograd.tape import Node, retain_at_node
from kuai.engine.tensor import Tensor, method, modes, views
from kuai.engine.tensor.layouts import layout_of, overlaps

__all__ = ["ONE_NUMBER", "overwrite", "window"]

ONE_NUMBER = "fill_"  # what writes one number everywhere may do so where windows overlap

_read = Operation("read_view", "AsStridedBackward0")
_write = Operation("write_view", "torch::autograd::CopySlices")
_cast = Operation("to", "ToCopyBackward0")

_replace = Operation("replace", "CopyBackwards")

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2, "c": 3}
_NAMES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def window(made: Tensor, parent: Tensor, step: views.Step) -> Tensor:
    """Turn the result of a view operation into a view of its input."""
    array = made._storage.held
    _look_at(parent, made, step)
    views.remember(made, views.resolve(parent._storage), array)
    return made


def unread_window(parent: Tensor, step: views.Step) -> Tensor:
    """A view of memory that is read where the view is used, and not before."""
    made = object.__new__(Tensor)
    _look_at(parent, made, step)
    return made


def _look_at(parent, made, step):
    made._storage = parent._storage
    made._steps = (*(parent._steps or ()), step)
    base = made._base = parent if parent._base is None else parent._base
    made._seen = base._changes


def overwrite(target: Tensor, result: Tensor, name: str = "") -> Tensor:
    """Put the values, and the history, of `result` into `target`, and return `target`.

    Args:
        name: of the operation, as some may write to expanded tensors, whose elements are one and
            the same in memory.

    Raises:
        RuntimeError: `target` is a leaf that requires a gradient (or a view of one) while gradients
            are recorded, has another shape, a dtype that cannot hold the result, or elements that
            are one and the same.
    """
    result = _fitted(target, result)
    if target._steps is not None:
        _check_overlap(target, name)
    if modes.state.around is not None:
        duals.carry(target, result)
    base = target._base
    if not modes.state.grad_enabled:
        views.assign(target, views.held(result))
        return target
    _refuse_leaf(target, base)
    if base is None:
        if target._node is not None and not result.requires_grad:
            result = run(_replace, None, lambda: _only_new, [target, result])
        views.assign(target, views.held(result))
        if target._node is None and not result.requires_grad:
            return target  # it had no history and has none now
        target._node, target._output = result._node, result._output
        if target._node is None and result._requires_grad:
            target._node, target._output = (
                run(_cast, result.dtype, lambda: lambda a: a + 0, [result])._node,
                0,
            )
        target._changes += 1
        _retain_anew(target)
    elif base.requires_grad or result.requires_grad:
        _write_through(target, base, result)
    else:
        views.assign(target, views.held(result))
    return target


def _only_new(old, new):
    """What is written; the tensor keeps its history, through which goes a gradient of zero."""
    return new


def _write_through(target, base, result):
    chain, counts, flat = _steps_between(base, target)

    def write(array, part, *flat):
        return views.write_chain(chain, array, part, views.regroup(flat, counts))

    made = run(_write, (chain, counts), lambda: write, [base, result, *flat])
    views.assign(base, views.held(made))
    base._node, base._output = made._node, made._output
    base._changes += 1
    _retain_anew(base)


def _retain_anew(tensor):
    """The gradient to be kept is that of what the tensor stands for now."""
    if tensor._retains_grad and tensor._node is not None:
        retain_at_node(tensor, tensor._node, tensor._output)


_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)
_DEPRECATED = {
    "masked_fill_": "tensor[mask] = scalar",
    "index_fill_": "tensor[mask] = scalar",
    "index_put_": "tensor[indices] = tensor",
}


def _check_overlap(target, name):
    """PyTorch's error, or its warning, for a target that has the same element several times."""
    if any(step.view.may_overlap for step in target._steps):
        if name != ONE_NUMBER and overlaps(layout_of(target)):
            raise RuntimeError(_OVERLAP)
        return
    if not any(step.view.repeats for step in target._steps):
        return
    shape, strides, _ = layout_of(target)
    if 0 in shape or not any(n > 1 and not s for n, s in zip(shape, strides, strict=True)):
        return
    if name in _DEPRECATED:
        warnings.warn(
            f"Use of {name} on expanded tensors is deprecated. Please clone() the tensor before "
            "performing this operation. This also applies to advanced indexing e.g. "
            f"{_DEPRECATED[name]}",
            stacklevel=3,
        )
    else:
        raise RuntimeError(_OVERLAP)


def _steps_between(base, view):
    """The view operations that lead from a base to its view, and their numbers in one row."""
    # the base may itself be a window on its storage when it was detached from another view
    own = len(base._steps or ())
    chain, numbers = views.split(view._steps[own:])
    return chain, tuple(map(len, numbers)), [n for group in numbers for n in group]


def _refuse_leaf(target, base):
    if target._requires_grad and target.grad_fn is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if base is not None and base._requires_grad and base.grad_fn is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def _fitted(target, result):
    wanted, found = views.outline(target), views.outline(result)
    if found.shape != wanted.shape:
        raise RuntimeError(
            f"output with shape {list(wanted.shape)} doesn't match the broadcast shape "
            f"{list(found.shape)}"
        )
    if found.dtype == wanted.dtype:
        return result
    if _CATEGORY[found.dtype.kind] > _CATEGORY[wanted.dtype.kind]:
        names = [_NAMES.get(str(d), str(d)) for d in (found.dtype, wanted.dtype)]
        raise RuntimeError(
            f"result type {names[0]} can't be cast to the desired output type {names[1]}"
        )
    kind = wanted.dtype
    return run(_cast, kind, lambda: lambda array: jnp.asarray(array, kind), [result])


@method
@property
def grad_fn(self: Tensor) -> Node | None:
    """The node that made this tensor, or None for a leaf."""
    base = self._base
    if base is None or base._changes == self._seen:
        return self._node
    self._seen = base._changes
    self._node = None
    if base.requires_grad:
        chain, counts, flat = _steps_between(base, self)

        def read(array, *flat):
            return views.read_chain(chain, array, views.regroup(flat, counts))

        previous, modes.state.grad_enabled = modes.state.grad_enabled, True
        try:
            made = run(_read, (chain, counts), lambda: read, [base, *flat])
        finally:
            modes.state.grad_enabled = previous
        self._node, self._output = made._node, made._output
        _retain_anew(self)
    return self._node

"""Rows: what tensors say of themselves, and what changes them as a whole."""

import warnings

from tests.rowkit import A, Row


def both_ends(t):
    """Torch warns of `range`, which Python reads otherwise."""
    with warnings.catch_warnings(action="ignore"):
        return t.range(1, 3), t.range(0, 1, 0.5)


def plain(name, call, *inputs):
    """A row of values that have no gradient, and that Python asks for."""
    return Row(name, call, *inputs, grad=False, compiled=False)


ROWS = [
    plain("range", both_ends),
    Row("cpu", lambda t, x: x.cpu(), A(2, 3)),
    plain("requires_grad_", lambda t, x: x.detach().requires_grad_().requires_grad, A(2)),
    plain("is_contiguous", lambda t, x: (x.is_contiguous(), x.t().is_contiguous()), A(2, 3)),
    plain("is_pinned", lambda t, x: (x.is_pinned(), x.is_shared(), x.is_inference()), A(2, 3)),
    plain("module_load", lambda t, x: t.zeros(2, 3).module_load(x), A(2, 3)),
    plain("new", lambda t, x: (x.new(2, 3).shape, x.new([1, 2]), x.new(), x.new(x)), A(2, 3)),
    plain("storage_offset", lambda t, x: (x[1:].storage_offset(), x.storage_offset()), A(2, 3)),
    plain("resize_", lambda t, x: x.clone().resize_(3, 1), A(2, 3)),
    plain("set_", lambda t, x: t.zeros(2).set_(x.clone()), A(2, 3)),
]

"""Indexing, gathering, scattering and masks."""

from tests.rowkit import A, Row

I3 = A(values=[[0, 2, 1], [1, 1, 0]], dtype="int64")
LIST = A(values=[2, 0], dtype="int64")
MASK = A(values=[[True, False, True], [False, False, True]], dtype="bool")


def written(change):
    """The tensor after a change in place, so that the gradient goes through it."""

    def call(t, x, *rest):
        made = x * 1
        change(t, made, *rest)
        return made

    return call


def assign(index):
    def change(t, x, y):
        x[index] = y

    return written(change)


def assign_mask(t, x, m):
    x[m] = 5.0


ROWS = [
    Row("int", lambda t, x: (x[0], x[-1], x[1, 2]), A(2, 3)),
    Row("slice", lambda t, x: (x[1:], x[:, ::2], x[-2:, 1:3], x[0:0]), A(4, 5)),
    Row("none and ellipsis", lambda t, x: (x[None], x[..., None, 0], x[0, ..., 1:]), A(2, 3, 4)),
    Row("tensor", lambda t, x, i: (x[i], x[:, i], x[i, i]), A(3, 4), LIST),
    Row(
        "tensor after int",
        lambda t, x, i: (x[0, :, i], x[i, :, 1], x[i, None, i]),
        A(3, 4, 5),
        LIST,
    ),
    Row("separated tensors", lambda t, x, i: x[i, :, i], A(3, 4, 5), LIST),
    Row("list", lambda t, x: (x[[0, 2]], x[:, [1, -1]], x[[0, 1], [1, 2]]), A(3, 4)),
    Row("0-d tensor", lambda t, x, i: (x[i], x[:, i]), A(3, 4), A(values=1, dtype="int64")),
    Row("mask", lambda t, x, m: (x[m], x[m.any(1)]), A(2, 3), MASK, compiled=False),
    Row("bool", lambda t, x: (x[True], x[False]), A(2, 3), compiled=False),
    Row("assign int", assign(1), A(2, 3), A(3)),
    Row("assign slice", assign((slice(None), slice(1, None))), A(2, 3), A(2)),
    Row("assign step", assign((slice(None), slice(None, None, 2))), A(2, 3), A(2)),
    Row("assign list", assign([1, 0]), A(2, 3), A(2, 3)),
    Row("assign mixed", assign((slice(None), [2, 0])), A(2, 3), A(2, 1)),
    Row("assign mask", written(assign_mask), A(2, 3), MASK),
    Row("gather", lambda t, x, i: t.gather(x, 1, i), A(2, 3), I3),
    Row(
        "scatter",
        lambda t, x, i, y: x.scatter(1, i, y),
        A(2, 3),
        A(values=[[2, 0, 1]], dtype="int64"),
        A(1, 3),
    ),
    Row("scatter a number", lambda t, x, i: x.scatter(1, i, 7.0), A(2, 3), I3),
    Row(
        "scatter and reduce",
        lambda t, x, i: x.scatter(1, i, 2.0, reduce="multiply"),
        A(2, 3),
        I3,
        grad=False,
    ),
    Row("scatter_add", lambda t, x, i, y: x.scatter_add(1, i, y), A(2, 3), I3, A(2, 3)),
    *[
        Row(
            f"scatter_reduce {how}{'' if include else ' without self'}",
            lambda t, x, i, y, how=how, include=include: x.scatter_reduce(
                1, i, y, how, include_self=include
            ),
            A(2, 3),
            I3,
            A(2, 3),
            grad=how in ("sum", "mean"),
        )
        for how in ("sum", "prod", "mean", "amax", "amin")
        for include in (True, False)
    ],
    Row(
        "index_select",
        lambda t, x, i: (t.index_select(x, 0, i), x.index_select(1, i)),
        A(3, 4),
        LIST,
    ),
    Row("index_add", lambda t, x, i, y: x.index_add(0, i, y, alpha=2), A(3, 4), LIST, A(2, 4)),
    Row("index_copy", lambda t, x, i, y: x.index_copy(0, i, y), A(3, 4), LIST, A(2, 4)),
    Row("index_fill", lambda t, x, i: x.index_fill(1, i, 3), A(3, 4), LIST),
    Row(
        "index_put:all", lambda t, x, v: x.index_put((t.tensor(True),), v), A(3, 4), A(), grad=False
    ),
    Row(
        "index_put:none",
        lambda t, x, v: x.index_put((t.tensor(False),), v),
        A(3, 4),
        A(),
        grad=False,
    ),
    Row("index_fill:twice", lambda t, x, v: x.index_fill(1, t.tensor([2, 0, 2]), v), A(3, 4), A()),
    Row(
        "index_put", lambda t, x, i, y: x.index_put((i, i), y, accumulate=True), A(3, 4), LIST, A(2)
    ),
    Row("masked_fill", lambda t, x, m: x.masked_fill(m, -1e9), A(2, 3), MASK),
    Row("masked_select", lambda t, x, m: x.masked_select(m), A(2, 3), MASK, compiled=False),
    Row("masked_scatter", lambda t, x, m, y: x.masked_scatter(m, y), A(2, 3), MASK, A(6)),
    Row("take", lambda t, x, i: t.take(x, i), A(2, 3), I3),
    Row("take_along_dim", lambda t, x, i: t.take_along_dim(x, i, 1), A(1, 3), I3),
    Row("put", lambda t, x, i, y: x.put(i, y), A(2, 3), LIST, A(2)),
    Row(
        "nonzero",
        lambda t, x: (t.nonzero(x), *x.nonzero(as_tuple=True), t.argwhere(x)),
        MASK,
        compiled=False,
        grad=False,
    ),
    Row("select_scatter", lambda t, x, y: x.select_scatter(y, 0, 1), A(2, 3), A(3)),
    Row("slice_scatter", lambda t, x, y: x.slice_scatter(y, 1, 1), A(2, 3), A(2, 2)),
    Row("diagonal_scatter", lambda t, x, y: x.diagonal_scatter(y), A(2, 3), A(2)),
]

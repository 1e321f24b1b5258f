"""Rows of `strided`, `copies`, `calculus`, `covariance`, `index_reductions` and their like."""

from tests.rowkit import A, Row, quiet

X, CUBE, V = A(3, 4), A(2, 3, 4), A(6)
PLACES = A(values=[2, 0, 2], dtype="int64")
ORDERED = A(values=[0.0, 1.0, 1.5, 4.0])


def _changed(t, x):
    base = x.clone()
    window = t.as_strided(base, (2, 2), (5, 1), 1)
    window *= 3
    window[0].fill_(7)
    return base, window


def _copies(t, x):
    return [
        t.alias_copy(x),
        t.as_strided_copy(x, (2, 2), (1, 2)),
        t.diagonal_copy(x, 1),
        t.expand_copy(x, (2, 3, 4)),
        t.narrow_copy(x, 1, 1, 2),
        t.constant_pad_nd(x, (1, 2), 5.0),
        t.permute_copy(x, (1, 0)),
        t.select_copy(x, 0, 1),
        t.slice_copy(x, 1, 1, 4, 2),
        t.squeeze_copy(x[:1]),
        t.t_copy(x),
        t.transpose_copy(x, 0, 1),
        t.unfold_copy(x, 1, 2, 1),
        t.unsqueeze_copy(x, 0),
        t.view_copy(x, (4, 3)),
        *t.split_copy(x, 2, 1),
        *t.split_with_sizes_copy(x, (1, 3), 1),
        *t.unbind_copy(x, 1),
        x.narrow_copy(0, 0, 2),
    ]


ROWS = [
    Row("as_strided", lambda t, x: x.as_strided((2, 2, 3), (3, 4, 1), 2), X, gradcheck=True),
    Row("as_strided overlapping", lambda t, x: t.as_strided(x, (4, 3), (1, 1)), V, gradcheck=True),
    Row("as_strided of a view", lambda t, x: x[1:].as_strided((2, 2), (1, 4)), X),
    Row("as_strided written", _changed, X),
    Row("as_strided_", lambda t, x: x.clone().as_strided_((2,), (3,)), X, grad=False),
    Row(
        "as_strided_scatter",
        lambda t, x, y: x.detach().as_strided_scatter(y, (2, 2), (5, 1), 1),
        X,
        A(2, 2),
    ),
    Row("copies: " + "alias_copy as_strided_copy diagonal_copy", _copies, X),
    Row("view_as_real_copy", lambda t, x: t.view_as_real_copy(x), A(3, dtype="complex64")),
    Row("view_as_complex_copy", lambda t, x: t.view_as_complex_copy(x), A(3, 2), grad=False),
    Row("detach_copy", lambda t, x: t.detach_copy(x), X, grad=False),
    Row(
        "empty_permuted new_empty_strided",
        lambda t, x: (
            t.empty_permuted((2, 3), (1, 0)).stride(),
            x.new_empty_strided((2, 3), (1, 2)).stride(),
        ),
        X,
        grad=False,
        compiled=False,
    ),
    Row("diff", lambda t, x: (t.diff(x), x.diff(2, 0), t.diff(x, append=x)), X, gradcheck=True),
    Row("diff bool", lambda t, x: t.diff(x), A(5, dtype="bool")),
    Row("gradient", lambda t, x: t.gradient(x), X),
    Row("gradient spacing", lambda t, x: t.gradient(x, spacing=2.0, dim=1, edge_order=2), X),
    Row(
        "gradient coordinates",
        lambda t, x, c: t.gradient(x, spacing=(c,), dim=1, edge_order=2),
        X,
        ORDERED,
        grad=False,
    ),
    Row(
        "trapezoid trapz cumulative_trapezoid",
        lambda t, x, c: (t.trapezoid(x, c), t.trapz(x, dx=2), t.cumulative_trapezoid(x, c, dim=1)),
        X,
        ORDERED,
        gradcheck=True,
    ),
    Row("trapezoid integers", lambda t, x: t.trapezoid(x), A(5, dtype="int64")),
    Row("cov", lambda t, x: (t.cov(x), x.cov(correction=0), t.cov(x[0])), X, gradcheck=True),
    Row(
        "cov weights",
        lambda t, x, f, a: t.cov(x, fweights=f, aweights=a),
        X,
        A(values=[1, 2, 3, 1], dtype="int64"),
        A(4, positive=True),
    ),
    Row("corrcoef", lambda t, x: (t.corrcoef(x), x.corrcoef()), X, rtol=1e-4, atol=1e-5),
    Row(
        "histogram histogramdd",
        lambda t, x: (
            t.histogram(x, 5, range=(-2.0, 2.0), density=True).hist,
            x.histogram(4).bin_edges,
            t.histogramdd(x, [3, 2, 2, 1], weight=x[:, 0].abs()).hist,
        ),
        X,
        grad=False,
        compiled=False,
    ),
    *(
        Row(
            f"index_reduce {reduce}",
            quiet(
                lambda t, x, i, y, r=reduce: (
                    x.index_reduce(1, i, y, r),
                    x.clone().index_reduce_(1, i, y, r, include_self=False),
                )
            ),
            X,
            PLACES,
            A(3, 3),
        )
        for reduce in ("prod", "mean", "amax", "amin")
    ),
    Row(
        "scatter_reduce prod of zeros",
        lambda t, x, i, y: x.scatter_reduce(0, i, y, "prod"),
        A(values=[1.0, 0.0, 2.0]),
        PLACES,
        A(values=[0.0, 3.0, 5.0]),
    ),
    Row("put", lambda t, x, i: t.put(x, i, x[0, :3], accumulate=True), X, PLACES),
    Row("unravel_index", lambda t, i: t.unravel_index(i, (2, 2)), PLACES),
    Row(
        "nonzero_static",
        lambda t, x: (t.nonzero_static(x, size=2), x.nonzero_static(size=9, fill_value=5)),
        A(values=[[0.0, 1.0, 2.0], [3.0, 0.0, 4.0]]),
    ),
    *(
        Row(
            f"segment_reduce {reduce}",
            lambda t, x, r=reduce: t.segment_reduce(
                x, r, lengths=t.tensor([2, 0, 4]), initial=1 if r in ("max", "min") else None
            ),
            A(6, 2),
            atol=1e-5,
        )
        for reduce in ("sum", "mean", "max", "min", "prod")
    ),
    Row("frexp", lambda t, x: (t.frexp(x).mantissa, x.frexp().exponent), X, grad=False),
    Row("frexp edges", lambda t, x: t.frexp(x), A(values=[0.0, float("inf"), 1.0]), grad=False),
    Row("sum_to_size", lambda t, x: (x.sum_to_size(3, 1), x.sum_to_size((4,))), CUBE),
    Row("broadcast_shapes", lambda t, x: t.broadcast_shapes((2, 1), 3, x.shape[1:]), A(2, 3)),
    Row("renorm", lambda t, x: (t.renorm(x, 2, 0, 1.0), x.clone().renorm_(1, 1, 0.5)), X),
    Row(
        "norm_except_dim frobenius_norm nuclear_norm",
        quiet(
            lambda t, x: (
                t.norm_except_dim(x),
                t.norm_except_dim(x, 2, 1),
                t.frobenius_norm(x, 1),
                t.nuclear_norm(x),
            )
        ),
        X,
        rtol=1e-4,
    ),
    Row(
        "questions: is_conj is_neg is_set_to dim_order",
        lambda t, x: (
            t.is_conj(x),
            x.is_neg(),
            x.is_set_to(x),
            x.is_set_to(x.clone()),
            x.t().dim_order(),
        ),
        X,
        grad=False,
        compiled=False,
    ),
    Row("conj_physical_", lambda t, x: x.clone().conj_physical_(), A(3, dtype="complex64")),
    Row("float_power_", lambda t, x: x.double().float_power_(2), X),
    Row(
        "apply_ map_ map2_",
        lambda t, x: (
            x.clone().apply_(lambda a: a + 1),
            x.clone().map_(x[0].expand(3, 4), lambda a, b: a - b),
            x.clone().map2_(x, x, lambda a, b, c: a + b * c),
        ),
        X,
        grad=False,
        compiled=False,
    ),
    Row("constants", lambda t, x: (t.inf, t.pi, t.e, t.newaxis, x[t.newaxis] * t.pi), X),
    Row("tensordot of one", lambda t, x, y: t.tensordot(x, y, ([1], [0])), A(2, 1), A(3, 2)),
    Row("quantile of one", lambda t, x: t.quantile(x[0], 0.5, 0, True), A(2)),
    Row("resize_as_", lambda t, x: t.resize_as_(x.clone(), x[:2, :2]), X, grad=False),
    Row("nonzero of one", lambda t, x: t.nonzero(x[0, 0]), X, grad=False, compiled=False),
    Row("unfold of one", lambda t, x: x[0].unfold(0, 1, 1), A(2)),
    Row(
        "svd_lowrank pca_lowrank",
        lambda t, x: (t.svd_lowrank(x, 3)[1], t.pca_lowrank(x, 3)[1]),
        X,
        rtol=1e-4,
        atol=1e-5,
        grad=False,
        compiled=False,
    ),
    Row(
        "lobpcg",
        lambda t, x: t.lobpcg(x @ x.mT + t.eye(9), 2)[0],
        A(9, 9),
        rtol=1e-3,
        grad=False,
        compiled=False,
    ),
    Row("hash_tensor", lambda t, x: (t.hash_tensor(x), x.hash_tensor(1)), X, grad=False),
    Row(
        "fake_quantize_per_tensor_affine",
        lambda t, x: t.fake_quantize_per_tensor_affine(x, 0.1, 2, -8, 7),
        X,
    ),
    Row(
        "fake_quantize_per_channel_affine",
        lambda t, x: t.fake_quantize_per_channel_affine(
            x, t.full((x.shape[1],), 0.1), t.zeros(x.shape[1]).int(), 1, -8, 7
        ),
        X,
    ),
]

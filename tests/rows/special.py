"""Rows of `kuai.ops.math.special`, `gamma_functions`, `bessel` and `orthogonal_polynomials`."""

from tests.rowkit import A, Row

X = A(values=[-7.5, -2.3, -0.5, 0.0, 0.7, 1.0, 4.0, 9.5, 30.0])
POSITIVE, MORE = A(3, 4, positive=True), A(3, 4, positive=True)
ORDERS = A(values=[[-1], [0], [1], [2], [7], [12]], dtype="int64")
WITHIN = A(values=[-1.0, -0.4, 0.0, 0.3, 0.9, 1.0, 1.5])
FLOATS = ("float32", "float64")

_DIFFERENTIABLE = ("erfcx", "i0e", "i1", "i1e")
_PLAIN = (
    *("airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "spherical_bessel_j0"),
    *(f"modified_bessel_{name}" for name in ("i0", "i1", "k0", "k1")),
    *("scaled_modified_bessel_k0", "scaled_modified_bessel_k1"),
)
_POLYNOMIALS = (
    *(f"{shifted}chebyshev_polynomial_{c}" for shifted in ("", "shifted_") for c in "tuvw"),
    *("hermite_polynomial_h", "hermite_polynomial_he"),
    *("laguerre_polynomial_l", "legendre_polynomial_p"),
)


def _all(names):
    return lambda t, *inputs: [getattr(t.special, name)(*inputs) for name in names]


ROWS = [
    Row(
        " ".join(_DIFFERENTIABLE), _all(_DIFFERENTIABLE), A(values=[-3.0, 0.0, 0.7]), dtypes=FLOATS
    ),
    Row(" ".join(_PLAIN), _all(_PLAIN), X, dtypes=FLOATS, grad=False, rtol=2e-5, atol=2e-6),
    Row(
        " ".join(_POLYNOMIALS), _all(_POLYNOMIALS), WITHIN, ORDERS, grad=False, rtol=1e-4, atol=1e-5
    ),
    Row(
        "polynomials of a number",
        lambda t, x: (t.special.legendre_polynomial_p(x, 3), t.special.hermite_polynomial_h(2, x)),
        WITHIN,
        grad=False,
    ),
    Row("special.zeta", lambda t, x: t.special.zeta(2.0, x), A(3, positive=True), gradcheck=True),
    Row(
        "special.zeta edges",
        lambda t, x, q: t.special.zeta(x[:, None], q),
        A(values=[0.5, 1.0, 2.0, 3.0, 2.5]),
        A(values=[-8.5, -2.0, -0.5, 0.0, 1.0, float("inf")]),
        grad=False,
    ),
    Row(
        "polygamma",
        lambda t, x: (t.polygamma(1, x), x.polygamma(2), t.special.polygamma(0, x)),
        A(values=[-8.4, -2.5, -0.5, 0.3, 2.0]),
        dtypes=FLOATS,
        rtol=2e-5,
    ),
    Row("polygamma_", lambda t, x: x.clone().polygamma_(1), A(3, positive=True)),
    Row("digamma edges", lambda t, x: t.digamma(x), A(values=[0.0, -0.0, -8.4]), grad=False),
    Row("lgamma gradient", lambda t, x: t.lgamma(x), A(values=[-8.4, -0.5, 0.5])),
    *(
        Row(
            name,
            lambda t, a, x, f=name: getattr(t, f)(a.detach(), x),
            POSITIVE,
            MORE,
            rtol=2e-5,
        )
        for name in ("igamma", "igammac")
    ),
    *(
        Row(
            f"{name} edges",
            lambda t, a, x, f=name: getattr(t, f)(a[:, None], x),
            A(values=[-1.0, 0.0, 2.0, float("inf")]),
            A(values=[-1.0, 0.0, 1.0, float("inf")]),
            grad=False,
        )
        for name in ("igamma", "igammac")
    ),
    Row("mvlgamma", lambda t, x: (t.mvlgamma(x + 2, 3), (x + 2).mvlgamma(2)), POSITIVE),
    Row("mvlgamma_", lambda t, x: x.clone().mvlgamma_(1), POSITIVE),
    Row("special.softmax", lambda t, x: t.special.softmax(x, 0, dtype=t.float64), A(3, 4)),
    Row("special.log_softmax", lambda t, x: t.special.log_softmax(x, -1), A(3, 4)),
    Row("special.logsumexp", lambda t, x: t.special.logsumexp(x, (0, 1), True), A(3, 4)),
    Row(
        "special half",
        lambda t, x: (t.special.ndtr(x), t.special.i0e(x), t.digamma(x)),
        A(3, positive=True),
        dtypes=("float16", "bfloat16"),
        grad=False,
    ),
]

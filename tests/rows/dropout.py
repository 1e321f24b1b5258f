"""Rows: dropout."""

from tests.rowkit import A, Row

_SHAPES = {
    "dropout": (3, 4),
    "dropout1d": (2, 3, 4),
    "dropout2d": (2, 3, 2, 2),
    "dropout3d": (2, 3, 2, 2, 2),
    "alpha_dropout": (3, 4),
    "feature_alpha_dropout": (2, 3, 4),
}
_LAYERS = {
    "Dropout": (3, 4),
    "Dropout1d": (2, 3, 4),
    "Dropout2d": (2, 3, 2, 2),
    "Dropout3d": (2, 3, 2, 2, 2),
    "AlphaDropout": (3, 4),
    "FeatureAlphaDropout": (2, 3, 4),
}


def _f(name, p, training):
    return lambda t, x: getattr(t.nn.functional, name)(x, p, training)


ROWS = [
    *(Row(f"F.{n} off", _f(n, 0.5, False), A(*shape)) for n, shape in _SHAPES.items()),
    *(Row(f"F.{n} p=1", _f(n, 1.0, True), A(*shape)) for n, shape in _SHAPES.items()),
    *(
        Row(f"F.{n}", _f(n, 0.3, True), A(*shape), random=True, grad=False)
        for n, shape in _SHAPES.items()
    ),
    *(
        Row(f"nn.{n}", lambda t, *_, n=n: getattr(t.nn, n)(0.3).eval(), A(*shape), layer=True)
        for n, shape in _LAYERS.items()
    ),
]

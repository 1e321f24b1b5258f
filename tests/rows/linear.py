"""Rows: linear and bilinear maps."""

from tests.rowkit import A, Row


def _linear(t, *inputs):
    return t.nn.functional.linear(*inputs)


def _bilinear(t, *inputs):
    return t.nn.functional.bilinear(*inputs)


ROWS = [
    Row("F.linear", _linear, A(2, 5), A(3, 5), A(3), gradcheck=True),
    Row("F.linear without bias", _linear, A(2, 5), A(3, 5)),
    Row("F.linear 1-d", _linear, A(5), A(3, 5), A(3)),
    Row("F.linear 4-d", _linear, A(2, 3, 2, 5), A(3, 5), A(3)),
    Row("F.linear one output", _linear, A(2, 5), A(5)),
    Row("F.bilinear", _bilinear, A(2, 3), A(2, 4), A(5, 3, 4), A(5)),
    Row("F.bilinear without bias", _bilinear, A(2, 6, 3), A(2, 6, 4), A(5, 3, 4)),
    Row("nn.Linear", lambda t, *_: t.nn.Linear(5, 3), A(2, 5), layer=True),
    Row("nn.Linear no bias", lambda t, *_: t.nn.Linear(5, 3, bias=False), A(2, 4, 5), layer=True),
    Row("nn.Bilinear", lambda t, *_: t.nn.Bilinear(3, 4, 2), A(2, 3), A(2, 4), layer=True),
    Row("nn.Identity", lambda t, *_: t.nn.Identity(), A(2, 3), layer=True),
    Row("nn.Flatten", lambda t, *_: t.nn.Flatten(), A(2, 3, 4), layer=True),
    Row("nn.Unflatten", lambda t, *_: t.nn.Unflatten(1, (2, 3)), A(2, 6), layer=True),
]

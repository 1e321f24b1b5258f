"""Rows: padding."""

from tests.rowkit import A, Row

_SHAPES = {1: (2, 4), 2: (2, 4, 5), 3: (2, 4, 5, 3)}


def _pad(amounts, mode):
    return lambda t, x: t.nn.functional.pad(x, amounts, mode=mode)


def _layer(name, *arguments):
    return lambda t, *_: getattr(t.nn, name)(*arguments)


ROWS = [
    *(
        Row(f"F.pad {mode} {n}-d", _pad((1, 2, 2, 0, 1, 2)[: 2 * n], mode), A(*shape))
        for mode in ("constant", "reflect", "replicate", "circular")
        for n, shape in _SHAPES.items()
    ),
    *(
        Row(f"F.pad {mode} negative", _pad((-1, 2), mode), A(2, 5))
        for mode in ("constant", "reflect", "replicate", "circular")
    ),
    Row("F.pad value", lambda t, x: t.nn.functional.pad(x, (1, 2), value=3.5), A(2, 3)),
    *(
        Row(f"nn.{kind}{n}d", _layer(f"{kind}{n}d", *arguments), A(*shape), layer=True)
        for kind, *arguments in (
            ("ConstantPad", 2, 1.5),
            ("ZeroPad", 2),
            ("ReflectionPad", 2),
            ("ReplicationPad", 2),
            ("CircularPad", 2),
        )
        for n, shape in {1: (2, 4), 2: (2, 4, 5), 3: (2, 4, 5, 3)}.items()
    ),
]

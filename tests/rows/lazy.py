"""Rows: lazy layers, which take their sizes from the first input."""

from tests.rowkit import A, Row

# Weight gradients are sums of hundreds of float32 terms, taken in another order than torch's.
SUMS = {"rtol": 1e-4, "atol": 1e-5}
IMAGES = {1: A(2, 3, 9), 2: A(2, 3, 7, 6), 3: A(2, 3, 5, 4, 6)}


def _layer(name, *arguments, **keywords):
    return lambda t, x: getattr(t.nn, name)(*arguments, **keywords)


ROWS = [
    Row("nn.LazyLinear", _layer("LazyLinear", 4), A(2, 5), layer=True),
    *(
        Row(f"nn.LazyConv{n}d", _layer(f"LazyConv{n}d", 4, 3, padding=1), x, layer=True, **SUMS)
        for n, x in IMAGES.items()
    ),
    *(
        Row(
            f"nn.LazyConvTranspose{n}d",
            _layer(f"LazyConvTranspose{n}d", 4, 3),
            x,
            layer=True,
            **SUMS,
        )
        for n, x in IMAGES.items()
    ),
    *(
        Row(f"nn.LazyBatchNorm{n}d", _layer(f"LazyBatchNorm{n}d"), x, layer=True, **SUMS)
        for n, x in IMAGES.items()
    ),
    *(
        Row(f"nn.LazyInstanceNorm{n}d", _layer(f"LazyInstanceNorm{n}d"), x, layer=True)
        for n, x in IMAGES.items()
    ),
]

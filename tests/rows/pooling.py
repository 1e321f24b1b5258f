"""Rows of `kuai.ops.nn.pooling` and of the layers in `kuai.nn.modules.pooling`."""

import numpy as np

from tests.rowkit import A, Row

# Small integers: full of ties, so the gradient shows which maximum won.
TIES = np.random.default_rng(0).integers(0, 3, (2, 3, 7, 8)).astype("float64")
TIES_1D, TIES_3D = TIES[0, :, 0], TIES.reshape(2, 3, 7, 4, 2)
IMAGE, SIGNAL, VOLUME = A(values=TIES), A(values=TIES_1D), A(values=TIES_3D)
NOT_FINITE = np.where(TIES > 0, -np.inf, 0.0)


def _pool(name, *inputs, arguments=(), gradcheck=False, **options):
    parts = [*map(str, arguments), *(f"{key}={value}" for key, value in options.items())]

    def call(t, x):
        return getattr(t.nn.functional, name)(x, *arguments, **options)

    return Row(
        f"{name} of {inputs[0].shape} {', '.join(parts)}", call, *inputs, gradcheck=gradcheck
    )


def _max(name, x, *arguments, **options):
    return [
        _pool(name, x, arguments=arguments, **options),
        _pool(name, x, arguments=arguments, return_indices=True, **options),
    ]


def _layer(name, x, *arguments, **options):
    parts = [*map(str, arguments), *(f"{key}={value}" for key, value in options.items())]

    def call(t, x):
        return getattr(t.nn, name)(*arguments, **options)

    return Row(f"nn.{name} {', '.join(parts)}", call, x, layer=True)


ROWS = [
    Row("max_pool1d", lambda t, x: t.max_pool1d(x, 2), SIGNAL),
    Row("max_pool2d", lambda t, x: t.max_pool2d(x, 2), IMAGE, dtypes=("float32", "float64")),
    Row("max_pool3d", lambda t, x: t.max_pool3d(x, 2), VOLUME),
    Row("max_pool2d integers", lambda t, x: t.max_pool2d(x, 3, 2, 1), A(1, 2, 5, 5, dtype="int64")),
    Row("avg_pool1d", lambda t, x: t.avg_pool1d(x, 2), SIGNAL),
    Row("adaptive_avg_pool1d", lambda t, x: t.adaptive_avg_pool1d(x, 3), SIGNAL),
    Row("adaptive_max_pool1d", lambda t, x: t.adaptive_max_pool1d(x, 3), SIGNAL),
    *_max("max_pool1d", SIGNAL, 3, 2, 1),
    *_max("max_pool1d", A(2, 3, 9), 2, 3, 1, 2, True),
    *_max("max_pool2d", IMAGE, 2),
    *_max("max_pool2d", IMAGE, 3, 2),
    *_max("max_pool2d", IMAGE, (3, 2), (1, 2), (1, 0), (1, 2)),
    *_max("max_pool2d", IMAGE, 3, 2, 1, ceil_mode=True),
    *_max("max_pool2d", A(values=TIES[0]), 2, 3, ceil_mode=True),
    *_max("max_pool2d", A(values=NOT_FINITE), 3, 2, 1),
    *_max("max_pool2d", A(1, 2, 40, 36), 18),
    *_max("max_pool2d", A(1, 2, 40, 36), 18, 7, 3),
    *_max("adaptive_max_pool2d", A(1, 2, 40, 36), (2, 1)),
    _pool("adaptive_avg_pool2d", A(1, 2, 40, 37), arguments=(2,)),
    *_max("max_pool3d", VOLUME, 2),
    *_max("max_pool3d", VOLUME, (3, 2, 2), (2, 1, 1), (1, 0, 1)),
    _pool("max_pool2d", A(1, 2, 5, 5), arguments=(3, 2, 1), gradcheck=True),
    *_max("adaptive_max_pool1d", SIGNAL, 3),
    *_max("adaptive_max_pool2d", IMAGE, (3, 5)),
    *_max("adaptive_max_pool2d", IMAGE, (None, 4)),
    *_max("adaptive_max_pool2d", A(2, 3, 40, 5), 1),
    *_max("adaptive_max_pool3d", VOLUME, (3, 2, 2)),
    _pool("avg_pool1d", A(2, 3, 9), arguments=(3, 2, 1), ceil_mode=True, gradcheck=True),
    _pool("avg_pool1d", A(3, 9), arguments=(2,), count_include_pad=False),
    _pool("avg_pool2d", A(2, 3, 7, 8), arguments=(2,), gradcheck=True),
    _pool("avg_pool2d", A(3, 7, 8), arguments=((3, 2), (2, 1), (1, 0))),
    _pool("avg_pool2d", A(2, 3, 7, 8), arguments=(3, 2, 1), count_include_pad=False),
    _pool("avg_pool2d", A(2, 3, 7, 8), arguments=(3, 2, 1), ceil_mode=True),
    _pool(
        "avg_pool2d",
        A(2, 3, 7, 8),
        arguments=(2, 3, 1),
        ceil_mode=True,
        count_include_pad=False,
    ),
    _pool("avg_pool2d", A(2, 3, 7, 8), arguments=(3,), divisor_override=5),
    _pool("avg_pool2d", A(1, 2, 40, 36), arguments=(18,)),
    _pool("avg_pool2d", A(1, 2, 6, 6, dtype="int64"), arguments=(2,)),
    _pool("avg_pool3d", A(2, 3, 4, 5, 4), arguments=(2,)),
    _pool("avg_pool3d", A(3, 4, 5, 4), arguments=(3, 2, 1, True, False)),
    _pool("avg_pool3d", A(3, 4, 5, 4), arguments=(2,), divisor_override=3),
    _pool("adaptive_avg_pool1d", A(2, 3, 7), arguments=(3,), gradcheck=True),
    _pool("adaptive_avg_pool2d", A(2, 3, 7, 8), arguments=((3, 5),), gradcheck=True),
    _pool("adaptive_avg_pool2d", A(3, 7, 8), arguments=((None, 4),)),
    _pool("adaptive_avg_pool2d", A(2, 3, 40, 8), arguments=(1,)),
    _pool("adaptive_avg_pool2d", A(2, 3, 4, 8), arguments=(6,)),
    _pool("adaptive_avg_pool3d", A(2, 3, 5, 4, 7), arguments=((2, 2, 3),)),
    _pool("lp_pool1d", A(2, 3, 8, positive=True), arguments=(3, 2), gradcheck=True),
    _pool("lp_pool2d", A(2, 3, 7, 8), arguments=(2, 2)),
    _pool("lp_pool2d", A(values=TIES), arguments=(2.0, 2)),
    _pool("lp_pool2d", A(2, 3, 7, 8, positive=True), arguments=(1.5, (3, 2), 2, True)),
    _pool("lp_pool3d", A(2, 3, 4, 4, 5, positive=True), arguments=(2, 2, 1)),
    _layer("MaxPool1d", SIGNAL, 2),
    _layer("MaxPool2d", IMAGE, 2),
    _layer("MaxPool2d", IMAGE, 3, 2, padding=1, ceil_mode=True),
    _layer("MaxPool2d", IMAGE, 2, return_indices=True),
    _layer("MaxPool3d", VOLUME, 2),
    _layer("AvgPool1d", SIGNAL, 2),
    _layer("AvgPool2d", IMAGE, 2),
    _layer("AvgPool2d", IMAGE, 3, 2, 1, count_include_pad=False),
    _layer("AvgPool3d", VOLUME, 2),
    _layer("AdaptiveAvgPool1d", SIGNAL, 3),
    _layer("AdaptiveAvgPool2d", IMAGE, (1, 1)),
    _layer("AdaptiveAvgPool2d", IMAGE, (None, 3)),
    _layer("AdaptiveAvgPool3d", VOLUME, 2),
    _layer("AdaptiveMaxPool1d", SIGNAL, 3),
    _layer("AdaptiveMaxPool2d", IMAGE, 3),
    _layer("AdaptiveMaxPool3d", VOLUME, 2),
    _layer("LPPool1d", A(3, 8), 2, 2),
    _layer("LPPool2d", A(2, 3, 7, 8), 2, 3, stride=2),
    _layer("LPPool3d", A(2, 3, 4, 4, 4), 2, 2),
]

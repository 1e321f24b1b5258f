"""Rows: interpolation, and rearranging the channels of pictures."""

from tests.rowkit import A, Row

_SIGNAL, _PICTURE, _VOLUME = A(2, 3, 7), A(2, 3, 7, 5), A(1, 2, 3, 4, 5)
_INPUTS = {
    "nearest": _PICTURE,
    "nearest-exact": _PICTURE,
    "area": _PICTURE,
    "linear": _SIGNAL,
    "bilinear": _PICTURE,
    "bicubic": _PICTURE,
    "trilinear": _VOLUME,
}
_SIZES = {
    "larger": {"size": 13},
    "smaller": {"size": 3},
    "twice": {"scale_factor": 2},
    "factor": {"scale_factor": 1.3},
    "recomputed": {"scale_factor": 1.3, "recompute_scale_factor": True},
}


def _f(name, *arguments, **keywords):
    return lambda t, x: getattr(t.nn.functional, name)(x, *arguments, **keywords)


def _interpolate(mode, **keywords):
    return _f("interpolate", mode=mode, **keywords)


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


ROWS = [
    *(
        Row(f"F.interpolate {mode} {title}", _interpolate(mode, **keywords), shape)
        for mode, shape in _INPUTS.items()
        for title, keywords in _SIZES.items()
    ),
    *(
        Row(
            f"F.interpolate {mode} corners",
            _interpolate(mode, size=size, align_corners=True),
            _INPUTS[mode],
        )
        for mode, size in {
            "linear": 4,
            "bilinear": (4, 9),
            "bicubic": (9, 1),
            "trilinear": (2, 6, 5),
        }.items()
    ),
    *(
        Row(
            f"F.interpolate {mode} antialias",
            _interpolate(mode, size=(3, 8), antialias=True),
            shape,
        )
        for mode, shape in {
            "bilinear": _PICTURE,
            "bicubic": _PICTURE,
            "lanczos": A(1, 2, 9, 7),
        }.items()
    ),
    Row("F.interpolate nearest 1-d", _interpolate("nearest", scale_factor=1.5), _SIGNAL),
    Row("F.interpolate nearest 2-d", _interpolate("nearest", scale_factor=(1.1, 1.3)), _PICTURE),
    Row("F.interpolate nearest 3-d", _interpolate("nearest", scale_factor=1.6), _VOLUME),
    Row("F.interpolate area 1-d", _interpolate("area", size=3), _SIGNAL),
    Row(
        "F.interpolate float64",
        _interpolate("bicubic", size=(9, 4)),
        _PICTURE,
        dtypes=("float64",),
        gradcheck=True,
    ),
    Row(
        "F.interpolate half",
        _interpolate("bilinear", scale_factor=2),
        _PICTURE,
        dtypes=("float16", "bfloat16"),
        grad=False,
    ),
    Row(
        "F.interpolate bytes",
        _interpolate("nearest", scale_factor=2),
        _PICTURE,
        dtypes=("uint8",),
        grad=False,
    ),
    Row("F.pixel_shuffle", _f("pixel_shuffle", 2), A(2, 8, 3, 5), gradcheck=True),
    Row("F.pixel_unshuffle", _f("pixel_unshuffle", 2), A(3, 4, 6), gradcheck=True),
    Row("F.channel_shuffle", _f("channel_shuffle", 3), A(2, 6, 4), gradcheck=True),
    Row("nn.Upsample", _layer("Upsample", scale_factor=2), _PICTURE, layer=True),
    Row(
        "nn.Upsample size",
        _layer("Upsample", size=(9, 4), mode="bilinear", align_corners=False),
        _PICTURE,
        layer=True,
    ),
    Row("nn.Upsample factors", _layer("Upsample", scale_factor=(2, 1.5)), _PICTURE, layer=True),
    Row(
        "nn.UpsamplingNearest2d",
        _layer("UpsamplingNearest2d", scale_factor=2),
        _PICTURE,
        layer=True,
    ),
    Row(
        "nn.UpsamplingBilinear2d",
        _layer("UpsamplingBilinear2d", size=(9, 4)),
        _PICTURE,
        layer=True,
    ),
    Row("nn.PixelShuffle", _layer("PixelShuffle", 2), A(8, 3, 5), layer=True),
    Row("nn.PixelUnshuffle", _layer("PixelUnshuffle", 2), A(2, 3, 4, 6), layer=True),
    Row("nn.ChannelShuffle", _layer("ChannelShuffle", 3), A(2, 6, 4, 4), layer=True),
    Row("nn.DataParallel", lambda t, *_: t.nn.DataParallel(t.nn.Linear(3, 2)), A(4, 3), layer=True),
]

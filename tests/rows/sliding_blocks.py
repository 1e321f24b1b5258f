"""Rows: sliding blocks, unpooling, fractional pooling, sampling; losses of sequences."""

import numpy as np

from tests.rowkit import A, Row

_RNG = np.random.default_rng(5)
_PICTURE = A(2, 3, 6, 5)
_PLACES_1D = A(values=[[[1, 2, 5]] * 3], dtype="int64")
_PLACES_2D = A(values=[[[[0, 3], [8, 14]]] * 3], dtype="int64")
_PLACES_3D = A(values=[[[[[0, 3], [8, 14]], [[35, 21], [55, 63]]]]], dtype="int64")
_SAMPLES_2D = A(values=_RNG.random((2, 3, 2)).astype("float32"), dtype="float32")
_SAMPLES_3D = A(values=_RNG.random((1, 3, 3)).astype("float32"), dtype="float32")
_GRID = A(2, 4, 3, 2, low=-1.4, high=1.4)
_GRID_3D = A(1, 2, 4, 3, 3, low=-1.4, high=1.4)
_LABELS = A(values=[[1, 2, 2, 3], [3, 1, 0, 0], [4, 4, 4, 1]], dtype="int64")


def _f(name, *arguments, **keywords):
    return lambda t, *inputs: getattr(t.nn.functional, name)(*inputs, *arguments, **keywords)


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


def _grid_rows():
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding, corners in (("zeros", True), ("border", False), ("reflection", True)):
            call = _f("grid_sample", mode=mode, padding_mode=padding, align_corners=corners)
            yield Row(f"F.grid_sample {mode} {padding}", call, _PICTURE, _GRID, atol=2e-5)
    for mode, padding in (("bilinear", "reflection"), ("bilinear", "zeros"), ("nearest", "border")):
        call = _f("grid_sample", mode=mode, padding_mode=padding, align_corners=False)
        yield Row(f"F.grid_sample 3-d {mode} {padding}", call, A(1, 2, 3, 4, 5), _GRID_3D)


def _ctc(*arguments, **keywords):
    def call(t, scores, labels):
        log_probs = t.nn.functional.log_softmax(scores, -1)
        return t.nn.functional.ctc_loss(log_probs, labels, *arguments, **keywords)

    return call


def _ctc_tensors(t, scores, labels):
    lengths = t.tensor([12, 7, 9]), t.tensor([4, 2, 3])
    return t.nn.CTCLoss(blank=5)(t.nn.functional.log_softmax(scores, -1), labels, *lengths)


def _lce(*shape, **keywords):
    def call(t, x, w, *rest):
        options = {name: make(t) for name, make in keywords.items()}
        return t.nn.functional.linear_cross_entropy(x, w, *rest, **options)

    return call


ROWS = [
    Row("F.unfold", _f("unfold", 2), _PICTURE, dtypes=("float32", "float64"), gradcheck=True),
    Row("F.unfold all", _f("unfold", (3, 2), (1, 2), (2, 1), (2, 1)), A(3, 6, 5)),
    Row("F.unfold bool", _f("unfold", 2, padding=1), A(1, 2, 3, 3), dtypes=("bool",), grad=False),
    Row("F.unfold half", _f("unfold", 3), A(1, 2, 5, 4), dtypes=("bfloat16",)),
    Row("F.fold", _f("fold", (6, 5), 2), A(2, 12, 20), gradcheck=True),
    Row("F.fold all", _f("fold", (6, 5), (3, 2), (1, 2), (2, 1), (2, 1)), A(18, 20)),
    Row("F.fold half", _f("fold", (6, 5), (3, 2)), A(1, 6, 16), dtypes=("float16",)),
    Row("nn.Fold", _layer("Fold", (6, 5), 2, stride=(2, 1)), A(2, 8, 12), layer=True),
    Row("nn.Unfold", _layer("Unfold", (2, 3), padding=1), _PICTURE, layer=True),
    Row("F.max_unpool1d", _f("max_unpool1d", 2), A(1, 3, 3), _PLACES_1D, gradcheck=True),
    Row("F.max_unpool1d size", _f("max_unpool1d", 2, output_size=(7,)), A(1, 3, 3), _PLACES_1D),
    Row("F.max_unpool2d", _f("max_unpool2d", 2), A(1, 3, 2, 2), _PLACES_2D, gradcheck=True),
    Row("F.max_unpool2d size", _f("max_unpool2d", 2, 2, 0, (5, 5)), A(1, 3, 2, 2), _PLACES_2D),
    Row("F.max_unpool3d", _f("max_unpool3d", 2), A(1, 1, 2, 2, 2), _PLACES_3D),
    Row("nn.MaxUnpool1d", _layer("MaxUnpool1d", 2), A(1, 3, 3), _PLACES_1D, layer=True),
    Row(
        "nn.MaxUnpool2d", _layer("MaxUnpool2d", 3, stride=2), A(1, 3, 2, 2), _PLACES_2D, layer=True
    ),
    Row(
        "nn.MaxUnpool3d", _layer("MaxUnpool3d", (2, 2, 2)), A(1, 1, 2, 2, 2), _PLACES_3D, layer=True
    ),
    Row(
        "F.fractional_max_pool2d",
        lambda t, x, u: t.nn.functional.fractional_max_pool2d(
            x, (2, 3), (4, 2), _random_samples=u.detach()
        ),
        _PICTURE,
        _SAMPLES_2D,
    ),
    Row(
        "F.fractional_max_pool2d_with_indices",
        lambda t, x, u: t.nn.functional.fractional_max_pool2d_with_indices(
            x, 2, output_ratio=(0.7, 0.5), _random_samples=u.detach()
        ),
        _PICTURE,
        _SAMPLES_2D,
    ),
    Row(
        "F.fractional_max_pool3d",
        lambda t, x, u: t.nn.functional.fractional_max_pool3d(
            x, 2, (3, 2, 4), None, True, u.detach()
        ),
        A(3, 6, 4, 7),
        _SAMPLES_3D,
    ),
    Row(
        "F.fractional_max_pool3d_with_indices",
        lambda t, x, u: t.nn.functional.fractional_max_pool3d_with_indices(
            x, (2, 1, 3), output_ratio=0.5, _random_samples=u.detach()
        ),
        A(3, 6, 4, 7),
        _SAMPLES_3D,
    ),
    Row(
        "nn.FractionalMaxPool2d drawn",
        _layer("FractionalMaxPool2d", 2, output_ratio=(0.5, 0.6), return_indices=True),
        _PICTURE,
        layer=True,
        random=True,
    ),
    Row(
        "nn.FractionalMaxPool3d drawn",
        _layer("FractionalMaxPool3d", (2, 1, 2), output_size=(2, 3, 2)),
        A(1, 2, 5, 4, 6),
        layer=True,
        random=True,
    ),
    *_grid_rows(),
    Row(
        "F.grid_sample float64",
        _f("grid_sample", align_corners=False),
        A(1, 2, 4, 5),
        A(1, 3, 2, 2, low=-0.9, high=0.9),
        dtypes=("float64",),
        gradcheck=True,
    ),
    Row(
        "F.grid_sample not finite",
        _f("grid_sample", align_corners=False),
        A(1, 1, 3, 3),
        A(values=[[[[np.nan, 0.1], [np.inf, 0.2], [-np.inf, 0.0], [1e30, -1e30]]]]),
        grad=False,
    ),
    Row("F.affine_grid", _f("affine_grid", (2, 1, 3, 4), align_corners=False), A(2, 2, 3)),
    Row("F.affine_grid corners", _f("affine_grid", (2, 1, 3, 4), align_corners=True), A(2, 2, 3)),
    Row(
        "F.affine_grid 3-d",
        _f("affine_grid", (1, 1, 2, 3, 4), align_corners=False),
        A(1, 3, 4),
        dtypes=("float64",),
        gradcheck=True,
    ),
    Row("F.ctc_loss", _ctc((12, 12, 12), (4, 2, 3), blank=5), A(12, 3, 6), _LABELS),
    Row(
        "F.ctc_loss lengths",
        _ctc((12, 7, 9), (4, 1, 3), blank=5, reduction="none"),
        A(12, 3, 6),
        _LABELS,
        dtypes=("float32", "float64"),
    ),
    Row("F.ctc_loss sum", _ctc((12, 3, 0), (4, 0, 0), 5, "sum"), A(12, 3, 6), _LABELS),
    Row(
        "F.ctc_loss not possible",
        _ctc((3, 2, 0), (4, 2, 1), 5, "none", True),
        A(12, 3, 6),
        _LABELS,
    ),
    Row(
        "F.ctc_loss infinite",
        _ctc((3, 12, 12), (4, 2, 3), 5, "none"),
        A(12, 3, 6),
        _LABELS,
    ),
    Row(
        "F.ctc_loss in one row",
        _ctc((12, 12, 12), (3, 1, 2)),
        A(12, 3, 6),
        A(values=[1, 2, 2, 3, 4, 4], dtype="int64"),
    ),
    Row(
        "F.ctc_loss unbatched",
        _ctc((12,), (3,)),
        A(12, 6),
        A(values=[1, 2, 2], dtype="int64"),
    ),
    Row("nn.CTCLoss", _ctc_tensors, A(12, 3, 6), _LABELS),
    Row(
        "nn.AdaptiveLogSoftmaxWithLoss",
        _layer("AdaptiveLogSoftmaxWithLoss", 8, 20, [5, 10], 2.0, head_bias=True),
        A(6, 8),
        A(values=[0, 4, 5, 9, 10, 19], dtype="int64"),
        layer=True,
    ),
    Row(
        "nn.AdaptiveLogSoftmaxWithLoss one",
        _layer("AdaptiveLogSoftmaxWithLoss", 8, 20, [5, 10], div_value=2),
        A(8),
        A(values=7, dtype="int64"),
        layer=True,
    ),
    Row(
        "F.linear_cross_entropy", _lce(), A(4, 3), A(5, 3), A(values=[0, 4, -100, 2], dtype="int64")
    ),
    Row(
        "F.linear_cross_entropy options",
        lambda t, x, w, y, b, c: t.nn.functional.linear_cross_entropy(
            x,
            w,
            y,
            linear_bias=b,
            weight=c,
            options=t.nn.LinearCrossEntropyOptions(batch_chunk_size=2),
        ),
        A(5, 3),
        A(6, 3),
        A(values=[0, 4, -100, 2, 5], dtype="int64"),
        A(6),
        A(6, positive=True, dtype="float32"),
        grad=False,
    ),
    Row(
        "F.linear_cross_entropy places",
        _lce(reduction=lambda t: "none", label_smoothing=lambda t: 0.1),
        A(2, 3),
        A(5, 4, 3),
        A(values=[[0, 4, 1, 1], [2, 2, 3, 0]], dtype="int64"),
    ),
    Row(
        "nn.LinearCrossEntropyLoss",
        _layer("LinearCrossEntropyLoss", 3, 5, bias=True),
        A(4, 3),
        A(values=[0, 4, 1, 2], dtype="int64"),
        layer=True,
    ),
    Row(
        "nn.LinearCrossEntropyLoss probabilities",
        _layer("LinearCrossEntropyLoss", 3, 5, out_features=(2,), reduction="sum"),
        A(4, 3),
        A(4, 5, 2, positive=True),
        layer=True,
    ),
    Row("conv_tbc", lambda t, x, w, b: t.conv_tbc(x, w, b, 1), A(5, 2, 3), A(2, 3, 4), A(4)),
    Row(
        "native_channel_shuffle",
        lambda t, x: t.native_channel_shuffle(x, 2),
        A(1, 4, 2, 3),
        grad=False,
    ),
    Row("nn.SyncBatchNorm", _layer("SyncBatchNorm", 3), A(4, 3, 2), layer=True),
    Row(
        "nn.SyncBatchNorm converted",
        lambda t, *_: t.nn.SyncBatchNorm.convert_sync_batchnorm(t.nn.BatchNorm1d(3, momentum=None)),
        A(4, 3, 2),
        layer=True,
    ),
    # PyTorch's backward pass has another window than its forward pass
    Row(
        "nn.CrossMapLRN2d",
        _layer("CrossMapLRN2d", 3, 0.5, 0.7, 2),
        A(2, 8, 2, 3),
        layer=True,
        grad=False,
    ),
    *(
        Row(f"F.{name}_with_indices", _f(f"{name}_with_indices", 2), inputs)
        for name, inputs in {
            "max_pool1d": A(2, 3, 7),
            "max_pool2d": A(2, 3, 7, 5),
            "max_pool3d": A(1, 2, 4, 5, 6),
            "adaptive_max_pool1d": A(2, 3, 7),
            "adaptive_max_pool2d": A(2, 3, 7, 5),
            "adaptive_max_pool3d": A(1, 2, 4, 5, 6),
        }.items()
    ),
]

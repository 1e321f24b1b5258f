"""Rows of `kuai.ops.nn.convolution` and of the layers in `kuai.nn.modules.conv`."""

import warnings

from tests.rowkit import A, Row

# The sums are long and in another order than torch's.
NEAR = dict(rtol=2e-5, atol=2e-5)
BOTH = dict(dtypes=("float32", "float64"), **NEAR)


def _conv(name, *inputs, gradcheck=False, **options):
    dims = inputs[1].shape[2:]
    shown = ", ".join(f"{key}={value}" for key, value in options.items())

    def call(t, *tensors):
        with warnings.catch_warnings():
            # torch warns that padding='same' copies the input where the kernel's length is even.
            warnings.filterwarnings("ignore", "Using padding='same'", UserWarning)
            return getattr(t.nn.functional, name)(*tensors, **options)

    sizes = "x".join(map(str, inputs[0].shape)) + " k" + "x".join(map(str, dims))
    return Row(f"{name} {sizes} {shown}".strip(), call, *inputs, gradcheck=gradcheck, **NEAR)


ROWS = [
    Row("conv1d", lambda t, x, w: t.conv1d(x, w), A(2, 3, 8), A(4, 3, 3), **BOTH),
    Row("conv2d", lambda t, x, w, b: t.conv2d(x, w, b), A(2, 3, 8, 7), A(4, 3, 3, 2), A(4), **BOTH),
    Row("conv3d", lambda t, x, w: t.conv3d(x, w), A(2, 3, 5, 4, 6), A(4, 3, 2, 2, 3), **BOTH),
    # Every formulation: blocks of 4 and 2, patches, 1x1, depthwise, strided patches, XLA's own.
    _conv("conv2d", A(2, 1, 9, 8), A(3, 1, 5, 5), A(3), padding=2, gradcheck=True),
    _conv("conv2d", A(2, 1, 8, 9), A(3, 1, 5, 6)),
    _conv("conv2d", A(2, 3, 7, 8), A(3, 3, 5, 5), padding=(1, 2), gradcheck=True),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 3, 3), A(4), padding=1, gradcheck=True),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 1, 1), A(4), gradcheck=True),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 1, 1), stride=2),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 1, 1), stride=(2, 1), padding=1),
    _conv("conv2d", A(2, 4, 6, 5), A(4, 1, 3, 3), groups=4, padding=1, gradcheck=True),
    _conv("conv2d", A(2, 4, 6, 5), A(8, 1, 3, 2), A(8), groups=4, stride=2, dilation=(2, 1)),
    _conv("conv2d", A(1, 16, 5, 6), A(3, 16, 3, 3), stride=2, padding=1, gradcheck=True),
    _conv("conv2d", A(1, 60, 5, 5), A(3, 60, 3, 3), padding=1),
    _conv("conv2d", A(2, 4, 6, 5), A(6, 2, 3, 3), A(6), groups=2, padding=1, gradcheck=True),
    _conv("conv2d", A(2, 2, 9, 8), A(3, 2, 3, 3), stride=(2, 3), dilation=2, padding=(2, 1)),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 2, 4), padding="same"),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 3, 3), padding="same", dilation=2),
    _conv("conv2d", A(2, 3, 6, 7), A(4, 3, 3, 3), padding="valid"),
    _conv("conv2d", A(3, 6, 7), A(4, 3, 3, 3), A(4), padding=1),
    _conv("conv1d", A(2, 1, 12), A(3, 1, 7), A(3), padding=3, gradcheck=True),
    _conv("conv1d", A(3, 12), A(4, 3, 3), A(4), stride=2, dilation=2),
    _conv("conv1d", A(2, 3, 9), A(4, 3, 4), padding="same", dilation=3),
    _conv("conv3d", A(1, 1, 4, 5, 4), A(2, 1, 3, 3, 3), A(2), padding=1, gradcheck=True),
    _conv("conv3d", A(2, 4, 5, 4), A(4, 1, 2, 2, 2), groups=2, stride=(1, 2, 1)),
    _conv("conv_transpose1d", A(2, 3, 5), A(3, 2, 4), A(2), stride=2, gradcheck=True),
    _conv("conv_transpose1d", A(3, 5), A(3, 2, 3), stride=3, output_padding=2, padding=1),
    _conv("conv_transpose2d", A(2, 3, 4, 5), A(3, 2, 3, 3), A(2), stride=2, gradcheck=True),
    _conv(
        "conv_transpose2d",
        A(2, 4, 4, 5),
        A(4, 3, 3, 2),
        A(6),
        stride=(2, 3),
        padding=(1, 0),
        output_padding=(1, 2),
        groups=2,
        dilation=(2, 1),
    ),
    _conv("conv_transpose2d", A(2, 3, 4, 5), A(3, 2, 1, 1), A(2)),
    _conv("conv_transpose2d", A(3, 4, 5), A(3, 2, 4, 4), stride=2, padding=1),
    _conv("conv_transpose3d", A(1, 2, 3, 2, 3), A(2, 3, 2, 2, 2), A(3), stride=2, gradcheck=True),
    Row(
        "conv_transpose1d function",
        lambda t, x, w: t.conv_transpose1d(x, w),
        A(2, 3, 4),
        A(3, 2, 2),
        **NEAR,
    ),
    Row(
        "conv_transpose2d function",
        lambda t, x, w: t.conv_transpose2d(x, w),
        A(2, 3, 4, 4),
        A(3, 2, 2, 2),
        **NEAR,
    ),
    Row(
        "conv_transpose3d function",
        lambda t, x, w: t.conv_transpose3d(x, w),
        A(2, 3, 2, 2, 2),
        A(3, 2, 2, 2, 2),
        **NEAR,
    ),
    Row("nn.Conv1d", lambda t, x: t.nn.Conv1d(3, 4, 3, 2, 1), A(2, 3, 9), layer=True, **NEAR),
    Row(
        "nn.Conv2d", lambda t, x: t.nn.Conv2d(1, 6, 5, padding=2), A(2, 1, 8, 8), layer=True, **NEAR
    ),
    Row("nn.Conv3d", lambda t, x: t.nn.Conv3d(2, 3, 2), A(1, 2, 4, 4, 3), layer=True, **NEAR),
    Row(
        "nn.Conv2d groups, no bias",
        lambda t, x: t.nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2, bias=False),
        A(2, 4, 7, 8),
        layer=True,
        **NEAR,
    ),
    *(
        Row(
            f"nn.Conv2d {mode} {padding}",
            lambda t, x, mode=mode, padding=padding: t.nn.Conv2d(
                3, 4, (3, 5), padding=padding, padding_mode=mode
            ),
            A(2, 3, 6, 7),
            layer=True,
            **NEAR,
        )
        for mode in ("zeros", "reflect", "replicate", "circular")
        for padding in ((1, 2), "same")
    ),
    Row(
        "nn.ConvTranspose1d",
        lambda t, x: t.nn.ConvTranspose1d(3, 4, 3, 2, 1, 1),
        A(2, 3, 5),
        layer=True,
        **NEAR,
    ),
    Row(
        "nn.ConvTranspose2d",
        lambda t, x: t.nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2),
        A(2, 4, 5, 3),
        layer=True,
        **NEAR,
    ),
    Row(
        "nn.ConvTranspose3d",
        lambda t, x: t.nn.ConvTranspose3d(2, 3, 2, bias=False),
        A(1, 2, 3, 3, 2),
        layer=True,
        **NEAR,
    ),
]

"""The device computes what the host computes: layers and their gradients."""

import copy

import kuai
from kuai import nn
from kuai.nn import functional as F
from tests.gpu.card import DEVICE, IS_GPU, close

LAYERS = {
    "linear": (lambda: nn.Linear(6, 5), (4, 6)),
    "convolution": (lambda: nn.Conv2d(3, 4, 3, padding=1), (2, 3, 8, 8)),
    "strided, grouped": (lambda: nn.Conv2d(4, 8, 3, stride=2, groups=2), (2, 4, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), (2, 4, 7, 7)),
    "pointwise": (lambda: nn.Conv2d(4, 6, 1), (2, 4, 5, 5)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 4, 2, 1), (2, 3, 5, 5)),
    "3-d convolution": (lambda: nn.Conv3d(2, 3, 3), (2, 2, 5, 5, 5)),
    "batch norm": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (2, 4, 5, 5)),
    "layer norm": (lambda: nn.LayerNorm(6), (3, 4, 6)),
    "max pooling": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 9, 9)),
    "average pooling": (lambda: nn.AdaptiveAvgPool2d(2), (2, 3, 9, 9)),
    "resizing": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4, 4)),
    "GELU": (lambda: nn.GELU(), (5, 7)),
    "softmax": (lambda: nn.Softmax(-1), (5, 7)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), (2, 5, 8)),
}
RECURRENT = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


def _compare(layer, inputs, tolerance=2e-4):
    twin = copy.deepcopy(layer).to(DEVICE)
    results = []
    for net, place in ((layer, "cpu"), (twin, DEVICE)):
        x = inputs.detach().to(place, copy=True).requires_grad_()
        out = net(x)
        out = out[0] if isinstance(out, tuple) else out
        (out * out.detach().cos()).sum().backward()
        results.append([out, x.grad, *(p.grad for p in net.parameters())])
    for ours, wanted in zip(*reversed(results), strict=True):
        close(ours, wanted, tolerance)


def _precisely(compare):
    """Without TensorFloat32, which convolutions have by default."""
    with kuai.backends.cudnn.flags(enabled=True, allow_tf32=False):
        compare()


def test_layers_and_gradients():
    def compare():
        for name, (make, shape) in LAYERS.items():
            kuai.manual_seed(0)
            try:
                _compare(make(), kuai.randn(shape))
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error

    _precisely(compare)


def test_recurrent_layers():
    for kind in RECURRENT.values():
        kuai.manual_seed(0)
        _compare(kind(4, 6, 2, bidirectional=True, batch_first=True), kuai.randn(3, 9, 4))


def test_matrices_are_multiplied_precisely_unless_told_otherwise():
    kuai.manual_seed(0)
    x, y = kuai.randn(64, 512), kuai.randn(512, 64)
    wanted = (x.double() @ y.double()).float()
    close(x.to(DEVICE) @ y.to(DEVICE), wanted, 1e-4)
    kuai.set_float32_matmul_precision("high")
    try:
        rough = x.to(DEVICE) @ y.to(DEVICE)
    finally:
        kuai.set_float32_matmul_precision("highest")
    close(rough, wanted, 0.2)
    assert kuai.backends.cuda.matmul.allow_tf32 is False
    close(x.to(DEVICE) @ y.to(DEVICE), wanted, 1e-4)


def test_attention_in_half_precision():
    kuai.manual_seed(0)
    q, k, v = (kuai.randn(2, 4, 32, 64, dtype=kuai.bfloat16) for _ in range(3))
    closed = kuai.rand(2, 1, 32, 32) > 0.5
    closed[:, :, 3] = False  # nothing to attend to: zeros
    for options in ({}, {"is_causal": True}, {"attn_mask": closed}, {"scale": 0.3}):
        given = [t.detach().to(DEVICE).requires_grad_() for t in (q, k, v)]
        placed = {n: o.to(DEVICE) if n == "attn_mask" else o for n, o in options.items()}
        out = F.scaled_dot_product_attention(*given, **placed)
        out.float().sum().backward()
        exact = [t.detach().double().requires_grad_() for t in (q, k, v)]
        wanted = F.scaled_dot_product_attention(*exact, **options)
        wanted.sum().backward()
        close(out.double(), wanted, 0.03)
        for ours, other in zip(given, exact, strict=True):
            close(ours.grad.double(), other.grad, 0.06)


def test_attention_is_cudnn_s_on_a_gpu():
    if not IS_GPU:
        return
    import jax

    from kuai.ops.nn.attention import attend

    shape = jax.ShapeDtypeStruct((2, 4, 128, 64), "bfloat16")
    program = jax.jit(lambda q, k, v: attend(None, q, k, v, None, True, 0.125, (), True))
    text = program.lower(shape, shape, shape).as_text()
    assert "cudnn" in text or jax.local_devices(backend="gpu")[0].compute_capability < "8.0"


def test_linear_algebra_sorting_and_sums():
    kuai.manual_seed(0)
    x = kuai.randn(6, 6)
    matrix = x @ x.T + kuai.eye(6)
    for function in (
        kuai.linalg.inv,
        kuai.linalg.cholesky,
        kuai.linalg.eigvalsh,
        kuai.linalg.det,
        lambda m: kuai.linalg.solve(m, m),
        lambda m: m.sort(-1).values,
        lambda m: m.topk(2).indices,
        lambda m: m.cumsum(0),
        lambda m: m.median(1).values,
        lambda m: kuai.einsum("ij,kj->ik", m, m),
        lambda m: m[m > 0],
        lambda m: kuai.fft.fft(m).abs(),
        lambda m: m.std(),
        lambda m: m.double().logsumexp(1),
        lambda m: (m * 3).long().bincount(minlength=5) if m.dim() == 1 else m.argmax(1),
    ):
        close(function(matrix.to(DEVICE)), function(matrix), 1e-3)


def test_lstms_are_cudnn_s_on_a_gpu():
    for options in ({}, {"num_layers": 2, "bidirectional": True}, {"bias": False}):
        kuai.manual_seed(0)
        layer, x = nn.LSTM(6, 8, **options), kuai.randn(9, 3, 6)
        for enabled in (True, False):
            with kuai.backends.cudnn.flags(enabled=enabled, allow_tf32=False):
                _compare(copy.deepcopy(layer), x)
    if not IS_GPU:
        return
    import jax

    from kuai.ops.nn.recurrent import recurrent_stack

    layer = nn.LSTM(6, 8, device=DEVICE)
    weights, x = [*layer.parameters()], kuai.randn(9, 3, 6, device=DEVICE)
    shape = ("LSTM", True, False, 1, False)

    def run(x, *weights):
        given = [kuai.as_tensor(each) for each in weights]
        return recurrent_stack(kuai.as_tensor(x), [], given, shape, True)[0].__jax_array__()

    program = jax.jit(run).lower(*(each.detach().__jax_array__() for each in (x, *weights)))
    assert "dnn_rnn" in program.as_text()

"""Rows: activation functions and layers."""

from tests.rowkit import A, Row

KINKS = A(values=[-4.0, -3.0, -1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, 3.0, 4.0, 6.0, 30.0])


def _function(name, *arguments, **keywords):
    def call(t, x):
        return getattr(t.nn.functional, name)(x, *arguments, **keywords)

    return call


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


_PLAIN = [
    ("relu", "ReLU"),
    ("relu6", "ReLU6"),
    ("leaky_relu", "LeakyReLU"),
    ("elu", "ELU"),
    ("selu", "SELU"),
    ("celu", "CELU"),
    ("gelu", "GELU"),
    ("silu", "SiLU"),
    ("mish", "Mish"),
    ("hardtanh", "Hardtanh"),
    ("hardsigmoid", "Hardsigmoid"),
    ("hardswish", "Hardswish"),
    ("hardshrink", "Hardshrink"),
    ("softshrink", "Softshrink"),
    ("tanhshrink", "Tanhshrink"),
    ("softplus", "Softplus"),
    ("softsign", "Softsign"),
    ("logsigmoid", "LogSigmoid"),
    ("sigmoid", "Sigmoid"),
    ("tanh", "Tanh"),
    ("rrelu", "RReLU"),
]

ROWS = [
    *(
        # torch's hardsigmoid divides by 6 in single precision, also for doubles
        Row(
            f"F.{name}",
            _function(name),
            KINKS,
            dtypes=("float32", "float64")[: 1 + (name != "hardsigmoid")],
        )
        for name, _ in _PLAIN
    ),
    *(
        Row(f"nn.{layer}", _layer(layer), A(3, 4), layer=True)
        for name, layer in _PLAIN
        if name != "rrelu"
    ),
    Row("nn.RReLU", lambda t, x: t.nn.RReLU(0.2, 0.4).eval()(x), A(3, 4)),
    Row("relu on integers", _function("relu"), A(5, dtype="int64"), grad=False),
    Row("F.leaky_relu slope", _function("leaky_relu", 0.3), KINKS),
    Row("F.elu alpha", _function("elu", 0.7), KINKS),
    Row("F.celu alpha", _function("celu", 0.7), KINKS),
    # its gradient is a difference of nearly equal numbers at -3
    Row("F.gelu tanh", _function("gelu", approximate="tanh"), KINKS, atol=5e-6),
    Row("F.hardtanh bounds", _function("hardtanh", -0.5, 2.0), KINKS),
    Row("F.softplus beta", _function("softplus", 2.0, 5.0), KINKS),
    Row("F.hardshrink lambd", _function("hardshrink", 1.0), KINKS),
    Row("F.softshrink lambd", _function("softshrink", 1.0), KINKS),
    Row("F.threshold", _function("threshold", 0.5, 7.0), KINKS),
    Row("F.glu", _function("glu"), A(3, 6)),
    Row("F.glu dim", _function("glu", 0), A(4, 3)),
    Row("F.softmax", _function("softmax", 1), A(3, 4), gradcheck=True),
    Row("F.softmax 0-d", _function("softmax", 0), A()),
    Row("F.log_softmax", _function("log_softmax", 0), A(3, 4), gradcheck=True),
    Row("F.softmin", _function("softmin", -1), A(3, 4)),
    Row("F.gumbel_softmax", _function("gumbel_softmax"), A(3, 4), random=True, grad=False),
    Row("F.rrelu training", _function("rrelu", 0.1, 0.4, True), A(9), random=True, grad=False),
    Row("F.prelu one", lambda t, x, w: t.nn.functional.prelu(x, w), A(2, 3, 4), A(1)),
    Row("F.prelu channels", lambda t, x, w: t.nn.functional.prelu(x, w), A(2, 3, 4), A(3)),
    Row("nn.PReLU", _layer("PReLU", 3), A(2, 3, 4), layer=True),
    Row("nn.GLU", _layer("GLU"), A(2, 4), layer=True),
    Row("nn.Softmax", _layer("Softmax", 1), A(2, 4), layer=True),
    Row("nn.LogSoftmax", _layer("LogSoftmax", 1), A(2, 4), layer=True),
    Row("nn.Softmin", _layer("Softmin", 1), A(2, 4), layer=True),
    Row("nn.Softmax2d", _layer("Softmax2d"), A(2, 3, 2, 2), layer=True),
    Row("nn.Threshold", _layer("Threshold", 0.1, 2.0), A(2, 4), layer=True),
]

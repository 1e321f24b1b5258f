"""Rows: recurrent layers and cells."""

import warnings

from tests.rowkit import A, Row

_X = A(5, 2, 3)
_SEQUENCES = {
    "": {},
    " two layers": {"num_layers": 2},
    " bidirectional": {"num_layers": 2, "bidirectional": True},
    " batch first": {"batch_first": True},
    " without bias": {"bias": False},
}


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


def _with_states(name, **keywords):
    """A function of the input and the first states, with fixed weights."""

    def call(t, input, *states):
        module = getattr(t.nn, name)(3, 4, **keywords).to(input.dtype)
        for number, weight in enumerate(module.parameters()):
            rows = t.arange(weight.numel(), dtype=weight.dtype).reshape(weight.shape)
            weight.data = (rows * (0.7 + number)).sin() / 2
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
            return module(input, states if name.startswith("LSTM") else states[0])

    return call


ROWS = [
    *(
        Row(f"nn.{name}{title}", _layer(name, 3, 4, **keywords), _X, layer=True)
        for name in ("RNN", "LSTM", "GRU")
        for title, keywords in _SEQUENCES.items()
    ),
    Row("nn.RNN relu", _layer("RNN", 3, 4, 2, "relu"), _X, layer=True),
    *(
        Row(f"nn.{name} unbatched", _layer(name, 3, 4, bidirectional=True), A(5, 3), layer=True)
        for name in ("RNN", "LSTM", "GRU")
    ),
    # large enough for the kernels
    Row("nn.LSTM large", _layer("LSTM", 5, 64, 2, bidirectional=True), A(9, 3, 5), layer=True),
    Row("nn.LSTM one step", _layer("LSTM", 3, 4), A(1, 2, 3), layer=True),
    Row("nn.GRU float64", _layer("GRU", 3, 4), _X, layer=True, dtypes=("float64",)),
    Row(
        "nn.LSTM dropout",
        _layer("LSTM", 3, 4, 2, dropout=0.5),
        _X,
        layer=True,
        random=True,
    ),
    Row("nn.GRU dropout of all", _layer("GRU", 3, 4, 2, dropout=1.0), _X, layer=True),
    Row("nn.RNN state", _with_states("RNN"), _X, A(1, 2, 4), gradcheck=True),
    Row("nn.GRU state", _with_states("GRU"), _X, A(1, 2, 4), gradcheck=True),
    Row("nn.LSTM states", _with_states("LSTM"), _X, A(1, 2, 4), A(1, 2, 4), gradcheck=True),
    Row(
        "nn.LSTM states projected",
        _with_states("LSTM", proj_size=2, bidirectional=True),
        _X,
        A(2, 2, 2),
        A(2, 2, 4),
    ),
    Row(
        "nn.LSTM states unbatched",
        _with_states("LSTM", batch_first=True),
        A(5, 3),
        A(1, 4),
        A(1, 4),
    ),
    Row("nn.RNNCell", _layer("RNNCell", 3, 4), A(2, 3), layer=True),
    Row("nn.RNNCell relu", _layer("RNNCell", 3, 4, False, "relu"), A(2, 3), layer=True),
    Row("nn.LSTMCell", _layer("LSTMCell", 3, 4), A(2, 3), layer=True),
    Row("nn.GRUCell", _layer("GRUCell", 3, 4), A(2, 3), layer=True),
    Row("nn.GRUCell unbatched", _layer("GRUCell", 3, 4, bias=False), A(3), layer=True),
    Row("nn.RNNCell state", _with_states("RNNCell"), A(2, 3), A(2, 4), gradcheck=True),
    Row("nn.GRUCell state", _with_states("GRUCell"), A(3), A(4), gradcheck=True),
    Row("nn.LSTMCell states", _with_states("LSTMCell"), A(2, 3), A(2, 4), A(2, 4)),
]

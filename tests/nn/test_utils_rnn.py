"""Sequences of different lengths: packing, padding, and recurrent layers that read them."""

import numpy as np
import pytest
import torch
from torch.nn.utils import rnn as theirs

import kuai
from kuai.nn.utils import rnn as ours
from tests.compilations import compilations

RNG = np.random.default_rng(0)
LENGTHS = [2, 5, 1, 3]
STEPS = RNG.standard_normal((5, 4, 3)).astype("float32")


def rnn_of(t):
    return t.nn.utils.rnn


def packed(t, requires_grad=False, **options):
    x = t.tensor(STEPS, requires_grad=requires_grad)
    return x, rnn_of(t).pack_padded_sequence(x, LENGTHS, enforce_sorted=False, **options)


def numbers(value):
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return [numbers(part) for part in value]
    return value.detach().numpy()


def assert_alike(found, expected):
    found, expected = numbers(found), numbers(expected)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_alike_arrays(*pair) if not isinstance(pair[1], list) else None
            if isinstance(pair[1], list):
                for inner in zip(*pair, strict=True):
                    assert_alike_arrays(*inner)
    else:
        assert_alike_arrays(found, expected)


def assert_alike_arrays(found, expected):
    if expected is None:
        assert found is None
        return
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


CALLS = {
    "packed": lambda t: tuple(packed(t)[1]),
    "batch first": lambda t: tuple(
        rnn_of(t).pack_padded_sequence(
            t.tensor(STEPS).transpose(0, 1), t.tensor([5, 5, 2, 1]), batch_first=True
        )
    ),
    "padded": lambda t: rnn_of(t).pad_packed_sequence(packed(t)[1]),
    "padded further": lambda t: rnn_of(t).pad_packed_sequence(packed(t)[1], True, -1.0, 7),
    "left": lambda t: rnn_of(t).pad_sequence([t.ones(2, 2), t.ones(3, 2)], True, 2.0, "left"),
    "right": lambda t: rnn_of(t).pad_sequence([t.ones(2, 2), t.ones(3, 2), t.ones(0, 2)]),
    "bytes": lambda t: rnn_of(t).pad_sequence([t.ones(2).byte(), t.ones(3).byte()]),
    "unpacked": lambda t: rnn_of(t).unpack_sequence(packed(t)[1]),
    "sequence": lambda t: tuple(
        rnn_of(t).pack_sequence([t.ones(2, 3), t.ones(4, 3)], enforce_sorted=False)
    ),
    "unpadded": lambda t: rnn_of(t).unpad_sequence(t.tensor(STEPS), t.tensor(LENGTHS)),
}


@pytest.mark.parametrize("name", CALLS)
def test_same_results(name):
    assert_alike(CALLS[name](kuai), CALLS[name](torch))


WRONG = {
    "not sorted": lambda t: rnn_of(t).pack_padded_sequence(t.ones(3, 2, 1), [1, 3]),
    "zero": lambda t: rnn_of(t).pack_padded_sequence(t.ones(3, 2, 1), [3, 0]),
    "too few": lambda t: rnn_of(t).pack_padded_sequence(t.ones(3, 2, 1), [3]),
    "no batch": lambda t: rnn_of(t).pack_padded_sequence(t.ones(3, 0, 1), []),
    "a number": lambda t: rnn_of(t).pack_padded_sequence(t.ones(3, 2, 1), 3),
    "total": lambda t: rnn_of(t).pad_packed_sequence(packed(t)[1], total_length=2),
    "no iterable": lambda t: rnn_of(t).pad_sequence(5),
    "empty": lambda t: rnn_of(t).pad_sequence([]),
    "side": lambda t: rnn_of(t).pad_sequence([t.ones(1)], padding_side="up"),
    "states": lambda t: t.nn.GRU(3, 2)(
        rnn_of(t).pack_sequence([t.ones(2, 3), t.ones(1, 3)]), t.ones(1, 3, 2)
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_same_errors(name):
    with pytest.raises(Exception) as expected:
        WRONG[name](torch)
    with pytest.raises(type(expected.value)) as found:
        WRONG[name](kuai)
    assert str(found.value).startswith(str(expected.value))


def test_lengths_beyond_the_input_are_refused():
    with pytest.raises(RuntimeError, match="at most the number of steps"):
        ours.pack_padded_sequence(kuai.ones(3, 2), [4, 1])


def test_printed_and_converted():
    made = [rnn_of(t).pack_sequence([t.ones(2), t.ones(1)]) for t in (kuai, torch)]
    assert repr(made[0]) == repr(made[1])
    assert isinstance(made[0], tuple)
    assert made[0].double().data.dtype is kuai.float64
    assert made[0].to(kuai.float32) is made[0]
    assert not made[0].is_cuda


LAYERS = [
    ("RNN", 1, True, True),
    ("LSTM", 2, True, True),
    ("LSTM", 1, False, False),
    ("LSTM", 2, True, "projected"),
    ("GRU", 2, True, True),
    ("GRU", 1, False, False),
]


def layers(kind, depth, both_ways, given):
    options = dict(num_layers=depth, bidirectional=both_ways)
    options |= {"proj_size": 2} if given == "projected" else {}
    reference = getattr(torch.nn, kind)(3, 4, **options)
    layer = getattr(kuai.nn, kind)(3, 4, **options)
    state = reference.state_dict()
    layer.load_state_dict({name: kuai.tensor(value.numpy()) for name, value in state.items()})
    sizes = (depth * (1 + both_ways), 4)
    values = [RNG.standard_normal((*sizes, 4 - 2 * (given == "projected"))).astype("float32")]
    values += [RNG.standard_normal((*sizes, 4)).astype("float32")] if kind == "LSTM" else []
    return reference, layer, values if given else None


def run(t, layer, states):
    x, sequence = packed(t, requires_grad=True)
    given = [t.tensor(value, requires_grad=True) for value in states or ()]
    hx = None if not given else given[0] if len(given) == 1 else tuple(given)
    output, last = layer(sequence, hx)
    last = last if isinstance(last, tuple) else (last,)
    assert type(output) is rnn_of(t).PackedSequence
    loss = (output.data**2).sum() + sum((part**3).sum() for part in last)
    loss.backward()
    gradients = [x.grad, *(part.grad for part in given)]
    return [output.data, *last, *gradients, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize(("kind", "depth", "both_ways", "given"), LAYERS)
def test_recurrent_layers(kind, depth, both_ways, given):
    reference, layer, states = layers(kind, depth, both_ways, given)
    assert_alike(run(kuai, layer, states), run(torch, reference, states))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_compiled(kind):
    _, layer, _ = layers(kind, 2, True, True)

    def step(x, lengths):
        sequence = ours.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, _ = ours.pad_packed_sequence(layer(sequence)[0], total_length=5)
        return output.sum()

    x, lengths = kuai.tensor(STEPS), kuai.tensor(LENGTHS)
    wanted = step(x, lengths).item()
    compiled = kuai.compile(step)
    np.testing.assert_allclose(compiled(x, lengths).item(), wanted, rtol=1e-5)
    with compilations() as programs:
        np.testing.assert_allclose(compiled(x, lengths).item(), wanted, rtol=1e-5)
    assert programs == []
    others = kuai.tensor([1, 5, 2, 3])
    np.testing.assert_allclose(compiled(x, others).item(), step(x, others).item(), rtol=1e-5)


def test_dropout_between_layers():
    layer = kuai.nn.LSTM(3, 4, 2, dropout=0.5)
    sequence = packed(kuai)[1]
    first, second = layer(sequence)[0].data, layer(sequence)[0].data
    assert not np.array_equal(first.detach().numpy(), second.detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(*(layer(sequence)[0].data.detach().numpy() for _ in range(2)))


def test_theirs_is_the_module_compared_with():
    assert set(theirs.__all__) <= set(ours.__all__)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_autocast(kind):
    found = []
    for t in (torch, kuai):
        with t.autocast("cpu"):
            found.append(str(getattr(t.nn, kind)(3, 4)(packed(t)[1])[0].data.dtype))
    assert found[0] == found[1]

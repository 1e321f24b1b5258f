"""Loading for real life: what does not fit is told by block, and nothing is loaded by halves."""

from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import kuai
from kuai import nn
from kuai.nn.modules.utils import consume_prefix_in_state_dict_if_present as consume
from tests.nn.blocks import blocks
from tests.nn.sameness import assert_same


def network(lib=kuai, classes=3):
    """Twelve entries and more in two blocks, and a head."""
    nn = lib.nn
    blocks = [
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False))
        for _ in range(2)
    ]
    return nn.Sequential(OrderedDict(body=nn.Sequential(*blocks), head=nn.Linear(4, classes)))


def message(net, state, **options) -> str:
    with pytest.raises(RuntimeError) as raised:
        net.load_state_dict(state, **options)
    assert str(raised.value).startswith("Error(s) in loading state_dict for Sequential:\n\t")
    return str(raised.value).partition("\n\t")[2]


def state_without(*starts):
    return {k: v for k, v in network().state_dict().items() if not k.startswith(starts)}


# What is told -------------------------------------------------------------------------------------


def test_many_missing_names_are_grouped_by_block():
    state = state_without("body.1", "body.0.0", "head")
    assert message(network(), state) == (
        "Missing key(s) in state_dict: 11, by block:\n"
        "\t\tbody.0.0 (Linear): weight, bias\n"
        "\t\tbody.1 (Sequential): 0.weight, 0.bias, 1.weight, … all 7 entries\n"
        "\t\thead (Linear): weight, bias"
    )


def test_many_unexpected_names_are_grouped_by_block():
    state = {**network().state_dict(), **{f"decoder.{n}.bias": kuai.ones(1) for n in range(20)}}
    assert message(network(), state) == (
        "Unexpected key(s) in state_dict: 20, by block:\n"
        "\t\tdecoder (not in the model): 0.bias, 1.bias, 2.bias, … all 20 entries"
    )


def test_many_sizes_are_grouped_by_block():
    layers = [nn.Linear(2, 2) for _ in range(6)]
    state = {name: kuai.ones(7) for name in nn.Sequential(*layers).state_dict()}
    told = message(nn.Sequential(*layers), state, strict=False)
    assert told.startswith("size mismatch for 12 entries (shape in the checkpoint first):\n\t\t")
    assert "weight [7] instead of [2, 2], 0.bias [7] instead of [2]" in told


def test_few_names_are_told_as_torch_tells_them():
    def program(t):
        state = network(t).state_dict()
        for name in ("body.0.0.weight", "head.bias"):
            state[f"other.{name}"] = state.pop(name)
        state["body.1.0.bias"] = t.ones(5)
        return network(t).load_state_dict(state)

    assert_same(program)


def test_a_wide_network_gives_few_lines():
    told = message(nn.Sequential(*(nn.Linear(1, 1) for _ in range(300))), {})
    assert told.count("\n") == 1
    half = nn.Sequential(*(nn.Linear(1, 1) for _ in range(300)))
    told = message(half, {k: v for k, v in half.state_dict().items() if "bias" in k})
    assert told.count("\n") <= 20


# Prefixes -----------------------------------------------------------------------------------------


def run(line: str, state: dict) -> dict:
    """What the suggested line of code makes of a state dict."""
    scope = {"kuai": kuai, "state_dict": state}
    exec(line, scope)  # the advice has to be code that works
    return scope["state_dict"]


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "net.", "a.b."])
@pytest.mark.parametrize("part", ["whole", "with others"])
def test_a_prefix_too_many(prefix, part):
    net = network()
    state = {prefix + name: value for name, value in network().state_dict().items()}
    if part == "with others":
        state["loss.weight"] = kuai.ones(1)
    told = message(net, state)
    assert f'the prefix "{prefix}"' in told
    found = run(told.splitlines()[-1].partition(": ")[2], state)
    assert not net.load_state_dict(found).missing_keys


def test_a_prefix_too_few():
    told = message(nn.Sequential(network()), network().state_dict())
    assert 'The names lack the prefix "0."' in told
    found = run(told.splitlines()[-1].partition(": ")[2], network().state_dict())
    nn.Sequential(network()).load_state_dict(found)


def test_a_wrapper_inside():
    state = {k.replace("body.", "body._orig_mod."): v for k, v in network().state_dict().items()}
    told = message(network(), state)
    found = run(told.splitlines()[-1].partition(": ")[2], state)
    network().load_state_dict(found)


def test_no_advice_that_would_not_work():
    state = {f"module.{name}": value for name, value in state_without("head").items()}
    assert "prefix" not in message(network(), state)


@pytest.mark.parametrize("prefix", ["module.", "other."])
def test_consume_prefix(prefix):
    def program(t):
        wrapper = t.nn.Module()
        wrapper.module = network(t)
        state = wrapper.state_dict()
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, prefix)
        return list(state), state._metadata

    assert_same(program)


def test_consume_prefix_of_a_plain_dict():
    state = {"module.a": 1, "b": 2}
    consume(state, "module.")
    assert state == {"b": 2, "a": 1}


# Fine-tuning --------------------------------------------------------------------------------------


def test_mismatched_sizes_are_left_out_and_returned():
    source, target = network(classes=7), network(classes=3)
    head = target.head.weight.tolist()
    result = target.load_state_dict(source.state_dict(), ignore_mismatched_sizes=True)
    missing, unexpected = result
    assert missing == unexpected == []
    assert result.mismatched_keys == [
        ("head.weight", (7, 4), (3, 4)),
        ("head.bias", (7,), (3,)),
    ]
    assert repr(result).startswith("_IncompatibleKeys(missing_keys=[], unexpected_keys=[], mism")
    assert target.head.weight.tolist() == head
    assert target.body[0][0].weight.tolist() == source.body[0][0].weight.tolist()


def test_the_option_forgives_nothing_else():
    for state in ({"weight": kuai.ones(7)}, {"weight": 3, "bias": kuai.ones(1)}):
        with pytest.raises(RuntimeError, match="bias|expected torch.Tensor"):
            nn.Linear(1, 1).load_state_dict(state, ignore_mismatched_sizes=True)


def test_the_result_is_as_torchs():
    ours, theirs = (lib.nn.Linear(1, 1).load_state_dict({}, strict=False) for lib in (kuai, torch))
    assert ours == theirs == (["weight", "bias"], [])
    assert repr(ours) == repr(theirs)
    assert ours.mismatched_keys == []


# All or nothing -----------------------------------------------------------------------------------


def values(net):
    return {name: value.tolist() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        {"head.bias": kuai.ones(9)},
        {"other": kuai.ones(1)},
        {"head.bias": "no tensor"},
    ],
)
def test_nothing_is_loaded_when_something_does_not_fit(wrong, assign):
    net = network()
    before, parameters = values(net), list(net.parameters())
    with pytest.raises(RuntimeError):
        net.load_state_dict({**network().state_dict(), **wrong}, assign=assign)
    assert values(net) == before
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))


def test_an_error_of_a_hook_leaves_everything_too():
    net = network()
    before = values(net)
    net.head.register_load_state_dict_post_hook(lambda module, keys: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.load_state_dict(network().state_dict())
    assert values(net) == before


def test_a_lazy_layer_stays_lazy_after_an_error():
    net = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 1))
    state = nn.Sequential(nn.Linear(5, 2), nn.Linear(2, 2)).state_dict()
    with pytest.raises(RuntimeError, match=r"size mismatch for 1\.weight"):
        net.load_state_dict(state)
    assert nn.parameter.is_lazy(net[0].weight)
    assert net(kuai.ones(1, 3)).shape == (1, 1)


# What is loaded -----------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray, lambda x: np.asarray(x, np.float64)])
def test_arrays_of_others(array):
    net = nn.BatchNorm1d(2)
    state = {name: array(value.tolist()) for name, value in net.state_dict().items()}
    state["weight"] = array([0.5, -1.5])
    net.load_state_dict(state)
    assert net.weight.tolist() == [0.5, -1.5]
    assert (net.weight.dtype, net.num_batches_tracked.dtype) == (kuai.float32, kuai.int64)
    net.load_state_dict(state, assign=True)
    assert isinstance(net.weight, nn.Parameter)


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "int32", "bool"])
@pytest.mark.parametrize("assign", [False, True])
def test_dtypes_are_cast_as_in_torch(kind, assign):
    def program(t):
        net = t.nn.BatchNorm1d(2)
        given = t.tensor([0.0, 1.0]).to(getattr(t, kind))
        state = {name: given for name in ("weight", "bias", "running_mean", "running_var")}
        found = net.load_state_dict({**state, "num_batches_tracked": t.tensor(3)}, assign=assign)
        return found, [(str(v.dtype), v.tolist()) for v in net.state_dict().values()]

    assert_same(program)


def test_tied_weights_stay_tied():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    other = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net.load_state_dict(other.state_dict())
    assert net[0].weight is net[1].weight
    assert net[0].weight.tolist() == other[1].weight.tolist()


def test_buffers_that_are_not_kept():
    def program(t):
        net = t.nn.Module()
        net.register_buffer("kept", t.zeros(1))
        net.register_buffer("lost", t.zeros(1), persistent=False)
        state = net.state_dict()
        first = net.load_state_dict(state)
        return first, net.load_state_dict({**state, "lost": t.ones(1)}, strict=False), net.lost

    assert_same(program)


def test_lazy_layers_take_their_shape_from_the_file():
    def program(t):
        net = t.nn.Sequential(t.nn.LazyLinear(2), t.nn.LazyBatchNorm1d())
        state = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)).state_dict()
        return (
            net.load_state_dict(state),
            net[0].weight.shape,
            t.equal(net[0].weight, state["0.weight"]),
        )

    assert_same(program)


def test_an_uninitialized_parameter_does_not_fit_a_real_one():
    def program(t):
        return t.nn.Linear(3, 2).load_state_dict(t.nn.LazyLinear(2).state_dict())

    with pytest.raises(RuntimeError):
        program(torch)
    with pytest.raises(RuntimeError, match="uninitialized"):
        program(kuai)


def test_loaded_values_are_the_modules_own():
    """Nothing is copied where dtype and device are right, and yet nothing is shared."""
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    state = source.state_dict()
    target.load_state_dict(state)
    expected = state["weight"].tolist()
    state["weight"].fill_(5)
    assert target.weight.tolist() == expected
    with kuai.no_grad():
        target.weight.fill_(7)
    assert source.weight.tolist() == [[5.0, 5.0]]


def test_views_as_values_and_views_as_parameters():
    flat = kuai.arange(6.0)
    net = nn.Linear(2, 2)
    net.weight = nn.Parameter(kuai.zeros(6)[:4].view(2, 2))
    net.load_state_dict({"weight": flat[2:].view(2, 2), "bias": flat[::3]})
    assert (net.weight.tolist(), net.bias.tolist()) == ([[2.0, 3.0], [4.0, 5.0]], [0.0, 3.0])


def test_assigning_once_does_not_mark_the_state_dict():
    state = nn.Linear(1, 1).state_dict()
    nn.Linear(1, 1).load_state_dict(state, assign=True)
    net = nn.Linear(1, 1)
    before = net.weight
    net.load_state_dict(state)
    assert net.weight is before


# Compiled programs --------------------------------------------------------------------------------


@pytest.mark.parametrize("assign", [False, True])
def test_compiled_programs_see_what_is_loaded(assign):
    net, other, x = network(), network(), kuai.ones(2, 4)
    net.eval(), other.eval()
    program = kuai.compile(lambda x: net(x))
    program(x)
    net.load_state_dict(other.state_dict(), assign=assign)
    np.testing.assert_allclose(program(x).tolist(), other(x).tolist(), rtol=1e-6)


def test_a_compiled_step_goes_on_from_what_is_loaded():
    """The step gives its parameters' memory away; the state dict's is not its to give."""
    net = nn.Linear(2, 1)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.5)
    state = nn.Linear(2, 1).state_dict()
    expected = [value.tolist() for value in state.values()]

    @kuai.compile
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for _ in range(3):
        net.load_state_dict(state)
        step(kuai.ones(1, 2))
        step(kuai.ones(1, 2))
    assert [value.tolist() for value in state.values()] == expected
    np.testing.assert_allclose(net.bias.tolist(), np.array(expected[1]) - 1, rtol=1e-6)


def test_loading_inside_a_compiled_function():
    net, other = nn.Linear(2, 1), nn.Linear(2, 1)

    @kuai.compile
    def load(scale):
        net.load_state_dict({name: value * scale for name, value in other.state_dict().items()})
        return net.weight.sum()

    for scale in (2.0, 3.0):
        load(kuai.tensor(scale))
        np.testing.assert_allclose(net.weight.tolist(), (other.weight * scale).tolist())


def test_as_torch_with_metadata_hooks():
    def program(t):
        said = []
        net = blocks(t).Net()
        for block in net.modules():
            block.register_load_state_dict_pre_hook(
                lambda m, s, p, meta, *rest: said.append((p, dict(meta)))
            )
            block.register_load_state_dict_post_hook(lambda m, keys: said.append(repr(keys)))
        net.load_state_dict(blocks(t).Net().state_dict())
        return said

    assert_same(program)

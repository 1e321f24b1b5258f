"""Modules with the arguments that PyTorch tests them with, beside torch: values and gradients.

A third of the modules, with one sample each; `KUAI_CONFORMANCE=1` runs all of them.
"""

import dataclasses
import os
import warnings
import zlib

import numpy as np
import pytest
import torch
from torch.testing._internal.common_modules import module_db

import kuai
from tests.rowkit import is_inexact, is_tensor, leaves, to_numpy
from tests.test_rows import to_kuai

INFOS = {info.name: info for info in module_db}
WHOLE = os.environ.get("KUAI_CONFORMANCE") == "1"
SAMPLES = 10_000 if WHOLE else 1

#: What is not compared, and why.
REASONS = {
    "nn.CrossMapLRN2d": "PyTorch's backward pass has another window than its forward pass",
    "nn.FractionalMaxPool2d": "its windows are drawn",
    "nn.FractionalMaxPool3d": "its windows are drawn",
    "nn.Dropout": "random",
}
RANDOM = ("Dropout", "RReLU", "FractionalMaxPool")


def samples(info, training):
    torch.manual_seed(0)
    made = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=True, training=training
    )
    start = zlib.crc32(info.name.encode()) % max(len(made), 1)
    return [*made[start:], *made[:start]][:SAMPLES]


def converted(value):
    """Arguments of torch's as Kuai's."""
    if torch.is_tensor(value):
        made = to_kuai(value)
        return made.requires_grad_(value.requires_grad)
    if isinstance(value, torch.dtype):
        return getattr(kuai, str(value).removeprefix("torch."))
    if isinstance(value, (list, tuple)):
        return type(value)(map(converted, value))
    if isinstance(value, dict):
        return {key: converted(item) for key, item in value.items()}
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return kuai.nn.LinearCrossEntropyOptions(**dataclasses.asdict(value))
    if isinstance(value, torch.nn.Module):
        kind = getattr(kuai.nn, type(value).__name__)
        made = kind(**arguments_of(value))
        load(made, value)
        return made
    name = getattr(value, "__name__", "")
    functional = getattr(kuai.nn.functional, name, None) or getattr(kuai, name, None)
    is_theirs = getattr(value, "__module__", "").startswith("torch") or name in ("relu", "gelu")
    return functional if callable(value) and functional and is_theirs else value


def arguments_of(module):
    """The arguments of the few modules that are arguments themselves."""
    if isinstance(module, torch.nn.LayerNorm):
        return {"normalized_shape": module.normalized_shape, "eps": module.eps}
    if isinstance(module, torch.nn.TransformerEncoderLayer):
        return {
            "d_model": module.self_attn.embed_dim,
            "nhead": module.self_attn.num_heads,
            "dim_feedforward": module.linear1.out_features,
            "dropout": module.dropout.p,
            "batch_first": module.self_attn.batch_first,
            "norm_first": module.norm_first,
        }
    return {}


def load(ours, theirs):
    with torch.no_grad():
        state = {name: to_kuai(value.detach()) for name, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)


def tensors(nested):
    return [value for value in leaves(nested) if is_tensor(value)]


def run(module, arguments, chosen):
    """Outputs, and the gradients of the chosen inputs and of the parameters."""
    outputs = tensors(module(*arguments.args, **arguments.kwargs))
    loss = 0
    for output in outputs:
        if is_inexact(output.dtype) and output.requires_grad:
            loss = loss + (output * output).sum()
    inputs = [given_to(arguments)[index] for index in chosen]
    if is_tensor(loss):
        loss.backward()
    sources = [*inputs, *module.parameters()]
    return outputs, [source.grad for source in sources]


def given_to(arguments):
    return tensors([list(arguments.args), list(arguments.kwargs.values())])


def leaves_with_gradients(arguments):
    """Which of the arguments torch gives a gradient."""
    given = given_to(arguments)
    return [i for i, value in enumerate(given) if value.requires_grad and value.is_leaf]


class Arguments:
    def __init__(self, given):
        self.args, self.kwargs = converted(tuple(given.args)), converted(dict(given.kwargs))


def compare(info, sample, training):
    made, given = sample.constructor_input, sample.forward_input
    theirs = info.module_cls(*made.args, **made.kwargs).train(training)
    ours_arguments = Arguments(made)
    kind = getattr(kuai.nn, info.name.removeprefix("nn."))
    ours = kind(*ours_arguments.args, **ours_arguments.kwargs).train(training)
    if any(map(torch.nn.parameter.is_lazy, theirs.parameters())):
        theirs(*given.args, **given.kwargs), ours(*Arguments(given).args)
    load(ours, theirs)
    chosen = leaves_with_gradients(given)
    found, expected = run(ours, Arguments(given), chosen), run(theirs, given, chosen)
    for part, wanted in zip(found, expected, strict=True):
        assert len(part) == len(wanted)
        for mine, other in zip(part, wanted, strict=True):
            same(mine, other)


def same(mine, other):
    if other is None or mine is None:
        assert other is None or not other.any()
        assert mine is None or not mine.any()
        return
    assert str(mine.dtype) == str(other.dtype)
    np.testing.assert_allclose(to_numpy(mine), to_numpy(other), rtol=2e-4, atol=2e-4)


def is_compared(name):
    plain = name not in REASONS and not any(word in name for word in RANDOM)
    return plain and (WHOLE or zlib.crc32(name.encode()) % 3 == 0)


@pytest.mark.parametrize("name", [name for name in INFOS if is_compared(name)])
@pytest.mark.parametrize("training", [True, False] if WHOLE else [True])
def test_as_pytorch_tests_it(name, training):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in samples(INFOS[name], training):
            compare(INFOS[name], sample, training)


def test_every_module_is_there():
    missing = [name for name in INFOS if not hasattr(kuai.nn, name.removeprefix("nn."))]
    assert not missing
    assert len(INFOS) > 100

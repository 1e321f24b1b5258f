"""`step.explain()`: what was captured and guarded, why again, what it costs."""

import warnings

import pytest

import kuai
from kuai import nn


def test_a_training_step():
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    opt = kuai.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @kuai.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    step(kuai.ones(5, 4))
    step(kuai.ones(3, 4))
    net.eval()
    step(kuai.ones(3, 4))
    explanation = step.explain()
    assert explanation.retraces == [
        "other arguments: float32[3, 4]",
        "attribute 'training' of a Sequential",
    ]
    first = explanation.programs[0]
    assert first.arguments == ["float32[5, 4]"]
    assert ("net.0.weight", "float32[8, 4]", True) in first.captured
    assert ("opt: momentum_buffer of net.2.bias", "float32[2]", True) in first.captured
    assert ("random offset of cpu", "int64[]", True) in first.captured
    assert "the attributes of a Dropout" in first.guards
    assert first.flops > 2 * 5 * 4 * 8 and first.bytes_accessed > 0
    assert first.memory["arguments"] >= 4 * (4 * 8 + 8 + 8 * 2 + 2)
    text = str(explanation)
    assert "3 programs" in text and "net.0.weight: float32[8, 4], written" in text
    assert "captured again because of attribute 'training'" in text


def test_the_warning_after_eight_captures_names_what_changes():
    settings = {"scale": 0.0}

    @kuai.compile
    def scaled(x):
        return x * settings["scale"]

    with pytest.warns(UserWarning, match="captured 8 times because of 'settings', which was"):
        for number in range(10):
            settings["scale"] = float(number)
            assert scaled(kuai.ones(1)).item() == number
    assert len(scaled.explain().eager) == 1
    assert "runs eagerly: it was captured 8 times" in str(scaled.explain())


def test_the_warning_after_eight_retraces_for_other_arguments():
    scaled = kuai.compile(lambda x, factor, name: x * factor)
    for number in range(8):
        scaled(kuai.ones(1), number, "s" * 100)
    with pytest.warns(
        UserWarning, match=r"again 8 times.* float32\[1\], 8, a str\. .*dynamic_batch"
    ):
        scaled(kuai.ones(1), 8, "s" * 100)
    for number in range(9, 12):
        assert scaled(kuai.ones(1), number, "").item() == number
    assert not scaled.eager and len(scaled.retraces) == 11


def test_a_function_that_runs_eagerly():
    item = kuai.compile(lambda x: x.item())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        item(kuai.ones(1))
    assert "item() needs a concrete value" in item.explain().eager[0]
    assert item.explain().programs == []

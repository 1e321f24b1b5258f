"""kuai.profile: block names in the trace, and in the programs that are compiled."""

import gzip
import json
import re
import time

import kuai
from kuai import nn


class Net(nn.Module):
    """Two blocks, one of them nested."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.body(x))


def training_step(net):
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    scale = 1 + time.time_ns() % 1_000_000 / 1e9  # a program that no cache on disk has yet

    @kuai.compile(fullgraph=True)
    def step(x):
        optimizer.zero_grad()
        loss = net(x).square().mean() * scale
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_operations_of_a_program_are_named_after_their_blocks():
    step, x = training_step(Net()), kuai.randn(5, 4)
    step(x)
    (program,) = step.programs
    lowered = program.function.lower(*program.avals)
    names = set(re.findall(r'loc\("(jit[^"]*)"', lowered.as_text(debug_info=True)))
    for name in (
        "Net/body(Sequential)/0(Linear)/",
        "Net/out(Linear)/",
        "Net/body(Sequential)/0(Linear)/backward/",
        "Net/body(Sequential)/1(Tanh)/backward/",
    ):
        assert any(name in found for found in names), (name, sorted(names))


def test_a_profile_holds_names_of_blocks(tmp_path, capsys):
    net, x = Net(), kuai.randn(5, 4)
    step = training_step(net)
    step(x)
    with kuai.profile(tmp_path) as profile:
        net(x).sum().backward()
        with kuai.profiler.record_function("my part"):
            step(x)
    assert str(profile.file) in capsys.readouterr().out
    trace = json.loads(gzip.decompress(profile.file.read_bytes()))
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    names = {event.get("name") for event in events}
    assert {"Net", "body(Sequential)", "0(Linear)", "out(Linear)", "my part"} <= names
    assert "Net/body(Sequential)/0(Linear)/backward" in names
    ran = {event["name"] for event in events if "hlo_op" in event.get("args", {})}
    assert any("step)/Net/body(Sequential)/0(Linear)/jit(linear)" in name for name in ran), ran
    assert any("step)/Net/body(Sequential)/1(Tanh)/backward/" in name for name in ran), ran


def test_a_function_can_be_named():
    @kuai.profiler.record_function("loss")
    def loss(x):
        return x.sum()

    assert loss(kuai.ones(3)).item() == 3.0 and loss.__name__ == "loss"


def test_nothing_is_left_on(tmp_path):
    with kuai.profile(tmp_path, quiet=True):
        pass
    assert kuai.engine.tensor.modes.state.block is None and not nn.base.hooks.global_hooks

"""`kuai.profiler`: events of operations, backward nodes and steps, tables, schedules, traces."""

import gzip
import json
import warnings

import pytest
import torch

import kuai
from kuai.engine.autograd import walking
from kuai.nn.watching.events import RUNNING
from kuai.profiler import profile, record_function, schedule, tensorboard_trace_handler


def work(t, net, optimizer):
    with t.profiler.record_function("model"):
        loss = net(t.ones(2, 4)).relu().sum()
    loss.backward()
    optimizer.step()


def profiled(t, **options):
    net = t.nn.Linear(4, 3)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    with t.profiler.profile(activities=[t.profiler.ProfilerActivity.CPU], **options) as found:
        work(t, net, optimizer)
    return found


@pytest.fixture(scope="module")
def both():
    options = dict(record_shapes=True, profile_memory=True, with_flops=True)
    return profiled(torch, **options), profiled(kuai, **options)


def test_events_have_pytorchs_names(both):
    theirs, ours = ({event.key: event.count for event in each.key_averages()} for each in both)
    names = {"model", "aten::linear", "aten::relu", "Optimizer.step#SGD.step", "AddmmBackward0"}
    assert names | {"autograd::engine::evaluate_function: ReluBackward0"} <= set(ours) & set(theirs)
    assert all(ours[name] == theirs[name] == 1 for name in names)
    inside = next(event for event in both[1].events() if event.name == "aten::relu")
    assert inside.cpu_parent.name == "model" and inside.input_shapes == [[2, 3]]
    assert not RUNNING and not walking.around_nodes


def test_times_add_up(both):
    averages = both[1].key_averages()
    assert averages.self_cpu_time_total == pytest.approx(
        sum(event.cpu_time_total for event in both[1].events() if event.cpu_parent is None)
    )
    total = averages.total_average()
    assert total.key == "Total" and total.count == len(both[1].events())
    linear = next(event for event in averages if event.key == "aten::linear")
    assert linear.flops == 2 * 2 * 4 * 3 and linear.self_cpu_memory_usage == 2 * 3 * 4


@pytest.mark.parametrize("options", [{}, dict(group_by_input_shape=True)], ids=str)
def test_tables_have_pytorchs_columns(both, options):
    heads = []
    for each in both:
        text = each.key_averages(**options).table(sort_by="cpu_time_total", row_limit=3)
        lines = text.splitlines()
        assert len(lines) == 8 and lines[0] == lines[2] == lines[6]
        assert lines[7].startswith("Self CPU time total: ")
        heads.append([part.strip() for part in lines[1].split("  ") if part.strip()])
    assert heads[0][:-1] == heads[1][:-1] and heads[1][-1].endswith("FLOPs")


def test_a_schedule(tmp_path):
    seen = []

    def ready(found):
        seen.append((found.step_num, [event.key for event in found.key_averages()]))

    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=1)
    with profile(schedule=plan, on_trace_ready=ready) as found:
        for _ in range(8):
            kuai.ones(1).sum()
            found.step()
    ((number, keys),) = seen
    assert number == 5 and keys == ["ProfilerStep#3", "aten::ones", "aten::sum", "ProfilerStep#4"]
    handler = tensorboard_trace_handler(str(tmp_path / "log"), worker_name="w", use_gzip=True)
    with profile(on_trace_ready=handler):
        kuai.ones(1)
    (file,) = (tmp_path / "log").glob("w.*.pt.trace.json.gz")
    assert json.loads(gzip.decompress(file.read_bytes()))["traceEvents"][0]["name"] == "aten::ones"


@pytest.mark.filterwarnings("ignore:Profiler won't be using warmup")
def test_the_plans_of_schedules_are_pytorchs():
    for options in (
        dict(wait=1, warmup=1, active=2, repeat=2, skip_first=3),
        dict(wait=2, warmup=0, active=1, skip_first=1, skip_first_wait=1),
        dict(wait=0, warmup=0, active=1),
    ):
        ours, theirs = (t.profiler.schedule(**options) for t in (kuai, torch))
        assert [ours(n).name for n in range(16)] == [theirs(n).name for n in range(16)]


def test_the_older_profile(tmp_path):
    with kuai.autograd.profiler.profile(use_cpu=True) as found, record_function("all"):
        kuai.ones(2).sum()
    assert found.function_events[0].name == "all" and found.self_cpu_time_total > 0
    found.export_chrome_trace(str(tmp_path / "trace.json"))
    assert len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"]) == 3
    with (
        kuai.autograd.profiler.profile(enabled=False) as none,
        kuai.autograd.profiler.emit_nvtx(enabled=False),
    ):
        assert none is None


def test_compiled_steps_go_on_while_they_are_profiled():
    net = kuai.nn.Linear(4, 3)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    step = kuai.compile(lambda: work(kuai, net, optimizer))
    with warnings.catch_warnings(), profile() as found:
        warnings.simplefilter("error")
        for _ in range(3):
            step()
    assert {event.key: event.count for event in found.key_averages()}["aten::linear"] == 3

"""Measurements and tables, beside PyTorch's."""

import re

import pytest
import torch.utils.benchmark as theirs
from torch.utils.benchmark.utils import common as their_common

import kuai.utils.benchmark as ours
from kuai.utils.benchmark.utils import common as our_common

TABLE = [
    (threads, sub, name, factor)
    for threads in (1, 4)
    for sub in ("a[1]", "a longer name")
    for name, factor in (("old", 1.0), ("new", 3.0), ("none", 40.0))
    if (threads, sub, name) != (4, "a[1]", "none")
]


def measured(benchmark, common):
    """Times that differ more and more."""
    found = []
    for threads, sub, name, factor in TABLE:
        task = common.TaskSpec(
            "f(x)", "pass", label="L", sub_label=sub, description=name, num_threads=threads
        )
        times = [factor * 1e-3 * (1 + 0.1 * i * factor) for i in range(5)]
        found.append(benchmark.Measurement(100, times, task))
    return found


def told(benchmark, common):
    found = measured(benchmark, common)
    table = benchmark.Compare(found)
    texts = [str(table)]
    for change in ("trim_significant_figures", "highlight_warnings", "colorize"):
        getattr(table, change)()
        texts.append(str(table))
    table.colorize(rowwise=True)
    task = common.TaskSpec("a\nb", "x = 1\ny = 2")
    shown = [*found[:4], benchmark.Measurement(1, [2.0], task)]
    texts += [str(table), *(re.sub(r"<.*Measurement.*>", "", repr(each)) for each in shown)]
    figures = [(m.significant_figures, m.has_warnings, m.title, m.as_row_name) for m in found]
    merged = [len(m.times) for m in benchmark.Measurement.merge(found + found)]
    return texts, figures, merged


def test_measurements_and_tables_are_pytorchs():
    assert told(ours, our_common) == told(theirs, their_common)


def test_a_statement_is_measured():
    timer = ours.Timer("y = x + 1", setup="x = torch.ones(3)", label="adding")
    assert timer.timeit(10).number_per_run == 10
    seen = []
    found = timer.blocked_autorange(lambda number, time: seen.append(time), min_run_time=0.002)
    assert found.raw_times == seen and found.median > 0 and found.label == "adding"
    assert timer.adaptive_autorange(max_run_time=0.01).raw_times


@pytest.mark.parametrize(
    "make",
    [
        lambda b: b.Timer(3),
        lambda b: b.Timer("x", language="foo"),
        lambda b: b.Timer("x", global_setup="y"),
        lambda b: b.Timer("x").repeat(),
        lambda b: b.Compare([1]),
    ],
)
def test_what_is_refused(make):
    with pytest.raises(Exception) as expected:
        make(theirs)
    with pytest.raises(type(expected.value), match=re.escape(str(expected.value))):
        make(ours)

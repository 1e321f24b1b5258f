"""Each story is the same in PyTorch and in eager Kuai, and the same compiled and fused."""

import importlib
import os
import pkgutil
import zlib

import pytest

from kuai.engine.compile import replays
from tests import stories
from tests.stories.storykit import STORIES, compare, transcript

for _module in pkgutil.iter_modules(stories.__path__):
    if not _module.name.startswith("test_"):
        importlib.import_module(f"{stories.__name__}.{_module.name}")


#: `make stories` takes all of them fused, a run of all tests a third.
ALL = os.environ.get("KUAI_STORIES") == "all"
FUSED = [name for name in STORIES if ALL or zlib.crc32(name.encode()) % 3 == 0]

#: Stories found when everything was right already: `make stories` takes all of them, a run of all
#: tests a sixth.
_SAMPLED = (
    "annealed_numbers", "arguments_and_functions_change", "classes_under_attack",
    "closures_and_numbers_change",
    "graphs_and_modes_around_steps", "hooks_and_modes_change",
    "networks_and_optimizers_under_attack", "numbers_and_results_of_proofs",
    "optimizers_and_hooks_change", "own_functions_under_attack", "parts_of_steps_under_attack",
    "provable_expressions", "provable_inner_functions", "provable_lookups",
    "provable_returns_and_calls", "provable_views_and_states",
    "python_around_steps", "python_changed_between_calls", "python_of_all_kinds_changes",
    "statements_under_attack", "states_changed_together", "uncommon_changes",
)  # fmt: skip


#: These take a minute each; `make stories` takes them.
_LONG = "long_scripts"


def _is_run(name: str) -> bool:
    if name.startswith(_LONG):
        return ALL
    return ALL or not name.startswith(_SAMPLED) or zlib.crc32(name.encode()) % 6 == 0


RUNS = [(mode, name) for mode in ("eager", "compiled") for name in STORIES if _is_run(name)]
RUNS += [("fused", name) for name in FUSED if _is_run(name)]

#: Stories whose calls are replayed as early as can be; with `make stories` all of them are.
_WRITTEN_TO_BE_REPLAYED = (
    "equal_and_not_the_same", "generators_in_steps", "global_names",
    "gradients_assigned", "kept_tensors", "kept_tuples", "kinds_of_configurations",
    "named_tuples_made_inside", "provable_expressions", "provable_functions",
    "provable_inner_functions", "provable_lookups",
    "provable_returns_and_calls", "provable_statements", "provable_views_and_states", "read_late",
    "replayed_steps", "schedules_in_replays", "sliced_results", "split_steps",
    "tables_and_shared_results",
    "usual_statements", "views_as_arguments",
)  # fmt: skip
AT_ONCE = {name for name in STORIES if ALL or zlib.crc32(name.encode()) % 3 == 1}


@pytest.mark.parametrize(("mode", "name"), RUNS)
def test_story(mode, name, monkeypatch):
    at_once = name in AT_ONCE or name.startswith(_WRITTEN_TO_BE_REPLAYED)
    monkeypatch.setattr(replays, "at_once", at_once)
    steps = transcript(name, mode)
    assert len(steps) >= 3, "a story calls what it is about at least three times"
    compare(name, steps, transcript(name, "torch"), values=not STORIES[name].draws)
    if mode != "eager":
        compare(name, steps, transcript(name, "eager"))
    if mode == "compiled":
        if not STORIES[name].recompiles:
            assert [step.programs for step in steps[2:] if step.programs] == []

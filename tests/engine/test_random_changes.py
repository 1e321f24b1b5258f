"""The property: whatever is changed between calls, a compiled step does what an eager one does."""

import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kuai
from kuai import nn
from kuai.engine.compile import replays
from kuai.engine.compile.compiler import Compiled
from kuai.engine.tensor.randomness import default_generator
from tests.engine.random_changes import CHANGES, ProvableWorld, SplitWorld, World


@pytest.fixture(autouse=True)
def no_hooks_are_left():
    """A change may register hooks of all modules, which other tests must not see."""
    yield
    nn.base.hooks.global_hooks.clear()


class Twins:
    """Two equal worlds, each with its own stream of random numbers."""

    def __init__(self, kind):
        self.worlds, self.random = [], []
        for compiled in (False, True):
            self.worlds.append(kind(compiled))
            self.random.append(default_generator.get_state())

    def do(self, action):
        """Do the same in both worlds; what came of it."""
        results = []
        for index, world in enumerate(self.worlds):
            default_generator.set_state(self.random[index])
            results.append(action(world))
            self.random[index] = default_generator.get_state()
        return results

    def replayed(self):
        """Whether some call was replayed, or the beginning of one."""
        compiled = self.worlds[1].compiled
        if not isinstance(compiled, Compiled):
            return False
        return bool(compiled.replays.calls or compiled.parts and compiled.parts.replays.calls)

    def reasons(self):
        """Why what was not replayed was not."""
        compiled = self.worlds[1].compiled
        if not isinstance(compiled, Compiled):
            return None
        return compiled.replays.reason, compiled.parts and compiled.parts.replays.reason

    def step(self, history):
        """A step in both worlds, after which everything is equal."""
        expected, found = self.do(lambda world: world.step())
        close(found, expected, f"loss after {history}")
        for (name, theirs), (_, ours) in zip(
            self.worlds[0].tensors(), self.worlds[1].tensors(), strict=True
        ):
            assert (theirs is None) == (ours is None), f"{name} after {history}"
            if theirs is not None:
                close(ours, theirs, f"{name} after {history}")
        np.testing.assert_array_equal(*[state.numpy() for state in self.random])


def close(found, expected, text):
    found, expected = found.detach().numpy(), expected.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4, err_msg=text)


#: Each change to a step that is replayed, and to one of those that are not, or not to its end.
OTHERS = (World, SplitWorld)
CASES = [(name, ProvableWorld) for name in CHANGES]
CASES += [(name, OTHERS[number % 2]) for number, name in enumerate(CHANGES)]
if "KUAI_CHANGES" in os.environ:
    CASES += [(name, OTHERS[1 - number % 2]) for number, name in enumerate(CHANGES)]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_change_is_seen(name, kind, monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)  # steps that can be replayed are, at once
    twins = Twins(kind)
    for again in range(3):
        twins.step(["nothing", again])
    assert twins.replayed() == (kind is not World), twins.reasons()
    for number in (3, 8):
        twins.do(lambda world, number=number: CHANGES[name](world, number))
        for again in range(4):
            twins.step([name, number, again])


@pytest.fixture
def double_precision():
    """Many changes one after the other may have a run diverge; in float64 that tells nothing."""
    kuai.set_default_dtype(kuai.float64)
    yield
    kuai.set_default_dtype(kuai.float32)


# KUAI_CHANGES=200 for a long run; a found failure is printed as a list of changes
@pytest.mark.usefixtures("double_precision")
@settings(max_examples=int(os.environ.get("KUAI_CHANGES", "4")), deadline=None, derandomize=True)
@given(
    st.sampled_from([World, ProvableWorld, SplitWorld]),
    st.lists(
        st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(1, 9)), min_size=2, max_size=8
    ),
)
def test_any_sequence_of_changes_is_seen(kind, changes):
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "at_once", True)
        warnings.filterwarnings("ignore", "train needed a new program", UserWarning)
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
        twins = Twins(kind)
        for index in range(len(changes)):
            name, number = changes[index]
            twins.do(lambda world, name=name, number=number: CHANGES[name](world, number))
            twins.step(changes[: index + 1])
            twins.step([*changes[: index + 1], "again"])

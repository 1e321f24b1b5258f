"""Results that take the place of an input: whoever knew the input keeps what it was."""

import pytest

import kuai


def _replayed(function, *arguments):
    """A compiled function that is replayed from now on."""
    compiled = kuai.compile(function)
    for _ in range(8):
        compiled(*arguments)
    assert "replayed" in str(compiled.explain())
    return compiled


@pytest.fixture
def state():
    return kuai.zeros(3)


@pytest.fixture
def double(state):
    def double(x):
        state.mul_(2).add_(x)
        return state.sum()

    return _replayed(double, kuai.ones(3))


def test_what_a_view_has_read_is_not_written(state, double):
    base = kuai.full((2, 3), 7.0)
    row = base[0]
    state.data = kuai.empty(3)
    state.copy_(row)  # the very array that the view has read
    for _ in range(8):
        double(kuai.ones(3))
    assert row.tolist() == [7, 7, 7] and base.tolist() == [[7, 7, 7]] * 2
    assert state.tolist() == [7 * 2**8 + 2**8 - 1] * 3


@pytest.mark.parametrize("keep", ["detach", "clone", "numpy", "tolist"])
def test_what_somebody_has_kept(state, double, keep):
    state.zero_()
    double(kuai.ones(3))
    kept = getattr(state, keep)()
    for _ in range(3):
        double(kuai.ones(3))
    kept = kept if keep == "tolist" else kept.tolist()
    shares = keep in ("detach", "numpy")
    assert kept == ([15, 15, 15] if shares else [1, 1, 1])


def test_after_an_error_all_is_as_it_was(state, double, monkeypatch):
    before = state.tolist()
    (program,) = double.programs
    function, replayed = program.function, double._replays.calls
    double(kuai.zeros(3))
    assert double._replays.calls == replayed + 1

    def fails(*arrays):
        raise MemoryError("no memory")

    monkeypatch.setattr(program, "function", fails)
    with pytest.raises(MemoryError):
        double(kuai.ones(3))
    monkeypatch.setattr(program, "function", function)
    assert state.tolist() == [2 * each for each in before]
    assert double(kuai.ones(3)).item() == 3 * (4 * before[0] + 1)
    assert state.tolist() == [4 * each + 1 for each in before]


def test_free_memory_is_found_by_shape_and_dtype():
    from kuai.engine.compile.free_memory import FreeMemory
    from kuai.engine.tensor.placeholder import Placeholder, array_type

    def made(*size):
        array = kuai.ones(size).__jax_array__()
        found = Placeholder(None, 0, array_type(array))
        found.array = array
        return found

    memory = FreeMemory()
    kinds = [made(2).type, made(3).type]
    memory.add(made(2))
    memory.add(held := made(3))
    taken = memory.take(kinds[1], kinds[1].sharding)
    assert taken is not held and taken.type is kinds[1]  # somebody holds it
    assert memory.take(kinds[0], kinds[0].sharding).array.tolist() == [1, 1]
    assert memory.take(kinds[0], kinds[0].sharding).array.tolist() == [0, 0]


def test_a_placeholder_that_nobody_else_knows_is_used_again(state, double):
    double(kuai.ones(3))
    numbers = set()
    for _ in range(3):
        double(kuai.ones(3))
        numbers.add(id(state._storage.held))
    assert len(numbers) == 1

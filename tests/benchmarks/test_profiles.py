"""What stands in the page of profiles."""

import pytest

from benchmarks.profiles import busy, operation_of, row

PATHS = {
    "jit(step)/Net/fc1(Linear)/jit(linear)/jvp()/dot_general": "linear",
    "jit(step)/Net/0(Conv2d)/backward/jit(conv2d_backward)/transpose(jvp())/sum": (
        "conv2d, backward"
    ),
    "jit(f.<locals>.step)/jit(_cross_entropy_op_backward)/transpose(jvp(jvp()))/add_any": (
        "cross_entropy, backward"
    ),
    "jit(step)/jit(sgd)/jit(update_one)/sub": "sgd",
    "jit(step)/kuai_keep": "other",
}


@pytest.mark.parametrize("path", PATHS)
def test_the_operation_in_a_path(path):
    assert operation_of(path) == PATHS[path]


def test_how_long_something_ran():
    assert busy([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    assert busy([]) == 0


def test_a_row_names_the_largest_shares():
    shares = dict(zip("abcdefgh", (0.4, 0.3, 0.1, 0.08, 0.05, 0.04, 0.02, 0.01), strict=True))
    found = {"ms": 1.234, "idle": 0.25, "operations": shares}
    assert row("mlp", found) == (
        "| MLP 20-256-10, batch 32 | 1.23 | 25% | "
        "a 40%, b 30%, c 10%, d 8%, e 5%, f 4%, others 3% |"
    )

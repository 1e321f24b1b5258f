"""An exception that leaves a network names the block, its path and what it was given."""

import pickle
import traceback

import pytest

import kuai
from kuai.nn.base.blame import describe_arguments


class Fails(kuai.nn.Module):
    """A block that always fails."""

    def extra_repr(self):
        return "always"

    def forward(self, *args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


class Outer(kuai.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.layers = kuai.nn.ModuleList([kuai.nn.Module(), inner])

    def forward(self, x):
        return self.layers[1](x)


def failure(block, *args, **kwargs):
    with pytest.raises(RuntimeError) as caught:
        block(*args, **kwargs)
    assert str(caught.value) == "mat1 and mat2 shapes cannot be multiplied"
    return caught.value


def test_alone():
    error = failure(Fails(), kuai.ones(2, 30))
    assert error.__notes__ == ["in Fails(always), given Tensor[2, 30] float32"]


def test_in_a_sequence():
    net = kuai.nn.Sequential(kuai.nn.Sequential(), Fails())
    error = failure(net, kuai.ones(2, 30))
    assert error.__notes__ == [
        "in block 1 (Fails) of Sequential: Fails(always), given Tensor[2, 30] float32"
    ]


def test_the_path_starts_at_the_outermost_module():
    error = failure(kuai.nn.Sequential(Outer(Fails())), kuai.ones(3, dtype=kuai.int64))
    assert error.__notes__ == [
        "in block 0.layers.1 (Fails) of Sequential: Fails(always), given Tensor[3] int64"
    ]


def test_it_ends_the_traceback():
    text = "".join(traceback.format_exception(failure(kuai.nn.Sequential(Fails()), 3)))
    assert text.endswith("multiplied\nin block 0 (Fails) of Sequential: Fails(always), given 3\n")


def test_notes_of_others_stay():
    class Noting(Outer):
        def forward(self, x):
            try:
                return super().forward(x)
            except RuntimeError as error:
                error.add_note("mine")
                raise

    notes = failure(Noting(Fails()), 1).__notes__
    assert notes == ["mine", "in block layers.1 (Fails) of Noting: Fails(always), given 1"]


def test_it_ends_the_traceback_of_a_compiled_network():
    net = kuai.nn.Sequential(kuai.nn.Linear(3, 2))
    net.compile()
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        net(kuai.ones(4, 5))
    assert caught.value.__notes__[-1] == (
        "in block 0 (Linear) of Sequential: "
        "Linear(in_features=3, out_features=2, bias=True), given Tensor[4, 5] float32"
    )


def test_a_block_that_is_no_registered_child():
    class Hiding(kuai.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [Fails()]

        def forward(self, x):
            return self.hidden[0](x)

    assert failure(Hiding(), 1).__notes__ == ["in Fails(always), given 1"]


def test_hooked_blocks_are_named_too():
    block = Fails()
    block.register_forward_hook(print)
    assert failure(block, 1).__notes__ == ["in Fails(always), given 1"]


def test_keys_need_not_be_strings():
    net = kuai.nn.Sequential()
    net._modules[7] = Fails()
    assert failure(net, 1).__notes__ == ["in block 7 (Fails) of Sequential: Fails(always), given 1"]


def test_a_block_that_cannot_be_printed():
    class Unprintable(Fails):
        def extra_repr(self):
            raise ValueError("no text")

    assert failure(Unprintable(), 1).__notes__ == ["in Unprintable(...), given 1"]


def test_large_blocks_are_not_printed_whole():
    block = Fails()
    block.child = kuai.nn.Module()
    assert failure(block).__notes__ == ["in Fails(...), given no arguments"]


def test_the_exception_can_be_pickled():
    error = failure(kuai.nn.Sequential(Fails()), 1)
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__


def test_arguments():
    tensors = (kuai.ones(2), [kuai.ones(1), None], "text", True)
    assert describe_arguments(tensors, {"scale": 2.5}) == (
        "Tensor[2] float32, [Tensor[1] float32, None], str, True, scale=2.5"
    )
    assert describe_arguments(tuple(range(10)), {}) == "0, 1, 2, 3, 4, 5, 6, 7, ..."
    assert describe_arguments((kuai.nn.Parameter(kuai.ones(2, 3)),), {}) == (
        "Parameter[2, 3] float32"
    )

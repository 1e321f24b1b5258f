"""An error's traceback ends at the user's line; what Kuai did not foresee keeps all frames."""

import pathlib
import pickle
import traceback

import pytest

import kuai
from kuai import nn
from kuai.engine.op import decorators
from kuai.nn import functional as F

OWN = str(pathlib.Path(kuai.__file__).parent)


@pytest.fixture(autouse=True)
def folded(monkeypatch):
    monkeypatch.delenv("KUAI_TRACEBACK", raising=False)


def frames(call):
    """The functions through which an error comes, outermost first; Kuai's are in brackets."""
    with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)) as caught:
        call()
    lines = traceback.extract_tb(caught.value.__traceback__)
    names = [f"[{f.name}]" if f.filename.startswith(OWN) else f.name for f in lines]
    return names[names.index("frames") + 1 :]


def users_line():
    return kuai.ones(2, 3) @ kuai.ones(2, 3)


LEAF = kuai.ones(2, requires_grad=True)
CALLS = {
    "operator": users_line,
    "function": lambda: kuai.matmul(kuai.ones(2, 3), kuai.ones(2, 3)),
    "method": lambda: kuai.ones(2, 3).view(7),
    "spelled": lambda: kuai.ones(2, 3).sum(axis=5),
    "functional": lambda: F.linear(kuai.ones(2), kuai.ones(3, 3)),
    "in place": lambda: kuai.ones(2).add_(kuai.ones(3)),
    "operator in place": lambda: kuai.ones(2).__iadd__(kuai.ones(3)),
    "unary": lambda: -kuai.tensor([True]),
    "index": lambda: kuai.ones(2)[5],
    "writing at an index": lambda: kuai.ones(2).__setitem__(5, 0),
    "wrong type": lambda: kuai.sum("nothing"),
    "maker": lambda: kuai.tensor([[1.0], [1.0, 2.0]]),
    "out": lambda: kuai.add(kuai.ones(2), kuai.ones(3), out=kuai.ones(2)),
    "recorded": lambda: LEAF.view(7),
    "block": lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))(kuai.ones(2, 3)),
    "backward": lambda: kuai.ones(2, requires_grad=True).backward(),
    "load": lambda: kuai.load(__file__),
    "save": lambda: kuai.save_file({"x": 3}, "x.safetensors"),
    "parameters": lambda: kuai.func.functional_call(nn.Linear(2, 2), {}, kuai.ones(2, 3)),
    "grad": lambda: kuai.autograd.grad(LEAF.sum(), [kuai.ones(2, requires_grad=True)]),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_users_line_comes_last(name):
    assert frames(CALLS[name]) == [CALLS[name].__name__]


def test_what_optimizers_call():
    twice = ["<lambda>", "users_line"]
    step = kuai.optim.SGD([LEAF.detach().requires_grad_()]).step
    assert frames(lambda: step(users_line)) == twice


def test_what_a_checkpoint_runs():
    again = kuai.utils.checkpoint.checkpoint
    assert frames(lambda: again(users_line, use_reentrant=False)) == ["<lambda>", "users_line"]


def test_under_autocast():
    with kuai.autocast("cpu", dtype=kuai.bfloat16):
        assert frames(users_line) == ["users_line"]


@pytest.mark.parametrize("transform", [kuai.vmap, kuai.func.grad, kuai.func.jacrev])
def test_under_a_transform(transform):
    twice = ["<lambda>"] * 2  # the call, and the function it is made of
    assert frames(lambda: transform(lambda x: x.view(7))(kuai.ones(2))) == twice


def test_inside_a_compiled_function():
    step = kuai.compile(users_line)
    assert frames(step)[-1] == "users_line"


class Own(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_the_users_own_frames_stay():
    net = nn.Sequential(nn.Identity(), Own(nn.Sequential(Own(nn.Linear(3, 3)))))
    assert frames(lambda: net(kuai.ones(2))) == ["<lambda>", "forward", "forward"]


def test_a_hooks_own_error_is_shown_where_it_is():
    def hook(module, args):
        raise ValueError("of the user's own")

    layer = nn.Linear(2, 2)
    layer.register_forward_pre_hook(hook)
    assert frames(lambda: layer(kuai.ones(2))) == ["<lambda>", "hook"]


def test_what_was_not_foreseen_keeps_its_frames(monkeypatch):
    layer, x = nn.Linear(2, 2), kuai.ones(1, 2)
    monkeypatch.setattr(decorators, "run", None)
    names = frames(lambda: layer(x))
    assert names[:2] == ["<lambda>", "[__call__]"] and names.count("[__call__]") == 2


def test_the_environment_keeps_all_frames(monkeypatch):
    monkeypatch.setenv("KUAI_TRACEBACK", "full")
    names = frames(users_line)
    assert names[:2] == ["users_line", "[called]"] and "[run]" in names


def test_a_folded_error_travels():
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(5, 2)(kuai.ones(2, 3))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is RuntimeError and str(copy) == str(caught.value)

"""What a recorded call does for each step: the functions in C do what those in Python do."""

import ast
import contextlib
import gc
import os
import pathlib
import threading
import weakref

import numpy as np
import pytest

import kuai
import kuai.nn.functional as F
from kuai import nn
from kuai.engine.compile import passes, program, record, recorder, recording
from kuai.engine.tensor.placeholder import Placeholder

_NAMES = {
    "follow": [record],
    "known_nodes": [passes],
    "own_arrays": [program],
    "placeholders": [record, passes],
    "still_held": [recorder],
}


def in_python():
    """The functions as they are where no compiler was there."""
    tree = ast.parse(pathlib.Path(recording.__file__).read_text())
    tree.body = [part for part in tree.body if not isinstance(part, ast.Try)]
    names: dict = {}
    exec(compile(tree, recording.__file__, "exec"), names)
    return names


@contextlib.contextmanager
def without_c(monkeypatch):
    """The engine as it is where no compiler was there."""
    names = in_python()
    with monkeypatch.context() as patch:
        for name, modules in _NAMES.items():
            for module in modules:
                patch.setattr(module, name, names[name])
        patch.setattr(recorder.Recorder, "run_again", staticmethod(names["run_again"]))
        yield


def test_they_are_in_c_where_that_is_required():
    if os.environ.get("KUAI_KERNELS") == "required":
        assert type(recording.run_again).__name__ == "builtin_function_or_method"


# Code, as generators of what it has seen ----------------------------------------------------------


def training(momentum=0.9):
    kuai.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
    x, labels = kuai.randn(5, 4), kuai.tensor([0, 1, 2, 1, 0])
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        yield loss.item()
    yield from [p.detach().clone() for p in net.parameters()]


def numbers():
    x = kuai.ones(3)
    for number in (2.0, 2.0, 3.0, 4.0, 0.0, -0.0, 0.0, 2, True, 1, 1.0, 2**70 * 1.0):
        yield 1 / (x * number), (x + number).dtype


def constants():
    x = kuai.arange(6.0).view(2, 3)
    for turn in range(6):
        first, second = kuai.split(x + turn, [1, 2], dim=1)
        yield first.sum(), second.amax(dim=turn % 2), (x > turn).sum(), x.argmax()


def hooks():
    w = kuai.ones(3, requires_grad=True)
    seen = []
    for turn in range(6):
        w.grad = None
        y = w * 2
        handle = w.register_hook(lambda grad: seen.append(grad) or grad * 3) if turn == 3 else None
        (y * y).sum().backward()
        if handle is not None:
            handle.remove()
        yield w.grad, len(seen)


def graphs():
    w = kuai.ones(2, requires_grad=True)
    for turn in range(6):
        y = (w * 3).detach() * w if turn % 2 else w * w
        z = (y + w.expand(2, 2)).sum()
        first, second = (
            z.grad_fn.name(),
            [node and node.name() for node, _ in y.grad_fn.next_functions],
        )
        yield first, second, kuai.autograd.grad(z, w, create_graph=True)[0].requires_grad


def modes():
    w = kuai.ones(2, requires_grad=True)
    for turn in range(6):
        with kuai.no_grad() if turn % 3 == 0 else contextlib.nullcontext():
            y = w * 2
        with kuai.inference_mode(turn % 2 == 0):
            z = w + 1
        yield y.requires_grad, z.requires_grad, z.is_inference(), y + z.detach()


def writing():
    x = kuai.zeros(2, 3)
    for turn in range(6):
        x[turn % 2] += turn
        row = x[0]
        row.mul_(2)
        yield x.clone(), row._version, x.sum().item() if turn == 2 else None


def sharing():
    net = nn.Linear(3, 3, bias=False)
    with kuai.no_grad():
        net.weight.copy_(kuai.eye(3))
    for turn in range(6):
        net.zero_grad()
        x = kuai.full((2, 3), float(turn))
        net(net(x)).sum().backward(retain_graph=turn == 4)
        yield net.weight.grad.clone()


def two_threads():
    w = kuai.ones(3, requires_grad=True)
    for turn in range(4):
        y, found = w * 2, []
        thread = threading.Thread(target=lambda y=y, found=found: found.append(y.tolist()))
        thread.start()
        z = (y + turn).sum()
        thread.join()
        yield found, z


CODE = [training, numbers, constants, hooks, graphs, modes, writing, sharing, two_threads]


def plain(thing):
    if isinstance(thing, kuai.Tensor):
        return str(thing.dtype), np.asarray(thing.detach()).tolist()
    if isinstance(thing, (list, tuple)):
        return [plain(part) for part in thing]
    return thing


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.__name__)
def test_code_sees_the_same(code, monkeypatch):
    def seen():
        return rounded(str([plain(seen) for seen in code()]))

    eagerly = seen()
    with kuai.fused():
        assert [seen(), seen()] == [eagerly] * 2
    with without_c(monkeypatch), kuai.fused():
        assert [seen(), seen()] == [eagerly] * 2


def rounded(text):
    """Its numbers to four digits: one program rounds otherwise than many."""
    parts = text.replace("[", "[ ").replace("]", " ]").replace("(", "( ").replace(")", " )")
    found = []
    for part in parts.replace(",", " ").split():
        try:
            found.append(f"{float(part):.3e}".replace("-0.000", "0.000"))
        except ValueError:
            found.append(part)
    return found


@pytest.mark.parametrize("code", [training, constants, sharing], ids=lambda code: code.__name__)
def test_a_known_way_is_walked_without_python(code, monkeypatch):
    slowly: list[bool] = []
    follow = record.follow

    def followed(self, call, arrays):
        step = follow(self, call, arrays)
        slowly.append(step is None)
        return step

    monkeypatch.setattr(record, "follow", followed)
    counts = []
    with kuai.fused():
        for _ in range(4):
            slowly.clear()
            for _ in code():
                pass
            kuai.ones(1).add(1).item()  # the record ends
            counts.append(sum(slowly))
    if os.environ.get("KUAI_KERNELS") == "required":
        assert counts[-1] <= 3, counts  # where a way parts from that of the last time


# One by one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ways", [vars(recording), in_python()], ids=["in use", "in Python"])
def test_what_is_held(ways):
    class Thing:
        pass

    kept, gone = Thing(), Thing()
    references = [weakref.ref(gone), weakref.ref(kept)]
    del gone
    gc.collect()
    assert ways["still_held"](references) == [kept]
    assert ways["still_held"]([]) == []


@pytest.mark.parametrize("ways", [vars(recording), in_python()], ids=["in use", "in Python"])
def test_whose_arrays_may_be_given_away(ways):
    def made(exposed=False):
        placeholder = Placeholder(None, 0, None)
        placeholder.array = np.zeros(2)
        placeholder.exposed = exposed
        return placeholder

    known = made()
    seen = made()
    array = seen.array
    inputs = [made(), known, seen, made(exposed=True), np.zeros(2)]
    found = ways["own_arrays"](inputs, (0, 1, 2, 3, 4))
    assert found[0] is inputs[0].array and found[1:] == [None] * 4
    assert array is not None and ways["own_arrays"](inputs, ()) == []


def test_what_is_no_record_is_refused():
    for name in ("follow", "known_nodes", "placeholders", "run_again", "still_held", "own_arrays"):
        function = getattr(recording, name)
        if type(function).__name__ == "builtin_function_or_method":
            with pytest.raises(TypeError):
                function(1)

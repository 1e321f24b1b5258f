"""Small programs around autograd beside PyTorch's: what they return, raise and warn of."""

import contextlib
import io
import pickle
import warnings

import pytest
import torch

import kuai


def _saved(t, call):
    """The shapes that are packed and unpacked, in order."""
    seen = []

    def note(tensor):
        seen.append(tuple(tensor.shape))
        return tensor

    with t.autograd.graph.saved_tensors_hooks(note, note):
        result = call(lambda *shape: t.ones(shape, requires_grad=True))
        result.sum().backward()
    return seen


def _function(t, value):
    class Square(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    return Square.apply(value)


def _saves_a_number(t):
    class Odd(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 3)
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    return Odd.apply(t.ones(2, requires_grad=True))


def _is_handle(t, handle):
    return isinstance(handle, t.utils.hooks.RemovableHandle)


def _hooks(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    return [
        _is_handle(t, x.register_hook(lambda g: g)),
        _is_handle(t, x.register_post_accumulate_grad_hook(lambda p: None)),
        _is_handle(t, y.grad_fn.register_hook(lambda *g: None)),
        _is_handle(t, t.autograd.graph.register_multi_grad_hook((x, y), lambda g: None)),
    ]


def _numpy_without_gradients(t):
    with t.no_grad():
        return t.ones(2, requires_grad=True).numpy().tolist()


def _broadcast(t):
    x = t.ones(3, requires_grad=True)
    (alone,), (same, other) = t.broadcast_tensors(x), t.broadcast_tensors(x, t.ones(2, 3))
    return alone is x, same is x, other.shape, t.distributions.Normal(x, t.ones(3)).loc is x


def _version_in_inference(t):
    with t.inference_mode():
        x = t.ones(2)
    return x._version


def _generator(t):
    generator = t.Generator()
    return generator.set_state(generator.get_state()) is generator


def _scaler(name):
    def call(t):
        scaler = t.amp.GradScaler("cpu")
        optimizer = t.optim.SGD([t.ones(2, requires_grad=True)], lr=0.1)
        return scaler.update() if name == "update" else getattr(scaler, name)(optimizer)

    return call


def _loaded(**options):
    def call(t):
        file = io.BytesIO()
        t.save({"a": t.ones(2)}, file)
        file.seek(0)
        return t.load(file, weights_only=False, **options)["a"].tolist()

    return call


def _from_capsule(t):
    return t.from_dlpack(t.utils.dlpack.to_dlpack(t.ones(2))).tolist()


def _hooked(t):
    x = t.ones(2, requires_grad=True)
    x.register_hook(len)
    return pickle.loads(pickle.dumps(x)).tolist()


def _unserializable_hook(t):
    @t.utils.hooks.unserializable_hook
    def hook(gradient):
        return gradient

    x = t.ones(2, requires_grad=True)
    x.register_hook(hook)
    return pickle.loads(pickle.dumps(x)).tolist()


PROGRAMS = {
    "product": lambda t: _saved(t, lambda new: new(2, 1) * new(3)),
    "quotient": lambda t: _saved(t, lambda new: new(2, 1) / new(3)),
    "matrices": lambda t: _saved(t, lambda new: new(2, 3) @ new(3, 4)),
    "a vector": lambda t: _saved(t, lambda new: new(2, 3) @ new(3)),
    "batches": lambda t: _saved(t, lambda new: t.bmm(new(1, 2, 3), new(1, 3, 4))),
    "atan2": lambda t: _saved(t, lambda new: t.atan2(new(2, 1), new(3))),
    "conv": lambda t: _saved(t, lambda new: t.nn.functional.conv1d(new(1, 1, 5), new(1, 1, 2))),
    "no tensor": lambda t: _function(t, 3),
    "saves a number": _saves_a_number,
    "handles": _hooks,
    "numpy": _numpy_without_gradients,
    "numpy with a gradient": lambda t: t.ones(2, requires_grad=True).numpy(),
    "broadcast_tensors": _broadcast,
    "_version": _version_in_inference,
    "set_state": _generator,
    "scaler.update": _scaler("update"),
    "scaler.step": _scaler("step"),
    "scaler.unscale_": _scaler("unscale_"),
    "capsule": _from_capsule,
    "load encoding": _loaded(encoding="latin1"),
    "load unknown": _loaded(unknown=1),
    "pickled hook": _hooked,
    "pickled marked hook": _unserializable_hook,
    "printed": lambda t: [repr(t.Stream("cpu")), repr(t.Event(enable_timing=True))],
    "printed generator": lambda t: repr(t.Generator())[:26],
    "lu without pivoting": lambda t: t.linalg.lu(t.eye(2), pivot=False),
}


def _outcome(t, program):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            result = program(t)
        except Exception as error:  # noqa: BLE001 (its type and text are compared)
            result = type(error).__name__, str(error)
    return result, [_told(warning) for warning in seen]


def _told(warning):
    return warning.category, str(warning.message).partition(" (Triggered internally")[0]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_pytorch(program):
    assert _outcome(kuai, program) == _outcome(torch, program)


OUTDATED = {
    "meshgrid": lambda t: [x.tolist() for x in t.meshgrid(t.ones(2), t.ones(1))],
    "range": lambda t: t.range(1, 3).tolist(),
    "tensor": lambda t: t.tensor(t.ones(2)).tolist(),
    "new_tensor": lambda t: t.ones(1).new_tensor(t.ones(2)).tolist(),
    "T": lambda t: t.ones(2).T.tolist(),
    "cross": lambda t: t.cross(t.eye(3), t.eye(3)).tolist(),
    "qr": lambda t: t.qr(t.eye(2)).R.shape,
    "cholesky": lambda t: t.cholesky(t.eye(2)).tolist(),
    "lu": lambda t: t.lu(t.eye(2))[1].tolist(),
    "out": lambda t: t.add(t.ones(3), 1, out=t.ones(2)).tolist(),
    "an empty out": lambda t: t.add(t.ones(3), 1, out=t.ones(0)).tolist(),
    "cpu.amp.autocast": lambda t: t.cpu.amp.autocast() and None,
    "cpu.amp.GradScaler": lambda t: t.cpu.amp.GradScaler() and None,
}


@pytest.mark.parametrize("program", OUTDATED.values(), ids=OUTDATED)
def test_outdated_functions_say_so(program):
    for t in (torch, kuai):
        t.set_warn_always(True)  # or each of them comes once in a process
    try:
        assert _outcome(kuai, program) == _outcome(torch, program)
    finally:
        for t in (torch, kuai):
            t.set_warn_always(False)


STEPS = {
    "gt_": lambda x: x.gt_(0),
    "ne_": lambda x: x.ne_(x),
    "less_equal_ of a part": lambda x: x[1:].less_equal_(0.5),
    "sign_": lambda x: x.sign_(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("way", ["eagerly", "compiled", "fused"])
def test_a_tensor_that_becomes_a_step_keeps_its_history(step, way):
    def gradient(t):
        x = t.tensor([0.5, -1.5, 2.0], requires_grad=True)
        y = x * 2
        step(y)
        return y, *t.autograd.grad((y * x).sum(), x)

    def ours():
        return gradient(kuai)

    wanted = gradient(torch)
    with kuai.fused() if way == "fused" else contextlib.nullcontext():
        call = kuai.compile(ours) if way == "compiled" else ours
        for _ in range(4):
            found = call()
            assert found[0].requires_grad
            assert [x.tolist() for x in found] == [x.tolist() for x in wanted]


def test_a_logical_operation_in_place_has_no_slope():
    x = kuai.tensor([0.5, 0.0], requires_grad=True)
    y = (x * 2).logical_not_()
    (y * 3).sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([0.0, 1.0], [0.0, 0.0])

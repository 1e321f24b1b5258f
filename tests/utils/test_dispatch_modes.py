"""Modes that are told of PyTorch's own operations: PyTorch prints the same."""

import pytest
import torch
import torch.utils._python_dispatch

import kuai
import kuai.library
import kuai.utils._python_dispatch
from kuai.utils.dlpack import from_dlpack, to_dlpack

PROGRAMS = (
    "1 - x; x / 2; x.add_(x, alpha=2); x ** 2; 2 ** x; x % 2; x // 2; ~(x > 0); x > x; -x",
    "x.sum(1); x.sum(dim=(0, 1), keepdim=True); x.mean(); x.max(1); t.max(x, x); x.var(1)",
    "x[0]; x[:, 1:3]; x[None]; x[..., 0]; x[::2]; x[x > 0]; x[0, 1]",
    "x.flatten(); x.reshape(4, 2); x.view(-1); x.T; x.permute(1, 0); x.expand(2, 2, 4)",
    "x.double(); x.float(); x.to(t.float64); x.t().contiguous(); x.clone(); x.detach()",
    "t.cat([x, x], 1); t.stack([x, x]); x.chunk(2, 1); x.unbind(0); x.masked_fill(x > 0, 1.0)",
    "F.linear(x, x); F.linear(x[None], x, x[:, 0].clone()); x @ x.t()",
    "x @ x[0]; t.bmm(x[None], x.t()[None])",
    "x.softmax(1); F.log_softmax(x, -1); F.relu(x, inplace=True)",
    "F.layer_norm(x, (4,)); F.gelu(x)",
    "F.cross_entropy(x, x[:, 0].long() // 4); F.mse_loss(x, x)",
    "F.dropout(x, 0.5, False); F.pad(x, (1, 1))",
    "F.conv2d(x[None, None], x[None, None]); F.max_pool2d(x[None], 2)",
    "F.embedding(x[0].long() // 4, x)",
    "t.zeros(2, 3); t.full((2,), 3.0); t.arange(1, 4); t.eye(2)",
    "x.norm(); x.abs().sqrt(); x.topk(2)",
)


def _told(t, program: str) -> list:
    """What a mode is told: operations, and the arguments with tensors as their shapes."""
    told: list = []

    def shape(each):
        return tuple(each.shape) if isinstance(each, t.Tensor) else str(each)

    class Listening(t.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            shapes = t.utils._pytree.tree_map(shape, args)
            told.append((str(func), func._schema.name, str(func.overloadpacket), shapes))
            return func(*args, **(kwargs or {}))

    x = t.arange(8.0).reshape(2, 4)
    with Listening():
        exec(program, {"t": t, "x": x, "F": t.nn.functional})
    return told


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_mode_is_told_what_pytorch_tells(program):
    assert _told(kuai, program) == _told(torch, program)


@pytest.mark.parametrize("t", (kuai, torch))
def test_a_modes_answer_is_the_result(t):
    class Adding(t.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is t.ops.aten.mul.Tensor:
                return t.ops.aten.add.Tensor(*args)
            return func(*args, **(kwargs or {}))

    x = t.full((2,), 3.0)
    with Adding():
        assert (x * x).tolist() == [6.0, 6.0]
        assert t.utils._python_dispatch._get_current_dispatch_mode() is not None
    assert (x * x).tolist() == [9.0, 9.0]
    assert t.utils._python_dispatch._get_current_dispatch_mode() is None


@pytest.mark.parametrize("t", (kuai, torch))
def test_an_operation_of_ones_own_is_told_with_its_schema(t):
    def double(x):
        return x * 2

    double.__annotations__ = {"x": t.Tensor, "return": t.Tensor}
    own = t.library.custom_op("dispatched::double", double, mutates_args=())
    assert str(t.ops.dispatched.double.default) == "dispatched.double.default"
    assert own._opoverload is t.ops.dispatched.double.default
    text = "dispatched::double(Tensor x) -> Tensor"
    assert str(t.ops.dispatched.double.default._schema) == text
    told: list = []

    class Listening(t.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            told.append(str(func))
            return func(*args, **(kwargs or {}))

    with Listening():
        doubled = own(t.ones(1))
    assert doubled.item() == 2.0
    assert told == ["aten.ones.default", "dispatched.double.default"]


@pytest.mark.parametrize("t", (kuai, torch))
def test_a_tensor_made_of_tensors_is_told_of_operations(t):
    tree_map, told = t.utils._pytree.tree_map, []

    class Wrapped(t.Tensor):
        __torch_function__ = t._C._disabled_torch_function_impl

        @staticmethod
        def __new__(cls, inner):
            return t.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

        def __init__(self, inner):
            self.held = inner

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            told.append((str(func), [each.__name__ for each in types]))
            args = tree_map(lambda each: getattr(each, "held", each), args)
            made = func(*args, **(kwargs or {}))
            return tree_map(lambda each: cls(each) if isinstance(each, t.Tensor) else each, made)

    x = Wrapped(t.arange(4.0).reshape(2, 2))
    y = t.nn.functional.linear(t.cat([x + 1, x]).softmax(-1), t.ones(3, 2))
    assert type(y) is Wrapped and y.shape == (4, 3) and y.held.sum().item() == pytest.approx(12.0)
    names = ["add.Tensor", "cat.default", "_softmax.default", "mm.default"]
    assert told == [(f"aten.{name}", ["Wrapped"]) for name in names]


OURS = kuai.utils._python_dispatch.TorchDispatchMode
BACKWARD = {
    "linear": lambda t, x: t.nn.functional.linear(x, x[:1], x[0, :1]).relu().sum(),
    "product": lambda t, x: (x @ t.ones(3, 2)).mean(),
    "batches": lambda t, x: (x.view(1, 2, 1, 3) @ x.view(1, 2, 3, 1)).sum(),
    "loss": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 2])),
    "activations": lambda t, x: t.nn.functional.gelu(x.sigmoid()).tanh().exp().sum(),
    "arithmetic": lambda t, x: ((x * 2 - x[0]) / x.pow(3)).sum(1).mean(),
    "attention of old": lambda t, x: (x.softmax(-1) * x.log_softmax(0)).neg().sum(),
    "convolution": lambda t, x: t.nn.functional.conv1d(x.view(1, 2, 3), t.ones(4, 2, 2)).sum(),
}
#: What PyTorch tells beside the steps: of gradients that are made, kept, added up, and of views.
BESIDE = {"ones_like", "detach", "new_empty_strided", "copy_", "add", "add_"}
BESIDE |= {"select_backward", "slice_backward", "zeros", "new_zeros"}


def told_of_backward(t, mode, program):
    """The operations that a mode is told of in a backward pass, and the gradient."""

    class Listening(mode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = str(func).split(".")
            if name[1] not in BESIDE:
                told.append(".".join(name[1:]))
            return func(*args, **(kwargs or {}))

    told = []
    x = (t.arange(6.0) / 3 + 0.5).view(2, 3).requires_grad_()
    loss = program(t, x)
    with Listening():
        loss.backward()
    return told, x.grad.flatten().tolist()


@pytest.mark.parametrize("program", BACKWARD.values(), ids=BACKWARD)
def test_a_backward_pass_is_told_as_there(program):
    from torch.utils._python_dispatch import TorchDispatchMode as Theirs

    told, gradient = told_of_backward(kuai, OURS, program)
    wanted, there = told_of_backward(torch, Theirs, program)
    assert told == wanted and gradient == pytest.approx(there, rel=1e-5, abs=1e-6)


def test_what_a_mode_answers_goes_down_the_tape():
    class Doubling(OURS):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            return made * 2 if str(func) == "aten.threshold_backward.default" else made

    x = kuai.tensor([1.0, -1.0], requires_grad=True)
    with Doubling():
        x.relu().sum().backward()
    assert x.grad.tolist() == [2.0, 0.0]
    y = kuai.tensor([3.0], requires_grad=True)
    with Doubling():  # a pass that is recorded itself is not told of
        (first,) = kuai.autograd.grad((y.relu() ** 3).sum(), y, create_graph=True)
    assert kuai.autograd.grad(first, y)[0].tolist() == [18.0]


def test_operations_that_are_counted_are_named_as_there():
    from torch.utils.flop_counter import FlopCounterMode as Theirs

    from kuai.utils.flop_counter import FlopCounterMode

    def counts(t, mode):
        own = {t.ops.aten.exp: lambda shape, out_shape=None: 7 * shape[0]}
        with mode(display=False, custom_mapping=own) as counter:
            t.nn.functional.linear(t.ones(2, 3), t.ones(4, 3), t.ones(4)).exp()
        return {str(name): n for name, n in counter.get_flop_counts()["Global"].items()}

    assert (
        counts(kuai, FlopCounterMode) == counts(torch, Theirs) == {"aten.addmm": 48, "aten.exp": 14}
    )


def test_a_capsule_comes_back():
    assert from_dlpack(to_dlpack(kuai.arange(3.0))).tolist() == [0.0, 1.0, 2.0]

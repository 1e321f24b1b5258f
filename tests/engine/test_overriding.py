"""`__torch_function__`: the same classes and modes in PyTorch and in Kuai."""

import pytest
import torch

import kuai
import kuai.overrides

LIBRARIES = pytest.mark.parametrize("t", [torch, kuai], ids=["torch", "kuai"])


def subclass_of(t):
    class Metres(t.Tensor):
        pass

    return Metres


@LIBRARIES
def test_results_have_the_subclass(t):
    metres = subclass_of(t)
    x = t.ones(2, 3).as_subclass(metres)
    made = [
        x + 1, 1 + x, x * x, -x, x == x, x.sum(), t.sin(x), t.cat([x, t.ones(2, 3)]), x[0],
        x.reshape(3, 2), x.T, t.nn.functional.relu(x), x.clone(), x.detach(), x.chunk(2)[0],
        x.max(dim=0).values, t.ones(3) + x, x.mean(dim=-1, keepdim=True), x @ t.ones(3, 2),
    ]  # fmt: skip
    assert [type(result) for result in made] == [metres] * len(made)
    assert type(x.tolist()) is list and type(x.shape) is t.Size


@LIBRARIES
def test_gradients_flow_through_a_subclass(t):
    leaf = t.tensor([1.0, 2.0], requires_grad=True)
    x = leaf.as_subclass(subclass_of(t))
    assert x.requires_grad and not x.is_leaf
    (x * x).sum().backward()
    assert leaf.grad.tolist() == [2.0, 4.0]


@LIBRARIES
def test_as_subclass_shares_the_storage(t):
    plain = t.zeros(2)
    x = plain.as_subclass(subclass_of(t))
    x.add_(1)
    assert plain.tolist() == [1.0, 1.0] and type(x) is not t.Tensor


@LIBRARIES
def test_parameters_do_not_override(t):
    p = t.nn.Parameter(t.ones(2))
    assert type(p * 2) is t.Tensor
    assert not t.overrides.has_torch_function((p,))


def counting(t):
    class Counting(t.Tensor):
        seen = []

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            cls.seen.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    return Counting


@LIBRARIES
def test_each_operation_asks_once(t):
    kind = counting(t)
    x = t.ones(2, 3).as_subclass(kind)
    kind.seen.clear()
    t.nn.functional.cross_entropy(x, t.tensor([0, 1]))
    x.add_(1)
    x.sum(dim=0)
    t.stack([x, x])
    assert kind.seen == ["cross_entropy", "add_", "sum", "stack"]


def foreign(t, answer=lambda func, args: (func.__name__, len(args))):
    class Foreign:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return answer(func, args)

    return Foreign()


@LIBRARIES
def test_foreign_types_are_asked(t):
    d, x = foreign(t), t.ones(2)
    calls = [
        t.add(d, 1), t.add(x, d), t.cat([x, d]), t.sum(d), t.nn.functional.linear(x, d),
        t.where(x > 0, d, x), t.matmul(d, x), t.nn.functional.softmax(d, dim=0),
    ]  # fmt: skip
    names = ["add", "add", "cat", "sum", "linear", "where", "matmul", "softmax"]
    assert [name for name, _ in calls] == names


@LIBRARIES
def test_who_has_no_answer_passes_it_on(t):
    d = foreign(t, lambda func, args: NotImplemented)
    with pytest.raises(TypeError, match="returned NotImplemented"):
        t.add(d, 1)


@LIBRARIES
def test_what_is_no_tensor_is_still_refused(t):
    with pytest.raises(TypeError):
        t.add(object(), t.ones(1))
    with pytest.raises(TypeError):
        t.ones(1) + object()


@LIBRARIES
def test_a_mode_sees_everything_inside(t):
    class Noting(t.overrides.TorchFunctionMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Noting() as outer, Noting() as inner:
        y = t.zeros(2)
        t.cos(y)
        t.nn.functional.relu(y)
    t.sin(y)
    assert inner.names[:2] == outer.names[:2] == ["zeros", "cos"]
    assert "relu" in inner.names and "sin" not in inner.names


@LIBRARIES
def test_a_mode_may_answer_itself(t):
    class Always(t.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return 7

    x = t.ones(1)
    with Always():
        assert t.sin(x) == 7
    assert t.sin(t.zeros(1)).item() == 0


def test_nothing_asks_when_no_class_overrides():
    before = list(kuai.engine.tensor.overriding.ACTIVE)
    with kuai._C.DisableTorchFunctionSubclass():
        x = kuai.ones(1).as_subclass(subclass_of(kuai))
        assert type(x + 1) is kuai.Tensor
    assert kuai.engine.tensor.overriding.ACTIVE[: len(before)] == before


@LIBRARIES
def test_a_function_of_a_users_own_can_be_overridden(t):
    d = foreign(t, lambda func, args: "asked")

    def double(x):
        if t.overrides.has_torch_function((x,)):
            return t.overrides.handle_torch_function(double, (x,), x)
        return x * 2

    assert double(d) == "asked" and double(t.ones(1)).item() == 2
    assert t.overrides.is_tensor_like(d) and not t.overrides.is_tensor_like(3)

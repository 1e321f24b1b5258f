"""Creation, conversion and the way out to Python, compared with torch."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kuai

SAME = {
    "tensors in a list": lambda t: t.tensor([t.tensor(1.0), 2]),
    "a NumPy scalar": lambda t: t.tensor(np.float32(2)),
    "NumPy scalars in a list": lambda t: t.tensor([np.float64(2)]),
    "mixed": lambda t: t.tensor([True, 2]),
    "empty": lambda t: (t.tensor([]), t.tensor([[]])),
    "arrays in a list": lambda t: t.tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])]),
    "arange": lambda t: (t.arange(0, 1, 0.1), t.arange(1, end=4), t.arange(start=1, end=4)),
    "linspace": lambda t: [t.linspace(a, b, 50).tolist() for a, b in ((0, 1), (-10, 10), (3, 3))],
    "typed": lambda t: (t.FloatTensor([1, 2]), isinstance(t.zeros(1), t.FloatTensor)),
    "Tensor": lambda t: (t.Tensor([1, 2]), t.Tensor(2, 3).shape),
    "bits": lambda t: (t.tensor([1.0]).view(t.int32), t.tensor([1.0]).view(t.uint8)),
    "pickle": lambda t: pickle.loads(pickle.dumps(t.ones(2, requires_grad=True))),
    "deepcopy": lambda t: copy.deepcopy(t.ones(2, requires_grad=True)),
    "format": lambda t: f"{t.tensor(3.14159):.2f}",
    "list of slices": lambda t: list(t.arange(4).view(2, 2)),
    "range": lambda t: list(range(t.tensor(3))),
    "NumPy function": lambda t: np.add(t.ones(2), 1),
    "contains": lambda t: (3 in t.tensor([3]), 4 in t.tensor([3])),
    "shape in place": lambda t: (t.zeros(1, 2).squeeze_(), t.zeros(2, 3).t_().shape),
    "resize_": lambda t: t.arange(6).view(2, 3).resize_(2, 2),
    "bfloat16": lambda t: t.ones(2, dtype=t.bfloat16).tolist(),
}
WRONG = {
    "ragged": lambda t: t.tensor([[1, 2], [3]]),
    "text": lambda t: t.tensor("a"),
    "None": lambda t: t.tensor(None),
    "sizes": lambda t: t.zeros(-1),
    "integers with gradients": lambda t: t.tensor([1], requires_grad=True),
    "arange": lambda t: t.arange(3, 0),
    "item": lambda t: t.zeros(2).item(),
    "truth": lambda t: bool(t.zeros(2)),
    "float": lambda t: float(t.zeros(2)),
    "index": lambda t: [1, 2][t.tensor(1.0)],
    "len": lambda t: len(t.tensor(1)),
    "iter": lambda t: list(t.tensor(1)),
    "numpy": lambda t: t.zeros(2, requires_grad=True).numpy(),
    "deepcopy of a result": lambda t: copy.deepcopy(t.ones(1, requires_grad=True) * 2),
    "copy_": lambda t: t.zeros(3).copy_(t.zeros(2)),
    "from_numpy": lambda t: t.from_numpy([1]),
    "randint": lambda t: t.randint(3, 3, (2,)),
    "bernoulli_": lambda t: t.zeros(2).bernoulli_(2.0),
    "multinomial": lambda t: t.multinomial(t.ones(2), 3),
    "view": lambda t: t.zeros(2, 3).view(4),
    "expand": lambda t: t.zeros(3, 1).expand(4),
    "cat": lambda t: t.cat([t.zeros(2, 3), t.zeros(3, 2)]),
    "stack": lambda t: t.stack([t.zeros(2), t.zeros(3)]),
    "permute": lambda t: t.zeros(2, 3).permute(0),
    "select": lambda t: t.zeros(3).select(0, 4),
    "narrow": lambda t: t.zeros(3).narrow(0, 2, 3),
    "split": lambda t: t.zeros(5).split([1, 2]),
    "unflatten": lambda t: t.zeros(6).unflatten(0, (4, 2)),
    "H": lambda t: t.zeros(3, 3, 3).H,
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.filterwarnings("ignore")  # torch warns of slow or old ways to the same result
def test_text_is_torchs(name):
    assert repr(SAME[name](kuai)) == repr(SAME[name](torch))


@pytest.mark.parametrize("name", WRONG)
def test_error_is_torchs(name):
    with pytest.raises(Exception) as expected:
        WRONG[name](torch)
    with pytest.raises(expected.type) as found:
        WRONG[name](kuai)
    assert str(found.value) == str(expected.value)


def test_grad_fn_names():
    views = {
        "SliceBackward0": lambda x: x[1:],
        "SelectBackward0": lambda x: x[:, 0],
        "UnsqueezeBackward0": lambda x: x[None],
        "AliasBackward0": lambda x: x[...],
        "IndexBackward0": lambda x: x[[0]],
        "PermuteBackward0": lambda x: x.T,
        "TBackward0": lambda x: x.t(),
        "ViewBackward0": lambda x: x.flatten(),
        "UnsafeViewBackward0": lambda x: x.t().reshape(-1),
        "SplitBackward0": lambda x: x.chunk(2)[0],
        "UnbindBackward0": lambda x: x.unbind()[0],
        "ToCopyBackward0": lambda x: x.double(),
    }
    for name, call in views.items():
        assert call(torch.ones(2, 3, requires_grad=True)).grad_fn.name() == name
        assert call(kuai.ones(2, 3, requires_grad=True)).grad_fn.name() == name


def test_dlpack_goes_both_ways():
    assert torch.from_dlpack(kuai.arange(3)).tolist() == [0, 1, 2]
    assert kuai.from_dlpack(torch.arange(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: torch.add(torch.ones(2), kuai.ones(2)), "PyTorch's own add: the two do not mix"),
        (lambda: torch.relu(kuai.ones(2)), "from_torch"),
        (lambda: kuai.add(kuai.ones(2), torch.ones(2)), "not PyTorch's own Tensor"),
        (lambda: kuai.nn.Linear(2, 1)(torch.ones(1, 2)), "kuai.from_torch makes"),
        (lambda: torch.ones(2) + kuai.ones(2), "does not mix"),
    ],
)
def test_where_the_two_meet_an_error_says_how_to_convert(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_random_numbers_have_the_right_distribution():
    kuai.manual_seed(0)
    x = kuai.empty(20000)
    assert abs(x.uniform_(2, 4).mean().item() - 3) < 0.02
    assert abs(x.normal_(1, 2).std().item() - 2) < 0.05
    assert abs(x.exponential_(4).mean().item() - 0.25) < 0.01
    assert abs(x.bernoulli_(0.3).mean().item() - 0.3) < 0.02
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.1
    assert sorted(kuai.randperm(9).tolist()) == list(range(9))
    assert set(x.random_(2, 5).tolist()) == {2, 3, 4}


def test_gradcheck_finds_a_wrong_gradient():
    class Wrong(kuai.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    x = kuai.ones(2, dtype=kuai.float64, requires_grad=True)
    with pytest.raises(kuai.autograd.GradcheckError, match="Jacobian mismatch for output 0"):
        kuai.autograd.gradcheck(Wrong.apply, x)
    assert not kuai.autograd.gradcheck(Wrong.apply, x, raise_exception=False)
    assert kuai.autograd.gradgradcheck(lambda v: v**3, x)


@pytest.mark.parametrize("t", [kuai, torch])
def test_floats_are_not_rounded_on_their_way_to_another_dtype(t):
    assert t.tensor([0.1, 1e-300], dtype=t.float64).tolist() == [0.1, 1e-300]
    assert t.tensor(0.1, dtype=t.float64).item() == 0.1
    assert t.tensor(16777217.0, dtype=t.int64).item() == 16777217
    assert t.tensor([0.1 + 0.2j], dtype=t.complex128).tolist() == [0.1 + 0.2j]
    assert t.tensor([1e300]).item() == float("inf")

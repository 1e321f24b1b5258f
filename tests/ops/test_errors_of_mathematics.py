"""Wrong arguments of the mathematical operations raise PyTorch's errors, word for word."""

import pytest
import torch

import kuai

CASES = """
t.ones(1, 3).expand(-7, 3)
t.broadcast_to(t.ones(3), (-7, 3))
t.gradient(t.ones(3, 3), spacing=[t.ones(())], dim=0)
t.cholesky_solve(t.ones(2, 1), t.eye(2).double())
t.linalg.qr(t.ones(3, 3), mode='x')
t.linalg.solve_ex(t.eye(5), t.ones(2, 1))
t.linalg.solve_ex(t.eye(5), t.tensor(1.0))
t.linalg.solve(t.eye(5), t.tensor(1.0))
t.nn.functional.hinge_embedding_loss(t.tensor([1, 2]), t.tensor([1, -1]))
t.triangular_solve(t.ones(2, 1), t.eye(2).double())
t.triangular_solve(t.ones(2), t.eye(2))
t.triangular_solve(t.ones(3, 1), t.eye(2))
t.tensor_split(t.ones(4), t.tensor([[1, 2]]))
t.histogram(t.ones(3), 0)
t.histogramdd(t.ones(3, 2), [0, 2])
t.histogramdd(t.tensor(1.0), [2])
t.addmv(t.ones(3).double(), t.ones(3, 2), t.ones(2))
t.addmv(t.ones(()), t.ones(3, 2), t.ones(()))
t.addmm(t.ones(3), t.ones(1, 3, 2), t.ones(2, 3))
t.addmm(t.ones(3), t.ones(3, 2), t.ones(2))
t.baddbmm(t.ones(1).double(), t.ones(1, 2, 2), t.ones(1, 2, 2))
t.addbmm(t.ones(1).double(), t.ones(1, 2, 2), t.ones(1, 2, 2))
t.addbmm(t.ones(1), t.ones(2, 2), t.ones(1, 2, 2))
t.nn.functional.cross_entropy(t.tensor(1.0), t.tensor(1.0))
t.nn.functional.group_norm(t.ones(2, 6), -3)
f + t.zeros(4)
t.maximum(f, t.zeros(4))
t.where(b, f, t.zeros(4))
t.addcmul(f, f, t.zeros(4))
f.add_(t.zeros(4, 2, 3))
i.add_(1.5)
i.div_(2)
b - b
b - 1
1 - b
-b
~f
f & 1
f | f
f ^ 1
f << 1
f >> i
abs(b)
t.add(i, 1, alpha=1.5)
t.add(i, i, alpha=True)
t.add(f, None)
t.add(f, 'a')
t.exp(1)
t.mm(f, 1)
t.matmul(f, 1)
t.maximum(f, 1)
t.div(i, i, rounding_mode='x')
i // 0
i % 0
t.fmod(i, 0)
b // b
b % b
i ** -1
t.pow(b, b)
t.sign(c)
t.ceil(b)
t.floor(c)
t.frac(i)
t.clamp(f)
t.clamp(c, 0, 1)
t.maximum(c, c)
c < c
t.hypot(i, i)
t.heaviside(f, i)
t.logaddexp(i, i)
t.lerp(f, f.double(), 0.5)
t.addcdiv(i, i, i)
t.isclose(f, f.double())
t.isposinf(c)
t.is_nonzero(f)
t.is_nonzero(t.zeros(0))
t.where(f, f, f)
i.mean()
b.mean()
f.mean(dtype=t.int64)
i.std()
i.norm()
f.sum(5)
f.sum((0, 0))
f.sum((0, -2))
f.mean((0, 7))
f.prod(3)
f.var(4)
f.norm(2, 4)
f.all(4)
f.cumsum(3)
f.logsumexp(3)
f.sum().sum(2)
f.median(4)
f.max(3)
t.zeros(0).max()
t.zeros(0, 3).max(0)
t.zeros(0, 3).amax(0)
t.zeros(0).argmax()
b.argmax()
i.nanmean()
i.quantile(0.5)
f.quantile(1.5)
f.sort(4)
f.topk(5)
f.topk(1, 5)
f.kthvalue(4)
t.bincount(f)
t.bincount(t.tensor([1, -2]))
t.histc(f, bins=0)
t.histc(i, bins=2)
f @ f
f @ f.T.double()
f @ t.tensor(1.0)
f @ t.zeros(4)
t.zeros(4) @ f
t.zeros(3) @ t.zeros(4)
t.zeros(3) @ t.zeros(3).double()
t.zeros(2, 3, 4) @ t.zeros(2, 3, 4)
t.zeros(2, 3, 4) @ t.zeros(5, 4, 4)
t.zeros(2, 3, 4) @ t.zeros(5, 6)
t.zeros(2, 3, 4) @ t.zeros(5)
t.zeros(5) @ t.zeros(2, 3, 4)
t.zeros(2, 20) @ t.zeros(30, 10)
b @ b.T
t.dot(f, f)
t.mm(f, t.zeros(3))
t.mm(t.zeros(2, 2, 2), f)
t.bmm(f, f)
t.bmm(t.zeros(2, 3, 4), t.zeros(3, 4, 5))
t.mv(f, t.zeros(4))
t.addmm(t.zeros(7), f, f.T)
t.addmm(f.double(), f, f.T)
t.outer(f, f)
t.inner(f, t.zeros(4))
t.einsum('ij,jk', f, f)
t.einsum('ij,jk->il', f, f.T)
t.einsum('ij', f, f)
t.einsum('ijk', f)
t.tensordot(f, f, dims=1)
t.tensordot(f, f, dims=-1)
t.cross(t.zeros(2, 2), t.zeros(2, 2))
t.linalg.cross(t.zeros(2, 2), t.zeros(2, 2))
t.det(f)
t.inverse(f)
t.trace(t.zeros(3))
t.cdist(f, t.zeros(2, 4))
t.linalg.matrix_power(f, 2)
t.linalg.matrix_norm(f, 'x')
t.linalg.matrix_norm(t.zeros(2))
t.linalg.norm(t.zeros(2, 2, 2), ord=2)
t.linalg.multi_dot([f])
t.linalg.multi_dot([f, f])
f + 'a'
f < 'a'
f @ 1
f ** 'a'
[1] + f
f + None
""".strip().splitlines()


def outcome(t, source):
    f, i, b = t.zeros(2, 3), t.zeros(2, 3, dtype=t.int64), t.zeros(2, 3, dtype=t.bool)
    names = {"t": t, "f": f, "i": i, "b": b, "c": t.zeros(2, 3, dtype=t.complex64)}
    with pytest.raises(Exception) as caught:
        eval(source, names)
    return type(caught.value).__name__, str(caught.value).strip()


@pytest.mark.parametrize("source", CASES)
def test_same_error(source):
    assert outcome(kuai, source) == outcome(torch, source)


@pytest.mark.parametrize(
    "name", ["eq", "add", "rsub", "matmul", "pow", "lt", "and", "iadd", "floordiv"]
)
def test_foreign_operands_are_left_to_the_other_side(name):
    method = f"__{name}__"
    for t in (torch, kuai):
        assert getattr(t.zeros(2), method)("text") is NotImplemented


def test_equality_with_foreign_values():
    x = kuai.zeros(2)
    assert (x == "a") is False
    assert (x != None) is True  # noqa: E711 - the operator is what is tested


def test_names_of_results():
    assert repr(kuai.tensor([1.0, 3.0]).max(0)) == repr(torch.tensor([1.0, 3.0]).max(0))
    values, indices = kuai.tensor([[1.0, 3.0]]).max(dim=1)
    assert (values.item(), indices.item()) == (3.0, 1)

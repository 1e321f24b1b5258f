"""`out=` of another dtype: refused, converted to, drawn in - as PyTorch does it."""

import pytest
import torch

import kuai

CALLS = {
    "logcumsumexp": lambda t, x, o: t.logcumsumexp(x, 0, out=o),
    "cummax": lambda t, x, o: t.cummax(x, 0, out=(o, t.empty(2, dtype=t.int64))),
    "cummin indices": lambda t, x, o: t.cummin(x, 0, out=(t.empty(2), o)),
    "mv": lambda t, x, o: t.mv(t.ones(2, 2), x, out=o),
    "dot": lambda t, x, o: t.dot(x, x, out=o.new_empty(())),
    "inner": lambda t, x, o: t.inner(x, x, out=o.new_empty(())),
    "tensordot": lambda t, x, o: t.tensordot(x, x, 1, out=o.new_empty(())),
    "zeros": lambda t, x, o: t.zeros(2, dtype=t.float32, out=o),
    "zeros of any": lambda t, x, o: t.zeros(2, out=o),
    "full": lambda t, x, o: t.full((2,), 1.0, dtype=t.float32, out=o),
    "arange": lambda t, x, o: t.arange(2, dtype=t.float32, out=o),
    "quantile": lambda t, x, o: t.quantile(x, 0.5, out=o.new_empty(())),
    "take": lambda t, x, o: t.take(x, t.tensor([0, 1]), out=o),
    "index_select": lambda t, x, o: t.index_select(x, 0, t.tensor([0, 1]), out=o),
    "masked_select": lambda t, x, o: t.masked_select(x, t.tensor([True, True]), out=o),
    "take_along_dim": lambda t, x, o: t.take_along_dim(x, t.tensor([0, 1]), 0, out=o),
    "cat": lambda t, x, o: t.cat([x[:1], x[:1]], out=o),
    "where": lambda t, x, o: t.where(x > 1, x, x, out=o),
    "median": lambda t, x, o: t.median(x[None], 0, out=(o, t.empty(2, dtype=t.int64))),
    "mode": lambda t, x, o: t.mode(x[None], 0, out=(o, t.empty(2, dtype=t.int64))),
    "kthvalue": lambda t, x, o: t.kthvalue(x[None], 1, 0, out=(t.empty(2), o)),
    "argmax": lambda t, x, o: t.argmax(x[None], 0, out=o),
    "sum": lambda t, x, o: t.sum(x[None], 0, out=o),
    "all": lambda t, x, o: t.all(x[None], 0, out=o),
    "softmax": lambda t, x, o: t.softmax(x, 0, out=o),
    "nonzero": lambda t, x, o: t.nonzero(x, out=o.new_empty(2, 1)),
    "tril": lambda t, x, o: t.tril(t.ones(2, 2), out=o.new_empty(2, 2)),
    "searchsorted": lambda t, x, o: t.searchsorted(x, x, out=o),
    "histc": lambda t, x, o: t.histc(x, 2, out=o),
    "clamp": lambda t, x, o: t.clamp(x, 0, 1, out=o),
    "isposinf": lambda t, x, o: t.isposinf(x, out=o),
    "nan_to_num": lambda t, x, o: t.nan_to_num(x, out=o),
    "heaviside": lambda t, x, o: t.heaviside(x, x, out=o),
    "isin": lambda t, x, o: t.isin(x, x, out=o),
    "vector_norm": lambda t, x, o: t.linalg.vector_norm(x[None], dim=0, out=o),
    "inv": lambda t, x, o: t.linalg.inv(t.eye(2), out=o.new_empty(2, 2)),
    "randperm": lambda t, x, o: t.randperm(2, out=o).sort()[0],
    "rand": lambda t, x, o: t.rand(2, out=o) * 0,
    "gelu": lambda t, x, o: (
        t._C._nn.gelu(x, out=o) if t is torch else t.nn.functional.gelu(x, out=o)
    ),
    "hardshrink": lambda t, x, o: t.hardshrink(x, out=o),
    "narrow_copy": lambda t, x, o: t.narrow_copy(x, 0, 0, 2, out=o),
    "permute_copy": lambda t, x, o: t.permute_copy(x, (0,), out=o),
    "qr": lambda t, x, o: t.linalg.qr(x[None], out=(o, t.empty(2, 2))),
    "slogdet": lambda t, x, o: t.linalg.slogdet(x[:1, None], out=(o, t.empty(1))),
    "matrix_norm": lambda t, x, o: t.linalg.matrix_norm(x[None], 1, out=o),
    "norm": lambda t, x, o: t.linalg.norm(x, out=o),
    "multi_dot": lambda t, x, o: t.linalg.multi_dot([x[None], x[:, None]], out=o),
    "vecdot": lambda t, x, o: t.linalg.vecdot(x, x, out=o),
    "frexp": lambda t, x, o: t.frexp(x, out=(o, t.empty(2, dtype=t.int32))),
    "fft": lambda t, x, o: t.fft.fft(x, out=o),
    "eigvals": lambda t, x, o: t.linalg.eigvals(t.eye(2), out=o),
    "cumsum": lambda t, x, o: t.cumsum(x, 0, out=o),
    "bernoulli": lambda t, x, o: t.bernoulli(x * 0, out=o),
}


def outcome(t, call, kind):
    """The error's type and first line, or dtype and values."""
    try:
        made = call(t, t.tensor([1.0, 2.0]), t.empty(2, dtype=getattr(t, kind)))
    except (RuntimeError, TypeError) as error:
        return type(error).__name__, str(error).partition("\n")[0]
    made = made[0] if isinstance(made, tuple) else made
    return str(made.dtype), made.tolist()


@pytest.mark.parametrize("kind", ["float64", "int32"])
@pytest.mark.parametrize("name", CALLS)
def test_out_of_another_dtype(name, kind):
    theirs, ours = (outcome(t, CALLS[name], kind) for t in (torch, kuai))
    if ours[0] == theirs[0] == "RuntimeError" and "while checking" in theirs[1]:
        assert ours[1].partition(" (while")[0] == theirs[1].partition(" (while")[0]
    else:
        assert ours == theirs


WHOLE = {
    "normalize": lambda t, x: t.nn.functional.normalize(x),
    "cosine_similarity": lambda t, x: t.cosine_similarity(x, x),
    "cdist": lambda t, x: t.cdist(x, x),
    "dist": lambda t, x: t.dist(x, x),
    "view_as_complex": lambda t, x: t.view_as_complex(x),
    "exponential_": lambda t, x: x.clone().exponential_(),
    "cauchy_": lambda t, x: x.clone().cauchy_(),
    "log_normal_": lambda t, x: x.clone().log_normal_(),
    "string": lambda t, x: x["a"],
    "strings": lambda t, x: x[["a"]],
    "hypot": lambda t, x: t.hypot(x * 1j, x * 1j),
    "bool": lambda t, x: t.nn.functional.triplet_margin_loss(x > 1, x > 1, x > 1),
    "grad": lambda t, x: setattr(t.ones(2, 2, requires_grad=True), "grad", x),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", WHOLE)
def test_numbers_that_are_refused(name):
    found = []
    for t in (torch, kuai):
        with pytest.raises((RuntimeError, TypeError)) as caught:
            WHOLE[name](t, t.tensor([[1, 2], [3, 4]]))
        found.append((caught.type, str(caught.value)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "equation",
    ["ij->ii", "ij,jk->i->j", "i1->i", "ii", "i.j->i", "....ij->i", "i-j", "ij", "ij,jk->k->"],
)
def test_einsum_refuses(equation):
    found = []
    for t in (torch, kuai):
        operands = [t.ones(2, 3), t.ones(3, 4)][: 1 + equation.count(",")]
        try:
            found.append(t.einsum(equation, *operands).tolist())
        except RuntimeError as error:
            found.append(str(error))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64"])
def test_the_smallest_with_nan_beside_them(kind):
    values = [3.0, float("nan"), 1.0, float("inf"), -float("inf"), -2.0]
    theirs, ours = (
        t.tensor(values, dtype=getattr(t, kind)).topk(6, largest=False) for t in (torch, kuai)
    )
    assert ours.indices.tolist() == theirs.indices.tolist()


@pytest.mark.parametrize("size", [(7, 3), (3, 7), (8, 2), (3, 3), (3, 3, 3)])
def test_fill_diagonal_wraps_in_tall_matrices(size):
    theirs, ours = (t.zeros(size).fill_diagonal_(1, wrap=True) for t in (torch, kuai))
    assert ours.tolist() == theirs.tolist()


def test_an_output_of_another_size_is_resized_with_a_warning_unless_it_is_empty():
    with pytest.warns(UserWarning, match=r"since it had shape \[2\], .* output shape \[3\]"):
        kuai.mul(kuai.ones(3), 2, out=(found := kuai.empty(2)))
    assert found.tolist() == [2.0, 2.0, 2.0]
    kuai.mul(kuai.ones(3), 2, out=(found := kuai.empty(0)))
    assert found.tolist() == [2.0, 2.0, 2.0]

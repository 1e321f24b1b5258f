"""Which dtypes functions of matrices and norms take, and in which words the others are refused."""

import itertools

import pytest
import torch

import kuai

DTYPES = ("int64", "bool", "float16", "bfloat16")

OF_ONE = (
    "inverse linalg.inv linalg.det linalg.slogdet logdet linalg.eigh linalg.eigvalsh linalg.eig "
    "linalg.eigvals linalg.svd linalg.svdvals linalg.qr linalg.cholesky linalg.cholesky_ex "
    "cholesky cholesky_inverse linalg.cond linalg.matrix_rank linalg.pinv linalg.lu "
    "linalg.lu_factor linalg.ldl_factor geqrf linalg.matrix_norm"
).split()

OF_TWO = (
    "linalg.solve linalg.solve_ex linalg.lstsq cholesky_solve triangular_solve linalg.vecdot"
).split()

CALLS = """
t.linalg.solve(f, f.double())
t.linalg.solve_ex(f, f.double())
t.linalg.lstsq(f, f.double())
t.linalg.lu_solve(f, t.ones(3, dtype=t.int32), f.double())
t.linalg.lu_solve(f.half(), t.ones(3, dtype=t.int32), f.half())
t.linalg.vecdot(f, f.double())
t.linalg.matrix_rank(f.long(), tol=0.5)
t.linalg.matrix_rank(f.long(), atol=0.5, rtol=0.1)
t.linalg.matrix_rank(f.long(), hermitian=True)
t.linalg.householder_product(f.half(), f[0].half())
t.ormqr(f, f, f)
t.ormqr(f, f[0].double(), f)
t.ormqr(f, f[0], f.double())
t.ormqr(f.long(), f[0].long(), f.long())
t.linalg.cross(f.bool(), f.bool())
t.cdist(f, f, compute_mode='x')
t.nn.functional.pdist(f.long())
""".strip().splitlines()


def found(t, name, *arguments):
    function = t
    for part in name.split("."):
        function = getattr(function, part)
    try:
        result = function(*arguments)
    except (RuntimeError, NotImplementedError) as error:
        return type(error).__name__, str(error).strip()
    results = result if isinstance(result, tuple) else (result,)
    return [str(part.dtype) for part in results]


def square(t, dtype):
    return t.tensor([[2, 1, 0], [1, 3, 1], [0, 1, 4]]).to(getattr(t, dtype))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OF_ONE + OF_TWO)
def test_the_same_dtypes_are_refused_in_the_same_words(name):
    count = 2 if name in OF_TWO else 1
    for dtype in DTYPES:
        ours, theirs = (found(t, name, *[square(t, dtype)] * count) for t in (kuai, torch))
        assert ours == theirs, dtype


@pytest.mark.parametrize("source", CALLS)
def test_the_same_is_refused(source):
    def outcome(t):
        with pytest.raises(Exception) as caught:
            eval(source, {"t": t, "f": square(t, "float32")})
        return type(caught.value).__name__, str(caught.value).strip()

    assert outcome(kuai) == outcome(torch)


@pytest.mark.parametrize("name", ["vector_norm", "matrix_norm", "norm"])
def test_a_norm_is_asked_for_in_a_dtype_that_loses_nothing(name):
    kinds = "float16 float32 float64 complex64 int64".split()
    for given, wanted in itertools.product(kinds, kinds):
        outcomes = []
        for t in (kuai, torch):
            try:
                result = getattr(t.linalg, name)(square(t, given), dtype=getattr(t, wanted))
                outcomes.append((str(result.dtype), round(result.item(), 3)))
            except RuntimeError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], (given, wanted)


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize(
    ("of_matrix", "of_side"),
    [("float32", "float64"), ("float64", "float32"), ("complex64", "float32")]
    + [("float32", "complex64"), ("float32", "int64")],
)
def test_a_triangular_system_is_solved_in_the_dtype_of_its_matrix(of_matrix, of_side):
    def solve(A, B):
        return kuai.linalg.solve_triangular(A, B, upper=True)

    wanted = torch.linalg.solve_triangular(
        square(torch, of_matrix), square(torch, of_side), upper=True
    )
    for call in (solve, kuai.compile(solve)):
        X = call(square(kuai, of_matrix), square(kuai, of_side))
        assert str(X.dtype) == str(wanted.dtype)
        torch.testing.assert_close(torch.tensor(X.tolist(), dtype=wanted.dtype), wanted)

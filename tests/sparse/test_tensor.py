"""What a sparse tensor is, and that nothing is computed with it that has not been thought of."""

import pytest
import torch

import kuai
from kuai.engine.tensor import Tensor
from kuai.sparse.tensor import ANSWERS

pytestmark = pytest.mark.filterwarnings("ignore")


def made(t=kuai):
    return t.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))


#: Methods and attributes of every object, and what a sparse tensor has of its own.
OWN = set(vars(object)) | {name for kind in type(made()).__mro__[:-3] for name in vars(kind)}
OWN |= {"__array_wrap__", "_make_subclass", "_make_wrapper_subclass", "_follows_base"}
OWN |= {"_is_any_true", "dequantize", "is_distributed", "_is_zerotensor", "__torch_function__"}
OWN |= {"__abs__", "__neg__", "__pos__", "__init_subclass__"}
DONE = set(ANSWERS["coo"])


def test_what_is_not_done_is_refused():
    others = (Tensor, kuai.ones(2, 3), 2, 0)
    for name in dir(Tensor):
        operator = name.strip("_").removeprefix("r").removeprefix("i")
        is_done = name in OWN or name in DONE or operator in DONE | {"rsub", "truediv", "floordiv"}
        if is_done or not callable(getattr(Tensor, name, None)):
            continue
        for given in ((), (made(),), *[(each,) for each in others]):
            try:
                found = getattr(made(), name)(*given)
            except Exception:  # noqa: BLE001 (which one is another test's question)
                continue
            assert found is NotImplemented or name in SAID, name


#: What is the same for any tensor: aliases of what is done, and Python's own protocols.
SAID = {"__contains__", "__eq__", "__ne__", "nelement", "ndimension", "is_nonzero"}


def test_it_is_a_tensor():
    x = made()
    assert isinstance(x, kuai.Tensor) and kuai.is_tensor(x)
    assert isinstance(x, kuai.sparse.FloatTensor) and not isinstance(x, kuai.sparse.LongTensor)
    assert (x.is_sparse, x.is_sparse_csr, x.layout) == (True, False, kuai.sparse_coo)
    csr = x.to_sparse_csr()
    assert (csr.is_sparse, csr.is_sparse_csr, csr.layout) == (False, True, kuai.sparse_csr)
    assert csr.t().layout == kuai.sparse_csc
    assert kuai.ones(2).layout == kuai.strided


def test_refusals_say_what_to_do():
    with pytest.raises(NotImplementedError, match=r"'aten::exp' .*'SparseCPU'.*x\.to_dense\(\)"):
        made().exp()
    with pytest.raises(NotImplementedError, match=r"layout torch\.sparse_coo.*x\.to_dense\(\)"):
        kuai.nn.Conv1d(3, 1, 1)(made())
    with pytest.raises(NotImplementedError, match="'SparseCsrCPU'"):
        made().to_sparse_csr().exp()
    for name in ("register_hook", "backward"):
        with pytest.raises(NotImplementedError, match=f"aten::{name}"):
            getattr(made(), name)(None)


def test_indices_that_are_known_to_be_outside_are_refused():
    with pytest.raises(RuntimeError, match="for dim 0, size is 1 but found index 1"):
        kuai.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (1,))
    with pytest.raises(RuntimeError, match="found negative index -1 for dim 0"):
        kuai.sparse_coo_tensor([[-1]], [1.0], (1,))
    with pytest.raises(RuntimeError, match=r"`crow_indices\[\.\.\., -1\] == nnz`"):
        kuai.sparse_csr_tensor([0, 2], [0], [1.0], (1, 2))
    assert kuai.sparse_coo_tensor([[3]], [1.0], (1,), check_invariants=False)._nnz() == 1
    with kuai.sparse.check_sparse_tensor_invariants(), pytest.raises(RuntimeError, match="cannot"):
        kuai.sparse_coo_tensor([[1, 0]], [1.0, 2.0], (2,), is_coalesced=True)
    assert not kuai.sparse.check_sparse_tensor_invariants.is_enabled()


def test_changes_in_place():
    for t in (torch, kuai):
        x = made(t)
        x.mul_(2)
        assert x.to_dense().tolist() == [[0, 0, 6], [8, 0, 10]]
        x += x
        x.copy_(x / 4)
        assert x.to_dense().tolist() == [[0, 0, 3], [4, 0, 5]]
        dense = t.ones(2, 3)
        dense += x
        dense.sub_(x).mul_(x)
        assert dense.tolist() == [[0, 0, 3], [4, 0, 5]]
        x.zero_()
        assert x._nnz() == 0
    x.requires_grad_()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.mul_(2)


def test_recorded_programs_compute_with_sparse_tensors():
    def row_sums(x):
        return kuai.sparse.sum(x, 1).to_dense()[:, None]

    step = kuai.compile(lambda x, dense: (x * 2) @ dense + row_sums(x))
    dense = kuai.arange(6.0).reshape(3, 2)
    for factor in (1.0, 2.0, 3.0):
        x = made() * factor
        expected = made(torch) * factor
        wanted = (expected * 2) @ torch.arange(6.0).reshape(3, 2)
        wanted = wanted + torch.sparse.sum(expected, 1).to_dense()[:, None]
        assert step(x, dense).tolist() == wanted.tolist()


def test_half_precision_is_summed_in_float32():
    count = 10_000
    indices = kuai.stack([kuai.zeros(count).long(), kuai.arange(count)])
    x = kuai.sparse_coo_tensor(indices, kuai.full((count,), 0.1, dtype=kuai.bfloat16), (1, count))
    ones = kuai.ones(count, 1, dtype=kuai.bfloat16)
    for found in ((x @ ones).item(), (x.to_sparse_csr() @ ones).item(), x.sum().item()):
        assert found == pytest.approx(1000, rel=0.01)
    doubled = kuai.sparse_coo_tensor(indices * 0, x._values(), (1, 1)).coalesce()
    assert doubled.values().item() == pytest.approx(1000, rel=0.01)


def test_autocast_casts_the_elements():
    with kuai.autocast("cpu", dtype=kuai.bfloat16):
        assert (made() @ kuai.ones(3, 2)).dtype is kuai.bfloat16

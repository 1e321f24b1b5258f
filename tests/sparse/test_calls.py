"""Calls on sparse tensors beside PyTorch's: what is printed of the result, or the error.

One line is one call; `a` and `a2` are matrices of coordinates that are not coalesced, `h` has a
dense dimension, `s3` is a batch, `c` is a in compressed rows, `d` is dense, `i` and `v` are what
`a` is made of.
"""

import pytest
import torch

import kuai

CALLS = """
a.indices()
a.values()
a._indices()
a._values()
a._nnz()
a.relu()
t.softmax(a, 0)
a.view(3, 2)
a.reshape(6)
a[0]
a[0, 2]
a[0:1]
a.numpy()
a.tolist()
a.item()
t.exp(a)
a+1
a+d
d+a
d-a
a-d
a*d
d*a
a*a
a/2
2/a
a/a
a/d
a//2
a%2
a>1
a==a
a!=a
a.sum()
a.sum(0)
a.sum(1)
a.sum((0, 1))
a.sum(0, keepdim=True)
a.mean()
a.max()
t.cos(a)
a.sin()
a.abs()
a.pow(2)
a**2
a.pow(0)
a**-1
t.sqrt(a)
a.storage()
a.data_ptr()
a.stride()
a.is_contiguous()
a.contiguous()
len(a)
list(a)
bool(a)
a.expand(2, 3)
a.permute(1, 0)
a.unsqueeze(0)
a.unsqueeze(2)
a.squeeze()
t.cat([a, a])
t.cat([a, a], 1)
t.stack([a, a])
t.cat([a, d])
t.cat([h, h * 2], 2)
t.cat([h, h.double()], -1).to_dense()
t.hstack([a, a])
t.vstack([a, a])
h.narrow_copy(0, 0, 1)
h.narrow_copy(1, 1, 2)
h.narrow_copy(2, 1, 1)
h.narrow_copy(0, 1, 5)
h.narrow_copy(-1, 0, 1)
t.nn.functional.dropout(a, 0.0)
t.nn.functional.dropout(a, 0.5, training=False)
t.nn.functional.dropout(a, 0.5)
a.index_select(0, t.tensor([1]))
a.index_select(1, t.tensor([2, 2, 0]))
a.narrow(0, 0, 1)
a.select(0, 1)
a.flatten()
a.T
a.mT
a.H
a@a
a@a.t()
a@v
v[:2]@a
t.ones(4, 2)@a
t.where(a, a, a)
t.nn.functional.linear(t.ones(4, 3), a)
t.nn.functional.linear(a, t.ones(4, 3))
t.nn.functional.linear(a, t.ones(4, 3), t.ones(4))
t.nn.functional.dropout(a, 0.5)
t.nn.functional.relu(a)
a.norm()
t.norm(a)
a.clone()
t.zeros_like(a)
t.ones_like(a)
a.new_zeros(2)
a.new_tensor([1.])
a.is_same_size(a)
t.equal(a, a)
t.allclose(a, a)
a.isnan()
a.nonzero()
a.any()
a.numel()
a.nbytes
a.element_size()
a.data
a.grad
a.to('cpu')
a.to(t.float64)
a.to_dense(t.float64)
t.eye(3).to_sparse(1)
t.eye(3).to_sparse(5)
t.eye(3).to_sparse(0)
t.eye(3).to_sparse().to_sparse()
t.tensor(3.).to_sparse()
a.apply_(lambda x:x)
a.__array__()
t.isnan(a)
a.neg()
-a
a-1
a-a
1-a
a*t.tensor(2.)
a*t.tensor([2.])
a.add(a, alpha=2)
a.sub(a, alpha=2)
a.sign()
a.half()
a.long()
a.bool()
a.cumsum(0)
a.chunk(2)
t.mv(a, v)
t.dot(a, a)
t.einsum('ij, jk->ik', a, t.ones(3, 2))
t.bmm(s3, t.ones(2, 3, 2))
t.matmul(s3, t.ones(2, 3, 2))
t.bmm(t.ones(2, 2, 2), s3)
a.sparse_mask(a.coalesce())
d.sparse_mask(a.coalesce())
d.sparse_mask(a)
a.sparse_mask(d)
a.clone().zero_()
a.clone().fill_(1)
a.clone().normal_()
a.clone().mul_(2)
a.clone().add_(a)
a.clone().div_(2)
a.clone().copy_(a*2)
a.clone().copy_(d)
d.clone().copy_(a)
d.clone().add_(a)
d.clone().mul_(a)
t.sparse.mm(a, t.ones(3, 2))
t.sparse.mm(a, a.t())
t.sparse.mm(t.ones(2, 2), a)
t.sparse.mm(a, d)
t.mm(a, d)
t.mm(a, t.ones(3, 2))
t.spmm(a, t.ones(3, 2))
t.hspmm(a, t.ones(3, 2))
t.smm(a, t.ones(3, 2))
t.sspaddmm(a, a2, t.ones(2, 3))
t.sparse.addmm(t.ones(2, 2), a, t.ones(3, 2))
t.sparse.addmm(t.ones(2, 2), a, t.ones(3, 2), beta=2, alpha=3)
t.addmm(t.ones(2, 2), a, t.ones(3, 2))
t.addmm(t.ones(2, 2), a, t.ones(3, 2), alpha=.5)
t.sparse.sum(a)
t.sparse.sum(a, 0)
t.sparse.sum(a, 1)
t.sparse.sum(a, (0, 1))
t.sparse.sum(h, 2)
t.sparse.sum(h, 0)
t.sparse.sum(h, (0, 2))
t.sparse.sum(a, 0, dtype=t.float64)
t.sparse.softmax(a, 1)
t.sparse.softmax(a, 0)
t.sparse.log_softmax(a, 1)
t.sparse.log_softmax(a, 1, dtype=t.float64)
t.sparse.softmax(h, 2)
t.sparse.softmax(h, 1)
t.sparse.spdiags(t.arange(9.).reshape(3, 3), t.tensor([0, -1, 2]), (3, 4))
t.sparse.spdiags(t.arange(9.).reshape(3, 3), t.tensor([0, -1, 2]), (3, 4), t.sparse_csr)
h
h.to_dense()
h.sparse_dim()
h.dense_dim()
h*2
h.coalesce()
h.sum(0)
h.t()
h.transpose(0, 1)
h.transpose(1, 2)
c
c.crow_indices()
c.col_indices()
c.values()
c.to_dense()
c@t.ones(3, 2)
c@v
c.t()
c.to_sparse()
c.to_sparse_coo()
c*2
c.indices()
c._nnz()
c.is_sparse
c.is_sparse_csr
c.sum()
c+c
c.coalesce()
c.to(t.float64)
c.clone()
c.detach()
c.requires_grad
t.sparse.mm(c, t.ones(3, 2))
t.sparse.sampled_addmm(c, t.ones(2, 4), t.ones(4, 3))
t.addmm(t.ones(2, 2), c, t.ones(3, 2))
a.to_sparse_csr()
a.to_sparse(layout=t.sparse_csr)
d.to_sparse_csr()
t.relu(c)
c.abs()
c.relu()
c.sin()
c.sparse_dim()
c.dense_dim()
t.zeros(2, 3, layout=t.sparse_coo)
t.zeros((2, 3), layout=t.sparse_csr)
t.empty(2, 3, layout=t.sparse_coo)
t.ones(2, 3, layout=t.sparse_coo)
t.sparse_coo_tensor((2, 3))
t.sparse_coo_tensor(i, v)
t.sparse_coo_tensor(i, v, (2, 3, 4))
t.sparse_coo_tensor(i, v[:2], (2, 3))
t.sparse_coo_tensor(i.float(), v, (2, 3))
t.sparse_coo_tensor(i[0], v)
t.sparse_coo_tensor([[0, 1], [1, 0]], [1, 2])
t.sparse_coo_tensor([[0, 1], [1, 0]], [1., 2.], [3, 3], dtype=t.float64)
t.sparse_coo_tensor(i, v, (2, 3), is_coalesced=True).is_coalesced()
t.sparse_coo_tensor(i, v, (2, 3), is_coalesced=True, check_invariants=True)
t.sparse_coo_tensor(i, v, (2, 3), check_invariants=True)
t.sparse_coo_tensor(i, 3., (2, 3))
t.sparse_coo_tensor(i, t.tensor([1, 2, 3]), (2, 3))
t.sparse.FloatTensor(i, v, t.Size([2, 3]))
t.sparse.FloatTensor(i, v)
t.sparse.LongTensor(i, v.long(), (2, 3))
t.sparse.DoubleTensor(i, v.double(), (2, 3))
t.sparse.FloatTensor(2, 3)
t.sparse.FloatTensor()
t.sparse.FloatTensor(i, v.double(), (2, 3))
t.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [1., 2, 3])
t.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [1., 2, 3], (2, 3))
t.sparse_csr_tensor([0, 1, 3], [2, 0, 5], [1., 2, 3], (2, 3), check_invariants=True)
t.sparse_csr_tensor([0, 1, 4], [2, 0, 2], [1., 2, 3], (2, 3), check_invariants=True)
t.sparse_csr_tensor([0, 1, 3], [2, 2, 0], [1., 2, 3], (2, 3), check_invariants=True)
isinstance(a, t.Tensor)
a.is_sparse
a.is_leaf
a.requires_grad
a.device
a.is_cuda
a.size()
a.size(0)
a.shape
a.dim()
a.ndim
a.dtype
a.is_floating_point()
t.is_tensor(a)
a.type()
a.get_device()
a.is_complex()
t.isfinite(a)
t.add(d, a, alpha=2)
t.mul(a, a.coalesce())
a.logical_not()
t.log1p(a)
t.tanh(a)
t.ceil(a)
t.floor(a)
t.round(a)
t.expm1(a / 2)
t.square(a)
t.rsqrt(a)
t.sigmoid(a)
t.clamp(a, min=0)
a.coalesce().values().mul_(2)
t.diag(a)
a.trace()
a.min()
t.topk(a, 1)
a.is_coalesced()
a.coalesce().is_coalesced()
a.coalesce().indices()
t.sparse.sum(a.long())
a.to_sparse()
a.to_sparse(1)
d.to_sparse()
d.to_sparse(1)
a.resize_as_sparse_(a)
a.clone().sparse_resize_((3, 4), 2, 0)
a.is_pinned()
a.cpu()
a.float()
a.double()
a.type(t.float64)
a.type('torch.DoubleTensor')
a.int()
a.bfloat16()
a.reshape(2, 3)
a.view_as(a)
a.dense_dim()
a.sparse_dim()
a.is_nonzero()
a.unbind()
a.split(1)
t.outer(v, v)+a
a.index_add(0, t.tensor([0]), d)
a.div(2)
a.div(2, rounding_mode='floor')
a.mul(2)
a.true_divide(2)
a.log()
a.softmax(1)
a.clone().coalesce()
a.addmm(a, a)
t.mm(d.t(), a)
t.mm(a, a)
t.mm(d.t(), a2)
d.t()@a2
t.matmul(a, t.ones(2, 3, 2))
a.matmul(t.ones(3))
a.mm(t.ones(3, 2))
a.smm(t.ones(3, 2))
t.sparse.mm(a, t.ones(2, 2))
t.mm(a, t.ones(2, 2))
t.mv(a, t.ones(2))
a.t_()
a.new(i, v, (2, 3))
a.new(2, 3)
t.full_like(a, 1)
t.zeros_like(a, layout=t.strided)
a.name
a.itemsize
a.real
a.conj()
a.resolve_conj().shape
a.data.is_sparse
"""


def tensors(t):
    i, v = t.tensor([[0, 1, 1], [2, 0, 2]]), t.tensor([3.0, 4.0, 5.0])
    a = t.sparse_coo_tensor(i, v, (2, 3))
    a2 = t.sparse_coo_tensor(i[:, [0, 0, 1]].clamp(max=1), v, (2, 2))
    h = t.sparse_coo_tensor(i[:, [0, 1, 1]], t.arange(6.0).reshape(3, 2), (2, 3, 2))
    made = dict(t=t, i=i, v=v, a=a, a2=a2, h=h, s3=t.stack([a, a]), c=a.to_sparse_csr())
    return {**made, "d": t.arange(6.0).reshape(2, 3) - 2}


def said(t, call):
    """What is printed; of an error the first line, and of what is not done only that it is not."""
    try:
        return repr(eval(call, tensors(t)))
    except Exception as error:  # noqa: BLE001 (any may be raised, and is compared)
        text = str(error).partition("\n")[0]
        if text.startswith("Could not run"):
            text = text.partition(" with arguments from the ")[2].partition(" backend")[0]
        return type(error).__name__, text


@pytest.mark.filterwarnings("ignore")  # PyTorch says that its sparse tensors are young
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_call(call):
    assert said(kuai, call) == said(torch, call)

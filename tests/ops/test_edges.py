"""Empty batches, 0-d tensors and numbers at the limits, torch beside Kuai.

`test_every_operation` walks all operations that take one tensor through empty, 0-d and size-1
inputs: a sample of them, or with `KUAI_EDGES=all` every one.
"""

import os

import numpy as np
import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

import kuai
from tests.rowkit import is_tensor, leaves, to_numpy

NAN, INF = float("nan"), float("inf")


def _outcome(t, call):
    t.manual_seed(0)
    try:
        return list(leaves(call(t, t.nn.functional)))
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        return error


def _assert_alike(ours, theirs):
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert type(ours).__name__ == type(theirs).__name__, (ours, theirs)
        return
    for found, wanted in zip(ours, theirs, strict=True):
        if not is_tensor(wanted):
            assert str(found) == str(wanted)
            continue
        assert tuple(found.shape) == tuple(wanted.shape)
        assert str(found.dtype) == str(wanted.dtype)
        np.testing.assert_allclose(to_numpy(found), to_numpy(wanted), rtol=1e-4, atol=1e-5)


# Layers and functions -----------------------------------------------------------------------------


def _statistics(name, *shape):
    def call(t, F):
        layer = getattr(t.nn, name)(3, track_running_stats=True, affine=True)
        x = t.zeros(*shape, requires_grad=True)
        output = layer(x)
        output.sum().backward()
        return output, layer.running_mean, layer.running_var, layer.num_batches_tracked, x.grad

    return call


def _least_squares(rows, columns, driver, rank=None):
    def call(t, F):
        rng = np.random.default_rng(0)
        A, B = rng.standard_normal((rows, columns)), rng.standard_normal((rows, 2))
        A = np.ones((rows, columns)) if rank == 1 else A
        return tuple(t.linalg.lstsq(t.tensor(A), t.tensor(B), driver=driver))

    return call


def _added(name, *shapes, **keywords):
    def call(t, F):
        first, *others = (t.ones(*shape) for shape in shapes)
        lost = (first * NAN).requires_grad_(True)
        output = getattr(t, name)(lost, *others, **keywords)
        output.sum().backward()
        return output, lost.grad

    return call


def _cast(name, *numbers):
    return lambda t, F: t.tensor(numbers).to(getattr(t, name))


CALLS = {
    **{
        f"{name} {shape}": _statistics(name, *shape)
        for name, *shapes in (
            ("BatchNorm1d", (0, 3), (0, 3, 4), (2, 3, 0)),
            (
                "BatchNorm2d",
                (0, 3, 4, 4),
            ),
            ("InstanceNorm1d", (2, 3, 0)),
        )
        for shape in shapes
    },
    **{
        f"GroupNorm {shape}": lambda t, F, s=shape: t.nn.GroupNorm(2, 4)(t.zeros(*s))
        for shape in ((0, 4), (0, 4, 2), (2, 4, 0))
    },
    "pixel_shuffle": lambda t, F: F.pixel_shuffle(t.ones(1, 4, 0, 2), 2),
    "pixel_shuffle channels": lambda t, F: F.pixel_shuffle(t.ones(1, 0, 2, 2), 2),
    "pad circular": lambda t, F: F.pad(t.ones(0, 2, 4), (1, 1), mode="circular"),
    "pad replicate": lambda t, F: F.pad(t.ones(1, 2, 0), (1, 1), mode="replicate"),
    "pad reflect": lambda t, F: F.pad(t.ones(1, 0, 4), (1, 1), mode="reflect"),
    "normalize": lambda t, F: F.normalize(t.tensor(2.0), dim=0),
    "cosine_similarity": lambda t, F: F.cosine_similarity(t.tensor(2.0), t.tensor(3.0), dim=0),
    "pairwise_distance": lambda t, F: F.pairwise_distance(t.tensor(1.0), t.tensor(2.0)),
    "MultiheadAttention": lambda t, F: t.nn.MultiheadAttention(2, 1)(*[t.ones(3, 0, 2)] * 3)[1],
    "unfold": lambda t, F: (t.tensor(1.0).unfold(0, 1, 1), t.tensor(1.0).unfold(0, 0, 1)),
    "nonzero": lambda t, F: (t.tensor(1.0).nonzero(), t.tensor(0.0).argwhere()),
    "where": lambda t, F: (t.where(t.tensor(1.0)), t.where(t.tensor(0.0))),
    "vecdot": lambda t, F: t.linalg.vecdot(t.tensor(2.0), t.tensor(3.0)),
    "cat": lambda t, F: t.cat(t.ones(2)),
    "unique_consecutive": lambda t, F: t.unique_consecutive(t.ones(0)),
    "combinations": lambda t, F: t.combinations(t.ones(3), 0),
    "searchsorted": lambda t, F: (
        t.searchsorted(t.ones(2, 0), t.ones(2, 3)),
        t.searchsorted(t.ones(0, 3), t.ones(0, 2)),
        t.searchsorted(t.ones(0), t.ones(3)),
    ),
    "bucketize": lambda t, F: t.bucketize(t.ones(3), t.ones(2, 3)),
    "quantile": lambda t, F: t.tensor(1.0).quantile(0.5, 0),
    "quantile empty": lambda t, F: t.ones(0).quantile(0.5),
    "mode": lambda t, F: t.ones(0).mode(),
    "median": lambda t, F: t.ones(0).median(0),
    "kthvalue": lambda t, F: t.ones(0).kthvalue(1),
    "roll": lambda t, F: t.tensor(1.0).roll(1, 0),
    "block_diag": lambda t, F: t.block_diag(t.ones(1, 2, 3)),
    "matrix_rank": lambda t, F: t.linalg.matrix_rank(t.ones(0, 0)),
    "det": lambda t, F: t.linalg.det(t.ones(0, 0)),
    "cross_entropy": lambda t, F: F.cross_entropy(t.ones(0, 3), t.ones(0, 3)),
    "lstsq empty": lambda t, F: t.linalg.lstsq(t.ones(0, 2), t.ones(0, 1)).solution,
    **{
        f"lstsq {driver} {shape}": _least_squares(*shape, driver)
        for driver in ("gels", "gelsy", "gelsd", "gelss", None)
        for shape in ((3, 2), (2, 3))
    },
    "lstsq rank": _least_squares(3, 2, "gelsd", rank=1),
    "addmm": _added("addmm", (2, 2), (2, 2), (2, 2), beta=0),
    "addmm alpha": lambda t, F: t.addmm(t.ones(2, 2), t.full((2, 2), NAN), t.ones(2, 2), alpha=0),
    "addmv": _added("addmv", (2,), (2, 2), (2,), beta=0),
    "addr": _added("addr", (2, 2), (2,), (2,), beta=0),
    "baddbmm": _added("baddbmm", (1, 2, 2), (1, 2, 2), (1, 2, 2), beta=0),
    "addbmm": _added("addbmm", (2, 2), (1, 2, 2), (1, 2, 2), beta=0),
    "pow": lambda t, F: (
        t.tensor([2, 3, 1, -1, -1, 0]) ** t.tensor([-1, -2, -3, -3, -2, -1]),
        2 ** t.tensor([-1, 0, 3]),
        t.tensor([2, 3], dtype=t.int32) ** t.tensor([40, -7], dtype=t.int32),
    ),
    "tensordot": lambda t, F: (
        t.tensordot(t.ones(2, 1), t.ones(3, 2), dims=([1], [0])),
        t.tensordot(t.ones(2, 3, 4), t.ones(1, 4, 5), dims=([1, 2], [0, 1])),
    ),
    **{
        f"float to {name}": _cast(
            name, -1.0, -1.5, 255.0, 3.7, 256.0, 300.0, -300.0, 70000.0, -129.0
        )
        for name in ("uint8", "int8", "int16", "int32", "int64", "bool")
    },
    **{
        f"nan to {name}": _cast(name, NAN, INF, -INF, 1e20)
        for name in ("uint8", "int8", "int16", "int32", "int64")
    },
    "half to uint8": lambda t, F: t.tensor([-1.0, 300.0]).half().to(t.uint8),
    "float into uint8": lambda t, F: t.zeros(2, dtype=t.uint8).copy_(t.tensor([-1.0, 300.0])),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls(call):
    _assert_alike(_outcome(kuai, call), _outcome(torch, call))


# All operations -----------------------------------------------------------------------------------

SHAPES = [(), (0,), (1,), (0, 3), (1, 1), (2, 0, 3)]
RANDOM = {"empty_like", "rand_like", "randn_like", "randint_like", "bernoulli", "poisson"}
#: Where PyTorch's answer is not one to have, or takes deprecated arguments; with the reason.
LEFT_OUT = {
    "norm": "PyTorch's error names an attribute of a list",
    "histc": "two results that PyTorch's named tuple hides",
    "sgn": "PyTorch's gradient is a tensor that NumPy cannot read",
}
NAMES = sorted(
    {o.name for o in op_db if hasattr(kuai, o.name) and hasattr(torch, o.name)}
    - RANDOM
    - LEFT_OUT.keys()
)
CHOSEN = NAMES if os.environ.get("KUAI_EDGES") == "all" else NAMES[::12]


def _with_gradient(name, shape, *arguments):
    numbers = np.abs(np.random.default_rng(0).standard_normal(shape)).astype("float32") / 2 + 0.2

    def call(t, F):
        x = t.tensor(numbers).requires_grad_(True)
        output = getattr(t, name)(x, *arguments)
        found = [leaf for leaf in leaves(output) if is_tensor(leaf)]
        real = [y for y in found if y.requires_grad and not y.is_complex()]
        if not real:
            return output
        sum(y.sum() for y in real).backward()
        return output, x.grad

    return call


@pytest.mark.parametrize("name", CHOSEN)
def test_every_operation(name):
    for shape in SHAPES:
        for arguments in ((), (0,)):
            call = _with_gradient(name, shape, *arguments)
            ours, theirs = _outcome(kuai, call), _outcome(torch, call)
            if isinstance(theirs, TypeError):  # not a way to call it
                continue
            _assert_alike(ours, theirs)

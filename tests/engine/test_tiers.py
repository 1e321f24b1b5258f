"""What is used once is interpreted, what comes again and again is compiled."""

import collections
import gc
import os
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine.autograd.residuals import Residuals
from kuai.engine.tiers import store
from kuai.engine.tiers.tiered import Tiered
from kuai.nn import functional as F
from tests.compilations import compilations
from tests.test_rows import ROWS, differentiable, has_gradient, set_up, weighted_sum

#: All rows take minutes; `KUAI_ALL_ROWS=1` drives them all through both tiers.
SAMPLE = [(row, dtype) for row in ROWS for dtype in row.dtypes]
if os.environ.get("KUAI_ALL_ROWS") != "1":
    SAMPLE = SAMPLE[::150]

TOLERANCES = {"float64": 1e-9, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


@pytest.fixture
def both(monkeypatch):
    """Has every interpreted call run compiled, too, and compares; counts the calls."""
    interpret, calls = Tiered._interpret, []

    def compared(self, slot, values):
        made = interpret(self, slot, values)
        expected = self.compiled(values, slot.jitted)
        for one, other in zip(results(made), results(expected), strict=True):
            assert_equal(one, other, self.function.__name__)
        calls.append(self.function.__name__)
        return made

    monkeypatch.setattr(Tiered, "_interpret", compared)
    return calls


def results(made):
    """The results of a call; residuals are nobody's business."""
    leaves = jax.tree.leaves(made, is_leaf=lambda each: isinstance(each, Residuals))
    return [leaf for leaf in leaves if not isinstance(leaf, Residuals)]


def assert_equal(ours, compiled, name):
    kinds = [(each.dtype, each.shape, each.weak_type) for each in (ours, compiled)]
    assert kinds[0] == kinds[1], name
    ours, compiled = np.asarray(ours), np.asarray(compiled)
    if ours.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, compiled, name)
        return
    tolerance = TOLERANCES[ours.dtype.name]
    ours, compiled = ours.astype(float), compiled.astype(float)
    largest = max(1.0, np.abs(compiled[np.isfinite(compiled)]).max(initial=0))
    np.testing.assert_allclose(ours, compiled, tolerance, tolerance * largest, err_msg=name)


@pytest.mark.parametrize(("row", "dtype"), SAMPLE, ids=[f"{r.name}-{d}" for r, d in SAMPLE])
def test_rows_are_the_same_in_both_tiers(both, row, dtype):
    """Forward and backward; what is compiled at once is no business of this test."""
    setup = set_up(kuai, row, dtype, requires_grad=has_gradient(row, dtype))
    if has_gradient(row, dtype):
        outputs = differentiable(setup)
        if outputs:
            weighted_sum(kuai, outputs).backward()
    else:
        setup.outputs()


# no subnormal numbers: XLA takes them for zero, the interpreter and PyTorch do not
EDGES = [float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 1.5, -2.5, 0.5, 1e30, 3e9]
UNARY = (
    "sign round floor ceil trunc exp log log1p expm1 sqrt rsqrt tanh sigmoid erf relu abs neg "
    "square isnan isfinite int long char byte bool double"
).split()


@pytest.mark.parametrize("name", UNARY)
def test_edges_of_floats(both, name):
    x = kuai.tensor(EDGES)
    getattr(x, name)()
    getattr(x.double(), name)()
    assert both


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_signs_of_extreme_zeros(both, kind):
    x = kuai.tensor([0.0, -0.0, 0.0, -0.0, 1.0], dtype=getattr(kuai, kind))
    y = kuai.tensor([-0.0, 0.0, 0.0, -0.0, -0.0], dtype=getattr(kuai, kind))
    larger, smaller = kuai.maximum(x, y), kuai.minimum(x, y)
    assert both
    assert larger.signbit().tolist() == [False, False, False, True, False]
    assert smaller.signbit().tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64"])
def test_edges_of_integers(both, kind):
    info = np.iinfo(kind)
    x = kuai.tensor([info.min, info.max, 0, 1, 7, info.max - 1], dtype=getattr(kuai, kind))
    y = kuai.tensor([info.max, info.max, 3, 2, 2, 5], dtype=getattr(kuai, kind))
    for made in (x + y, x * y, x - y, x // y, x % y, kuai.fmod(x, y), x & y, x << 3, x >> 1, -x):
        assert made.dtype == x.dtype
    assert x.sum().dtype == kuai.int64 and both


@pytest.mark.parametrize("name", ["sort", "argsort", "argmax", "max", "topk", "cummax", "cumsum"])
def test_ties_and_nan_in_order(both, name):
    x = kuai.tensor([[1.0, 3.0, 3.0, -0.0, 0.0], [2.0, float("nan"), 1.0, float("nan"), 2.0]])
    getattr(x, name)(*{"topk": (3,), "cummax": (1,), "cumsum": (1,)}.get(name, (1,)))


def test_random_numbers_are_the_same_bits(both):
    generator = kuai.Generator().manual_seed(3)
    for shape in ((5,), (7,), (3, 4)):
        kuai.rand(*shape, generator=generator)
        kuai.randint(0, 100, shape, generator=generator)
        F.dropout(kuai.ones(*shape))
    kuai.randperm(9)
    assert both


def test_many_random_numbers_are_the_same_bits_as_compiled():
    shapes = [(40_000,), (3, 23_333), (70_001,)]

    def draw(name):
        return [getattr(kuai, name)(*shape) for shape in shapes]

    for name in ("rand", "randn"):
        kuai.manual_seed(4)
        eager = draw(name)
        kuai.manual_seed(4)
        compiled = kuai.compile(draw)(name)
        for one, other in zip(eager, compiled, strict=True):
            assert kuai.equal(one, other)
            assert len(set(one.flatten()[-100:].tolist())) == 100


def test_normal_numbers_of_all_floating_dtypes():
    for dtype in (kuai.float32, kuai.float64, kuai.float16, kuai.bfloat16):
        drawn = kuai.empty(50_000, dtype=dtype).normal_(2.0, 0.5).to(kuai.float64)
        assert abs(drawn.mean().item() - 2) < 0.02
        assert abs(drawn.std().item() - 0.5) < 0.02
    assert kuai.randn(0).shape == (0,)


# Counting -----------------------------------------------------------------------------------------


def test_weights_of_many_shapes_are_drawn_by_few_programs():
    with compilations() as compiled:
        for size in (200, 300, 500):
            nn.init.kaiming_uniform_(kuai.empty(size, size))
            nn.init.normal_(kuai.empty(size, size + 1))
    assert not [name for name in compiled if "uniform" in name or "normal" in name], compiled


def train(sizes):
    kuai.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for size in sizes:
        x, y = kuai.randn(size, 20), kuai.randint(0, 10, (size,))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_two_hundred_batch_sizes_compile_almost_nothing():
    with compilations() as compiled:
        train(range(1, 201))
    assert len(compiled) <= 8, compiled  # what does not depend on the size: the optimizer, draws


def test_masks_and_growing_sequences_compile_almost_nothing():
    x, sequence = kuai.arange(300.0), kuai.zeros(1, 1, dtype=kuai.long)
    embedding = nn.Embedding(7, 4)
    with compilations() as compiled:
        for k in range(60):
            assert x[x >= k].shape == (300 - k,)
            scores = embedding(sequence).softmax(-1).sum((1, 2))
            assert abs(scores.item() - len(sequence[0])) < 1e-3
            sequence = kuai.cat([sequence, sequence[:, -1:] + 1 - sequence[:, -1:]], 1)
    assert len(compiled) <= 6, compiled  # the comparison with a number, for one


def test_what_comes_again_is_compiled_once():
    x = kuai.randn(3, 17)
    with compilations() as first:
        for _ in range(40):
            kuai.logaddexp(x, x)
    with compilations() as later:
        for _ in range(100):
            kuai.logaddexp(x, x)
    assert (len(first), later) == (1, [])


def test_a_new_shape_after_many_calls_of_one():
    x = kuai.randn(3, 19)
    for _ in range(200):
        kuai.hypot(x, x)
    with compilations() as compiled:
        for size in (2, 4, 5):
            y = kuai.ones(size, 19)
            assert kuai.allclose(kuai.hypot(y, y), y * 2**0.5)
        kuai.hypot(x, x)
    assert compiled == []


def in_use():
    """How many functions have been called with some shapes."""
    gc.collect()
    return sum(issubclass(type(each), Tiered) and bool(each.slots) for each in gc.get_objects())


def test_folds_compile_once_and_leave_nothing():
    x, y = kuai.randn(8, 20), kuai.arange(8)

    def fold():
        net = nn.Sequential(nn.Linear(20, 24), nn.Tanh(), nn.Linear(24, 10))
        optimizer = kuai.optim.Adam(net.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    for _ in range(20):
        fold()
    functions = in_use()
    with compilations() as compiled:
        for _ in range(10):
            fold()
    assert compiled == [] and in_use() <= functions


# Behaviour ----------------------------------------------------------------------------------------


def test_runs_from_one_seed_are_equal_to_the_bit():
    sizes = [8] * 30
    assert train(sizes) == train(sizes)


def test_second_derivatives_at_many_sizes():
    for size in range(2, 8):
        x = kuai.linspace(0.1, 1, size, dtype=kuai.float64).requires_grad_()
        (first,) = kuai.autograd.grad((x.tanh() * x**2).sum(), x, create_graph=True)
        (second,) = kuai.autograd.grad(first.sum(), x)
        t = np.tanh(x.detach().numpy())
        at = x.detach().numpy()
        expected = 2 * t + 4 * at * (1 - t**2) - 2 * at**2 * t * (1 - t**2)
        np.testing.assert_allclose(second.numpy(), expected, 1e-9)


def test_a_graph_made_eagerly_is_walked_by_a_compiled_function():
    weight = kuai.randn(4, 3)

    @kuai.compile
    def walk(loss):
        loss.backward()

    for size in (5, 6, 7, 5):
        grads = []
        for way in (walk, kuai.Tensor.backward):
            x = kuai.ones(size, 3, requires_grad=True)
            way((F.linear(x, weight).tanh() ** 2).sum())
            grads.append(x.grad)
        assert kuai.allclose(*grads, atol=1e-5)


def test_results_share_no_memory_with_inputs():
    x = kuai.zeros(6)
    y = x.reshape(2, 3) + 0
    z = kuai.broadcast_to(x[:1], (4,)).clone()
    x += 1
    assert y.sum() == 0 and z.sum() == 0


def test_errors_are_those_of_compiled_operations():
    for size in (3, 4, 5):
        with pytest.raises(RuntimeError, match=rf"\({size}x3 and 4x2\)"):
            F.linear(kuai.ones(size, 3), kuai.ones(2, 4))


def test_threads():
    found = {}

    def work(number):
        found[number] = [kuai.arange(n * 3.0).softmax(0).sum().item() for n in range(2, 12)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_allclose(found[number], 1.0, 1e-5)


def test_the_switch():
    program = "import gc, kuai; from kuai.engine.tiers import tiered; x = kuai.ones(3); x * x; "
    program += "known = [t for t in gc.get_objects() if isinstance(t, tiered.Tiered) and t.slots]; "
    program += "print(tiered.enabled, len(known))"
    environment = {**os.environ, "KUAI_TIERS": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.stdout.split() == [b"False", b"0"], done.stderr


def test_gradcheck_meets_the_same_bits_twice():
    # an operation is compiled when it has come often enough, which changes last bits: gradcheck
    # compares two backward passes to the bit, and has both of them begin anew
    generator = np.random.default_rng(0)
    x = kuai.tensor(generator.normal(size=(3, 3)), requires_grad=True)
    w = kuai.tensor(generator.normal(size=(3, 4)), requires_grad=True)
    assert kuai.autograd.gradcheck(lambda x, w: kuai.tanh(x @ w).softmax(-1), (x, w))


def test_threads_may_note_programs_at_the_same_time(monkeypatch):
    monkeypatch.setattr(store, "_kept", collections.OrderedDict())

    class Function:
        def forget(self):
            pass

    def note():
        try:
            for number in range(2000):
                kept.append(Function())
                store.used(kept[-1])
                store.used(kept[number % 10])
                del kept[200:220]
        except RuntimeError as error:
            errors.append(error)

    kept, errors, before = [Function() for _ in range(10)], [], sys.getswitchinterval()
    threads = [threading.Thread(target=note) for _ in range(3)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert errors == []

"""Names that stand beside the families of operations, each beside PyTorch's."""

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import kuai
from kuai._higher_order_ops import associative_scan

BOTH = (torch, kuai)


def agree(call):
    """The values of both, or their errors; tensors as lists."""
    told = []
    for t in BOTH:
        try:
            told.append(plain(call(t)))
        except (RuntimeError, TypeError, IndexError, ValueError, NotImplementedError) as error:
            told.append((type(error).__name__, str(error)))
    assert told[0] == told[1]


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "detach"):
        return str(value.dtype), value.tolist()
    return str(value)


def leaf(t, dtype):
    x = t.ones(2, requires_grad=True)
    x.grad_dtype = dtype and getattr(t, dtype)
    return x


# Gradients of another dtype -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float64", None])
def test_gradients_of_another_dtype(dtype):
    def train(t):
        x, seen = leaf(t, dtype), []
        x.register_hook(lambda g: seen.append(str(g.dtype)))
        (x * 3).sum().backward()
        (x * 3).sum().backward()
        first = x.grad
        (given,) = t.autograd.grad((x * 2).sum(), x)
        return seen, first, given, x.grad_dtype, x.detach().grad_dtype

    agree(train)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: (t.ones(2, requires_grad=True) * 2).grad_dtype,
        lambda t: setattr(t.ones(2), "grad_dtype", "half"),
        lambda t: setattr(leaf(t, "float16"), "grad", t.ones(2)),
    ],
)
def test_errors_about_it(call):
    agree(call)


def test_a_compiled_step_sees_a_changed_gradient_dtype():
    x: Any = kuai.ones(2, requires_grad=True)

    @kuai.compile
    def step(y):
        x.grad = None
        (x * y).sum().backward()
        return x.grad

    kinds = []
    for kind in (kuai.float32, kuai.float32, kuai.float16, kuai.float64):
        x.grad = None
        x.grad_dtype = kind
        made: Any = step(kuai.ones(2))
        kinds.append(made.dtype)
    assert kinds == [kuai.float32, kuai.float32, kuai.float16, kuai.float64]


# Quantization for training, hashes, files ---------------------------------------------------------

NUMBERS = [-1.0, 0.05, 0.15, 0.25, 30.0, float("nan"), float("inf")]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64"])
def test_fake_quantization(dtype):
    def quantized(t):
        x = t.tensor(NUMBERS).to(getattr(t, dtype))
        return t.fake_quantize_per_tensor_affine(x, 0.1, 3, -128, 127)

    agree(quantized)


@pytest.mark.parametrize("zero", [[0, 0], [1, 2], [300, 0], [0, 0, 0]])
def test_fake_quantization_of_channels(zero):
    def quantized(t):
        x = t.tensor([[0.26, -1.0], [0.5, 100.0]], requires_grad=True)
        zeros = t.tensor(zero, dtype=t.int32)
        made = t.fake_quantize_per_channel_affine(x, t.tensor([0.1, 0.2]), zeros, 0, 0, 255)
        made.sum().backward()
        return made, x.grad

    agree(quantized)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.hash_tensor(t.tensor([[1.0, 2.0], [3.0, 4.0]]), -1, keepdim=True),
        lambda t: t.hash_tensor(t.tensor([-1, 5], dtype=t.int8)),
        lambda t: t.hash_tensor(t.tensor([True, False])),
        lambda t: t.hash_tensor(t.tensor([])),
        lambda t: t.hash_tensor(t.ones(0, 3), 0),
        lambda t: t.hash_tensor(t.ones(2), mode=1),
        lambda t: t.hash_tensor(t.ones(2, dtype=t.complex64)),
    ],
)
def test_hashes(call):
    agree(call)


def test_files(tmp_path):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "numbers")
    path = str(tmp_path / "numbers")
    agree(lambda t: t.from_file(path, size=3, dtype=t.float64))
    agree(lambda t: t.from_file(path, size=7))
    agree(lambda t: t.from_file(path + "?", size=2))
    agree(lambda t: t.from_file(path, shared=True, size=8))


# What asks, and what is asked ---------------------------------------------------------------------


def test_a_function_is_called_without_asking_again():
    def told(t):
        log = []

        class Noted(t.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                log.append(func.__name__)
                return t.overrides.redispatch_function(func, types, args, kwargs)

        def scaled(a, b):
            if t.overrides.has_torch_function((a, b)):
                return t.overrides.handle_torch_function(scaled, (a, b), a, b)
            return a * b + 1

        result = scaled(t.tensor([3.0]).as_subclass(Noted), t.tensor([4.0]))
        return log, result, type(result).__name__

    agree(told)


def test_an_operations_own_rule_for_vmap_and_autocast():
    def run(t):
        seen, library = [], f"more_names_{t.__name__}"

        @t.library.custom_op(f"{library}::double", mutates_args=(), schema="(Tensor x) -> Tensor")
        def double(x):
            seen.append(str(x.dtype))
            return x * 2

        @t.library.register_vmap(f"{library}::double")
        def rule(info, in_dims, x):
            seen.append((info.batch_size, in_dims))
            return double(x) + 1, in_dims[0]

        t.library.register_autocast(f"{library}::double", "cpu", t.bfloat16)
        sliced, plain = t.vmap(double)(t.ones(3, 2)), double(t.ones(2))
        with t.autocast("cpu"):
            lower = double(t.ones(2)), double(t.ones(2, dtype=t.float64))
        # Kuai runs the function once more, to know what comes out of it.
        return seen[-5:], sliced, plain, lower

    agree(run)


def test_functions_of_slices():
    agree(lambda t: t._higher_order_ops.map(lambda x, y: (x * y, x.sum()), t.ones(3, 2), 5))
    agree(lambda t: t._higher_order_ops.map(lambda x: x, t.ones(0, 2)))
    x = kuai.rand(3, 7, requires_grad=True)
    product = associative_scan(lambda a, b: a * b, x, 1)
    assert kuai.allclose(product, x.cumprod(1))
    assert kuai.allclose(
        *kuai.autograd.grad([product.sum()], x), *kuai.autograd.grad(x.cumprod(1).sum(), x)
    )


# Saving -------------------------------------------------------------------------------------------


def test_a_traced_module_is_saved_as_a_program():
    net, file = kuai.nn.Linear(3, 2), io.BytesIO()
    kuai.jit.save(kuai.jit.trace(net, kuai.ones(1, 3)), file)
    file.seek(0)
    x = kuai.rand(4, 3)
    assert kuai.allclose(kuai.jit.load(file)(x), net(x))
    with pytest.raises(NotImplementedError, match="kuai.export"):
        kuai.jit.save(kuai.nn.Linear(2, 2), file)


def test_what_modules_that_were_traced_or_scripted_have_more(tmp_path):
    net = kuai.nn.Linear(3, 2)
    assert not hasattr(net, "save")
    kuai.jit.trace(net, kuai.ones(1, 3)).save(tmp_path / "net.pt")
    assert kuai.jit.load(tmp_path / "net.pt")(kuai.ones(4, 3)).shape == (4, 2)
    scripted: Any = kuai.jit.script(kuai.nn.ReLU())
    with pytest.raises(NotImplementedError, match="kuai.export"):
        scripted.save(tmp_path / "scripted.pt")
    with pytest.raises(AttributeError, match="symbolic_trace"):
        net.graph  # noqa: B018 - reading it is what fails
    assert not hasattr(kuai.nn.ReLU(), "save") and copy.deepcopy(net).weight.equal(net.weight)


def test_what_is_loaded_is_a_module(tmp_path):
    """Parameters and buffers are where they were, and the program computes with them."""
    net = kuai.nn.Sequential(kuai.nn.Linear(3, 2), kuai.nn.BatchNorm1d(2)).eval()
    scripted: Any = kuai.jit.script(net)
    assert isinstance(scripted, kuai.jit.ScriptModule)
    x, before = kuai.ones(4, 3), scripted(kuai.ones(1, 3))[0]
    scripted.save(tmp_path / "net.pt")
    loaded = kuai.jit.load(tmp_path / "net.pt").eval().to("cpu")
    assert isinstance(loaded, kuai.jit.ScriptModule) and isinstance(loaded, kuai.nn.Module)
    assert list(loaded.state_dict()) == list(net.state_dict())
    assert [n for n, _ in loaded.named_buffers()] == [n for n, _ in net.named_buffers()]
    assert kuai.allclose(loaded(x)[0], before)
    kuai.nn.init.zeros_(loaded.get_submodule("0").weight)
    assert kuai.allclose(loaded(x), loaded(x * 2)) and not kuai.allclose(net(x), net(x * 2))
    assert not isinstance(kuai.nn.ReLU(), kuai.jit.ScriptModule)


def test_a_compiled_module_is_no_wrapper():
    net = kuai.nn.Linear(3, 2)
    assert not hasattr(net, "_orig_mod")
    kuai.compile(net)
    inner = net._orig_mod
    assert inner.state_dict().keys() == net.state_dict().keys()
    assert next(inner.parameters()) is next(net.parameters())
    assert inner.eval() is inner and not net.training
    while hasattr(inner, "_orig_mod"):  # as programs unwrap
        inner = inner._orig_mod
    assert inner is net._orig_mod


def test_modes_of_compile():
    """PyTorch's errors for a word that it does not know, and for two that exclude each other."""
    for case in (dict(mode="fastest"), dict(mode="default", options={})):
        texts = []
        for t in (torch, kuai):
            with pytest.raises(RuntimeError) as error:
                t.compile(lambda x: x, **case)
            texts.append(str(error.value))
        assert texts[0] == texts[1]
    assert kuai.compile(lambda x: x + 1, mode="max-autotune")(kuai.ones(1)).item() == 2


def test_explain_by_its_older_name():
    net = kuai.nn.Linear(3, 2)
    explain: Any = kuai._dynamo.explain
    found = explain(net)(kuai.ones(1, 3))
    assert (found.graph_count, found.graph_break_count, found.break_reasons) == (1, 0, [])
    assert not hasattr(net, "_compiled_call_impl") or net._compiled_call_impl is None
    found = explain(lambda x: x + 1 if x.sum() > 0 else x)(kuai.ones(2))
    assert (found.graph_count, found.graph_break_count, found.op_count) == (2, 1, 3)
    assert "bool()" in found.break_reasons[0]


def test_places_of_ones_own(tmp_path, monkeypatch):
    serialization = kuai.serialization
    monkeypatch.setattr(serialization, "_package_registry", [*serialization._package_registry])
    monkeypatch.setattr(serialization.asked_places, "taggers_and_restorers", [])
    asked = []
    serialization.register_package(
        5,
        lambda storage: "shelf:1",
        lambda storage, place: storage if not asked.append(place) else None,
    )
    path = tmp_path / "x.pt"
    kuai.save(kuai.arange(3), path)
    assert kuai.load(path).tolist() == [0, 1, 2]
    assert asked == ["shelf:1"]
    assert serialization.location_tag(kuai.ones(1).untyped_storage()) == "shelf:1"


# Recurrent networks as functions ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("packed", [False, True])
def test_recurrent_functions(kind, packed):
    results = []
    for t in BOTH:
        rng, gates = np.random.default_rng(0), {"lstm": 4, "gru": 3}.get(kind, 1)
        shapes = [(gates * 2, 3), (gates * 2, 2), (gates * 2,), (gates * 2,)]
        weights = [t.tensor(rng.normal(size=shape)) for shape in shapes]
        state = t.zeros(1, 3, 2, dtype=t.float64)
        states = [state, state] if kind == "lstm" else state
        if packed:
            data = t.tensor(rng.normal(size=(6, 3)))
            first = data, t.tensor([3, 2, 1]), states
            made = getattr(t, kind)(*first, weights, True, 1, 0.0, False, False)
        else:
            data = t.tensor(rng.normal(size=(4, 3, 3)))
            made = getattr(t, kind)(data, states, weights, True, 1, 0.0, False, False, False)
        results.append([each.detach().numpy() for each in made])
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


# Old names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.eig(t.ones(2, 2)),
        lambda t: t.matrix_rank(t.ones(2, 2)),
        lambda t: t.ones(2).coalesce(),
        lambda t: (t.ones(2, 3).dense_dim(), t.ones(2, 3).sparse_dim()),
        lambda t: t.ones(4).resize(2, 2),
        lambda t: t.ones(2).resize(3),
        lambda t: t.ones(2).reinforce(1),
        lambda t: t.cuda.FloatTensor([1.0]),
        lambda t: isinstance(t.ones(1), t.cuda.FloatTensor),
        lambda t: t.ones(3).storage().half().tolist(),
        lambda t: t.ones(3).untyped_storage().fill_(0).tolist(),
        lambda t: t.Generator().get_offset(),
    ],
)
def test_old_names(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(call)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.cross(t.ones(()), t.ones(()), dim=0),
        lambda t: t.cumulative_trapezoid(t.ones(())),
        lambda t: t.nn.functional.rms_norm(t.ones(()), ()),
    ],
)
def test_tensors_without_dimensions(call):
    agree(call)


def test_a_hook_gives_no_gradient_where_none_is_wanted():
    def run(t):
        y = t.ones(2, requires_grad=True) * 2
        y.grad_fn.register_hook(lambda made, given: (made[0], made[0]))
        y.sum().backward()

    agree(run)


def test_what_old_programs_ask_torch_itself():
    for name in ("has_cuda", "has_cudnn", "has_mps"):
        told = []
        for t in (torch, kuai):
            with pytest.warns(UserWarning) as warned:
                told.append((getattr(t, name), str(warned[0].message)))
        assert told[0] == told[1]


def test_switches_of_libraries_are_those_of_pytorch():
    for library in ("cusparselt", "kleidiai"):
        answers = [getattr(t.backends, library).is_available() for t in (torch, kuai)]
        assert answers == [False, False]
    for t in (torch, kuai):
        assert t.backends.mkldnn.enabled and not t.backends.mkldnn.deterministic
        assert t.backends.mkldnn.matmul.fp32_precision == "none"
        assert not t.backends.miopen.immediate
        with t.backends.miopen.flags(immediate=True):
            assert t.backends.miopen.immediate
        assert not t.backends.miopen.immediate
        assert t.backends.cuda.cufft_plan_cache is not None
        with t.backends.nnpack.flags(enabled=False):
            pass
        assert t.cuda.default_generators == () and t.cuda.has_half
        assert t.xpu.memory_allocated() == 0 and not t.xpu.is_initialized()
        with pytest.raises(RuntimeError, match="no|when none is available"):
            t.accelerator.memory_allocated()
    x = kuai.rand(1, 3, 8, 8)
    net = kuai.nn.Conv2d(3, 4, 3)
    with_library = net(x)
    kuai.backends.mkldnn.enabled = False
    try:
        assert not kuai.backends.mkldnn.enabled
        assert kuai.allclose(net(x), with_library, atol=1e-6)
    finally:
        kuai.backends.mkldnn.enabled = True


def test_what_the_environment_is():
    ours, theirs = (
        t.utils.collect_env.SystemEnv._fields for t in (kuai, torch) if t.utils.collect_env
    )
    assert set(ours) <= set(theirs)
    found = kuai.utils.collect_env.get_env_info()
    assert found.torch_version == "2.13.0" and "numpy==" in found.pip_packages
    assert "torch_version: 2.13.0" in kuai.utils.collect_env.pretty_str(found)

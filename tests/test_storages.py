"""Storages and what stands beside them."""

import pytest
import torch

import kuai


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_show_and_change_their_elements():
    def told(t):
        x = t.zeros(2, 2)
        x.storage()[1] = 5
        made = t.FloatStorage([1, 2])
        copied = t.FloatStorage(2).copy_(made)
        shown = [repr(each) for each in (x.storage(), made, t.UntypedStorage([1, 2]))]
        return x.tolist(), shown, copied.fill_(3).tolist(), made.type(), list(made), len(copied)

    assert told(kuai) == told(torch)


@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
@pytest.mark.parametrize("kind", ["torch.DoubleTensor", "torch.IntTensor", 3])
def test_the_default_type_by_its_older_name(kind):
    def told(t):
        try:
            t.set_default_tensor_type(kind)
            return str(t.ones(1).dtype)
        except TypeError as error:
            return str(error)
        finally:
            t.set_default_dtype(t.float32)

    assert told(kuai) == told(torch)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_of_convolutions(dims):
    def told(t):
        shape = (1, 2, *[5] * dims)
        weight, out = t.ones(3, 2, *[2] * dims), t.ones(1, 3, *[4] * dims)
        by_input = getattr(t.nn.grad, f"conv{dims}d_input")(shape, weight, out)
        by_weight = getattr(t.nn.grad, f"conv{dims}d_weight")(t.ones(shape), weight.shape, out)
        return by_input.tolist(), by_weight.tolist()

    assert told(kuai) == told(torch)


def test_copies_of_a_module_have_its_gradients():
    net = kuai.nn.Linear(2, 1)
    copies = kuai.nn.parallel.replicate(net, ["cpu", "cpu"])
    results = kuai.nn.parallel.parallel_apply(copies, [kuai.ones(1, 2), kuai.ones(1, 2)])
    kuai.nn.parallel.comm.reduce_add(results).sum().backward()
    assert net.weight.grad.tolist() == [[2.0, 2.0]]
    whole = kuai.nn.parallel.comm.gather(kuai.nn.parallel.comm.scatter(kuai.arange(5), ["cpu"] * 2))
    assert whole.tolist() == [0, 1, 2, 3, 4]


def test_helpers_that_packages_take():
    tensors = [kuai.ones(1, 2), kuai.zeros(3)]
    flat = kuai._utils._flatten_dense_tensors(tensors)
    parts = kuai._utils._unflatten_dense_tensors(flat, tensors)
    assert all(kuai.equal(*pair) for pair in zip(parts, tensors, strict=True))
    assert [len(each) for each in kuai._utils._take_tensors([*tensors, *tensors], 20)] == [2, 2]
    with pytest.raises(ValueError, match="Expected a non cpu device"):
        kuai._utils._get_device_index("cpu")
    with pytest.raises(kuai.errors.UnavailableError, match="no C\\+\\+ classes"):
        getattr(kuai.classes, "quantized")  # noqa: B009 - nothing is done with it


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("foo", RuntimeError, "Expected one of cpu, cuda, ipu, xpu"),
        ("mps", RuntimeError, "not linked with support for mps devices"),
        ("xpu", AssertionError, "Torch not compiled with XPU enabled"),
    ],
)
def test_kinds_of_devices_that_are_not_there(name, kind, text):
    if name != "foo":
        assert repr(kuai.device(name, 1)) == repr(torch.device(name, 1))
        assert kuai.device(name) != kuai.ones(1).device
    with pytest.raises(kind, match=text):
        kuai.ones(1, device=name)

"""Files there and back, between Kuai and PyTorch, in both directions."""

import io
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

import kuai
from kuai import nn

DTYPES = [kind.name for kind in kuai.engine.tensor.dtypes.DTYPES]
VALUES = {
    "none": None,
    "bools": [True, False],
    "integers": [0, 255, 256, 65536, -1, -(1 << 31), 1 << 31, -(1 << 63), 1 << 100],
    "floats": [0.5, -0.0, float("inf")],
    "complex": 1 + 2j,
    "strings": ["", "块", "a", "a", "\udc80"],
    "bytes": [b"", b"\x00\xff", bytearray(b"ab")],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((1,), (2,))],
    "lists": [[], [1], [[1]], list(range(1001))],
    "dicts": [{}, {1: 2}, {"a": 1, (1, "b"): None}, {n: n for n in range(1001)}],
    "ordered": OrderedDict(a=1, b=2),
    "sets": [set(), {1}, {"a", "b"}],
    "counter": Counter("aab"),
}


def saved(lib, obj) -> bytes:
    file = io.BytesIO()
    lib.save(obj, file)
    return file.getvalue()


def there(obj):
    """From Kuai to PyTorch."""
    return torch.load(io.BytesIO(saved(kuai, obj)), weights_only=True)


def here(obj):
    """From PyTorch to Kuai."""
    return kuai.load(io.BytesIO(saved(torch, obj)))


def back(obj):
    return kuai.load(io.BytesIO(saved(kuai, obj)))


def objects_of(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("archive/data.pkl")


def bits(tensor) -> bytes:
    if isinstance(tensor, torch.Tensor):
        return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return np.asarray(tensor.detach()).tobytes()


def same(ours, theirs):
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.requires_grad == theirs.requires_grad
    assert bits(ours) == bits(theirs)


@pytest.mark.parametrize("name", VALUES)
def test_plain_values(name):
    value = VALUES[name]
    for found in (there(value), here(value), back(value)):
        assert found == value
        assert type(found) is type(value)
    theirs = zipfile.ZipFile(io.BytesIO(saved(torch, value))).read("archive/data.pkl")
    if name not in ("bytes", "sets", "strings", "complex"):
        assert objects_of(saved(kuai, value)) == theirs


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_dtypes(name, shape):
    numbers = np.arange(int(np.prod(shape))).reshape(shape) % 2
    theirs = torch.tensor(numbers).to(getattr(torch, name))
    ours = kuai.tensor(numbers).to(getattr(kuai, name))
    same(here(theirs), theirs)
    same(ours, there(ours))
    assert bits(back(ours)) == bits(ours)
    if 0 not in shape:  # PyTorch's strides of nothing depend on how it was made
        assert objects_of(saved(kuai, ours)) == objects_of(saved(torch, theirs))


VIEWS = {
    "row": lambda x: x[1],
    "rows": lambda x: x[1:3],
    "column": lambda x: x[:, 2],
    "block": lambda x: x[1:3, 1:3],
    "every second": lambda x: x[::2],
    "transposed": lambda x: x.t(),
    "transposed block": lambda x: x[1:3].t(),
    "reshaped": lambda x: x.view(2, 2, 5),
    "diagonal": lambda x: x.diagonal(),
    "expanded": lambda x: x[:, :1].expand(4, 3),
    "permuted": lambda x: x.view(2, 2, 5).permute(2, 0, 1),
    "whole": lambda x: x[:],
    "empty": lambda x: x[2:2],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_stay_views(name):
    view = VIEWS[name]
    for lib, move in ((torch, here), (kuai, there), (kuai, back)):
        base = lib.arange(20).view(4, 5)
        for order in ((base, view(base)), (view(base), base)):
            first, second = move(order)
            found = second if order[0] is base else first
            whole = first if order[0] is base else second
            assert whole.tolist() == base.tolist()
            assert found.tolist() == view(base).tolist()
            whole.zero_()
            assert not found.any()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_alone(name):
    view = VIEWS[name]
    theirs, ours = view(torch.arange(20).view(4, 5)), view(kuai.arange(20).view(4, 5))
    assert here(theirs).tolist() == there(ours).tolist() == back(ours).tolist() == theirs.tolist()
    assert here(theirs).stride() == theirs.stride()
    assert objects_of(saved(kuai, ours)) == objects_of(saved(torch, theirs))


def test_writing_to_a_loaded_view_reaches_the_base():
    base = torch.arange(20).view(4, 5)
    whole, part = here([base, base[1:3, 1:3]])
    part.fill_(0)
    base[1:3, 1:3] = 0
    assert whole.tolist() == base.tolist()


def test_views_that_cannot_be_expressed_are_copied():
    x = kuai.arange(6).view(2, 3)
    parts = {"other dtype": kuai.ones(2).view(kuai.int32), "wide": kuai.ones(1).expand(1000)}
    for name, tensor in {**parts, "both": x.t()}.items():
        assert there(tensor).tolist() == back(tensor).tolist() == tensor.tolist(), name
    c = kuai.tensor([1 + 2j, 3 + 4j])
    assert there([c, c.real])[1].tolist() == [1.0, 3.0]


def test_conjugates_of_torch():
    theirs = torch.tensor([1 + 2j]).conj()
    assert here([theirs, theirs])[0].tolist() == [1 - 2j]


def test_one_object_stays_one_object():
    x, inner = kuai.ones(2), [1]
    first, second, third, fourth = back([x, x, inner, inner])
    assert first is second
    assert third is fourth


def test_parameters_and_buffers():
    weight = nn.Parameter(kuai.ones(2))
    weight.decay = 0.5
    frozen = nn.Parameter(kuai.ones(2), requires_grad=False)
    buffer = nn.Buffer(kuai.ones(1), persistent=False)
    theirs = there([weight, frozen, buffer])
    assert [type(each) for each in theirs[:2]] == [torch.nn.Parameter] * 2
    assert (theirs[0].decay, theirs[1].requires_grad) == (0.5, False)
    assert isinstance(theirs[2], torch.nn.Buffer)
    ours = here(theirs)
    assert [type(each) for each in ours] == [nn.Parameter, nn.Parameter, nn.Buffer]
    assert (ours[0].decay, ours[1].requires_grad, ours[2].persistent) == (0.5, False, False)


def test_objects_of_torch():
    obj = [kuai.float32, kuai.Size([1, 2]), kuai.device("cpu"), kuai.device("cuda", 1)]
    assert there(obj) == [torch.float32, torch.Size([1, 2]), torch.device("cpu")] + [
        torch.device("cuda", 1)
    ]
    assert back(obj) == here(there(obj)) == obj


def lenet(lib):
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 10)),
    )


def test_state_dicts():
    theirs, ours = lenet(torch), lenet(kuai)
    found = here(theirs.state_dict())
    assert found._metadata == theirs.state_dict()._metadata
    ours.load_state_dict(found)
    for name, tensor in theirs.state_dict().items():
        same(ours.state_dict()[name], tensor)
    theirs.load_state_dict(there(ours.state_dict()))


@pytest.mark.parametrize("name, options", [("Adam", {}), ("SGD", {"momentum": 0.9})])
def test_optimizer_state(name, options):
    def trained(lib):
        net = lib.nn.Linear(2, 1)
        optimizer = getattr(lib.optim, name)(net.parameters(), lr=0.1, **options)
        net(lib.ones(1, 2)).sum().backward()
        optimizer.step()
        return optimizer

    theirs, ours = trained(torch), trained(kuai)
    ours.load_state_dict(here(theirs.state_dict()))
    for number, state in theirs.state_dict()["state"].items():
        for key, tensor in state.items():
            found = ours.state_dict()["state"][number][key]
            np.testing.assert_array_equal(np.asarray(found), np.asarray(tensor))
    theirs.load_state_dict(there(ours.state_dict()))


def test_tied_weights_stay_tied():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    for found in (there(net.state_dict()), back(net.state_dict())):
        found["0.weight"].fill_(7)
        assert found["1.weight"].tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_map_location():
    content = saved(torch, [torch.ones(2)])
    places = ["cpu", kuai.device("cpu"), {"cpu": "cpu"}, lambda tensor, place: tensor]
    for place in [*places, lambda tensor, place: None]:
        assert kuai.load(io.BytesIO(content), map_location=place)[0].device.type == "cpu"


def on_another_device(location: bytes) -> io.BytesIO:
    content = saved(torch, torch.ones(2))
    code = objects_of(content).replace(b"\x03\0\0\0cpu", bytes([len(location), 0, 0, 0]) + location)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/data/0", np.ones(2, np.float32).tobytes())
    file.seek(0)
    return file


@pytest.mark.skipif(kuai.cuda.is_available(), reason="needs a machine without a GPU")
def test_files_from_other_devices():
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        kuai.load(on_another_device(b"cuda:0"))
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        kuai.load(on_another_device(b"mps"))
    assert kuai.load(on_another_device(b"cuda:0"), map_location="cpu").tolist() == [1.0, 1.0]


def test_a_position_in_a_file_object():
    file = io.BytesIO(b"before" + saved(kuai, {"a": kuai.ones(1)}))
    file.seek(6)
    assert kuai.load(file)["a"].tolist() == [1.0]


@pytest.mark.parametrize(
    "obj, place",
    [
        ({(1, (2,)): 1}, "obj"),
        (1 << 3000, "obj"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(obj, place):
    with pytest.raises(TypeError, match=place):
        kuai.save(obj, io.BytesIO())


def test_cycles_and_depth_are_refused():
    cycle, deep = [], []
    cycle.append(cycle)
    for _ in range(200):
        deep = [deep]
    with pytest.raises(TypeError, match="contains itself"):
        kuai.save(cycle, io.BytesIO())
    with pytest.raises(TypeError, match="100 deep"):
        kuai.save(deep, io.BytesIO())
    with pytest.raises(TypeError, match="uninitialized"):
        kuai.save(nn.LazyLinear(2).weight, io.BytesIO())


@pytest.mark.parametrize("obj", [[0] * 4_000_001, "a" * (65 << 20)])
def test_what_is_too_long_to_be_loaded_is_not_saved(obj):
    with pytest.raises(TypeError, match="takes up more than"):
        kuai.save(obj, io.BytesIO())


def test_options():
    file = io.BytesIO()
    kuai.save(1, file, pickle_protocol=4)
    assert torch.load(io.BytesIO(file.getvalue())) == 1
    with pytest.raises(ValueError, match="pickle_protocol"):
        kuai.save(1, file, pickle_protocol=1)
    with pytest.raises(ValueError, match="must be a file path"):
        kuai.load(file, mmap=True)
    for protocol in (3, 4, 5):
        theirs = io.BytesIO()
        torch.save({"a": torch.ones(2), "b": b"12", "c": {1}}, theirs, pickle_protocol=protocol)
        theirs.seek(0)
        assert kuai.load(theirs)["b"] == b"12"

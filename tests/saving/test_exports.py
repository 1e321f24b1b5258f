"""`kuai.export` to StableHLO: programs that run where there is no Kuai."""

import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.errors import BrokenFileError, ExportError
from kuai.nn import functional as F
from kuai.vision.models import LeNet, resnet18

# What docs/export.md tells a reader to write, for a folder of programs and inputs.
WITHOUT_KUAI = """
import pathlib, sys, zipfile
sys.modules["kuai"] = sys.modules["torch"] = None
import jax, numpy, safetensors.flax
from jax import export
jax.config.update("jax_enable_x64", True)
for path in pathlib.Path(sys.argv[1]).glob("*.zip"):
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    program = export.deserialize(bytearray((folder / "program.jax").read_bytes()))
    weights = safetensors.flax.load_file(folder / "weights.safetensors")
    for given in path.parent.glob(path.stem + ".*.in.npz"):
        inputs = numpy.load(given)
        made = jax.tree.leaves(program.call(weights, *(inputs[name] for name in inputs.files)))
        numpy.savez(str(given).replace(".in.", ".out."), *made)
"""


class Encoder(nn.Module):
    """Tokens, positions, one encoder layer, and an output layer tied to the embedding."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        )
        self.out = nn.Linear(8, 11, bias=False)
        self.out.weight = self.tokens.weight

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(kuai.arange(tokens.size(1)))
        return self.out(self.encoder(x))


def pictures(channels, size):
    return lambda batch: kuai.rand(batch, channels, size, size)


CASES = {
    "lenet": (LeNet, pictures(1, 28), (1, 3, 8)),
    "resnet": (lambda: resnet18(num_classes=5), pictures(3, 32), (3,)),
    "lstm": (
        lambda: nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True),
        lambda batch: kuai.rand(batch, 3, 4),
        (1, 3),
    ),
    "encoder": (Encoder, lambda batch: kuai.randint(0, 11, (batch, 6)), (1, 3)),
}


def leaves(results):
    found = jax.tree.leaves(results, is_leaf=lambda leaf: isinstance(leaf, kuai.Tensor))
    return [tensor.detach().numpy() for tensor in found]


def assert_close(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """All cases exported, and run by a process that cannot import Kuai."""
    folder = tmp_path_factory.mktemp("programs")
    nets = {}
    for name, (make, inputs, batches) in CASES.items():
        kuai.manual_seed(0)
        net = nets[name] = make().eval()
        kuai.export(net, inputs(2), folder / f"{name}.zip")
        for batch in batches:
            np.savez(folder / f"{name}.{batch}.in.npz", inputs(batch).numpy())
    subprocess.run([sys.executable, "-c", WITHOUT_KUAI, str(folder)], check=True, timeout=300)
    return folder, nets


@pytest.mark.parametrize("name", CASES)
def test_a_program_runs_without_kuai(exported, name):
    folder, nets = exported
    for batch in CASES[name][2]:
        with np.load(folder / f"{name}.{batch}.in.npz") as file:
            given = kuai.tensor(file["arr_0"])
        with np.load(folder / f"{name}.{batch}.out.npz") as file:
            found = [file[key] for key in file.files]
        assert_close(found, leaves(nets[name](given)))


@pytest.mark.parametrize("name", ["lenet", "lstm", "encoder"])
def test_a_program_runs_in_kuai(exported, name):
    folder, nets = exported
    program = kuai.load_exported(folder / f"{name}.zip")
    given = CASES[name][1](3)
    assert_close(leaves(program(given)), leaves(nets[name](given)))


def test_tied_weights_are_stored_once(exported):
    program = kuai.load_exported(exported[0] / "encoder.zip")
    assert "tokens.weight" in program.weights
    assert "out.weight" not in program.weights


def test_weights_can_be_replaced(tmp_path):
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    kuai.export(net, kuai.ones(1, 3), tmp_path / "net.zip")
    program = kuai.load_exported(tmp_path / "net.zip")
    program.weights = other.state_dict()
    assert_close(leaves(program(kuai.ones(4, 3))), leaves(other(kuai.ones(4, 3))))


def test_the_program_is_plain_even_after_a_run(exported):
    """This machine's formulations, and libraries, stay here."""
    folder, nets = exported
    nets["lenet"](kuai.rand(2, 1, 28, 28))
    path = folder / "fixed.zip"
    example = kuai.rand(2, 1, 28, 28)
    kuai.export(nets["lenet"], example, path, dynamic_batch=False, platforms=["cpu"])
    with zipfile.ZipFile(path) as archive:
        text = jax.export.deserialize(bytearray(archive.read("program.jax"))).mlir_module()
    assert text.count("stablehlo.convolution") == text.count("stablehlo.reduce_window") == 2
    assert "custom_call" not in text


# Sizes --------------------------------------------------------------------------------------------

USES_OF_AN_OPEN_SIZE = {
    "view": lambda x: x.view(x.size(0), -1),
    "heads": lambda x: x.reshape(x.shape[0], 3, 2, 2).transpose(1, 2).reshape(x.shape[0], -1),
    "zeros": lambda x: kuai.zeros(x.size(0), 4) + x[:, 0],
    "expand": lambda x: kuai.cat([kuai.ones(1, 1, 4).expand(x.size(0), -1, -1), x], 1),
    "repeat": lambda x: kuai.ones(1, 1, 4).repeat(x.size(0), 1, 1) + x,
    "arange": lambda x: x[kuai.arange(x.size(0)), -1],
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "divide": lambda x: x.sum(0) / x.size(0),
    "unflatten": lambda x: x.flatten(0, 1).view(x.size(0), 3, 4),
}


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("count", kuai.zeros(1))

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("name", USES_OF_AN_OPEN_SIZE)
def test_an_open_size_can_be_used(tmp_path, name):
    net, given = Call(USES_OF_AN_OPEN_SIZE[name]), kuai.rand(5, 3, 4)
    kuai.export(net, kuai.rand(2, 3, 4), tmp_path / "net.zip")
    found = kuai.load_exported(tmp_path / "net.zip")(given)
    np.testing.assert_allclose(found.numpy(), np.asarray(net(given)), rtol=1e-6)


def test_sizes_are_open_where_the_first_tensor_has_them(tmp_path):
    net = nn.LSTM(4, 5)
    states = kuai.zeros(1, 2, 5), kuai.zeros(1, 2, 5)
    kuai.export(net, (kuai.zeros(3, 2, 4), states), tmp_path / "net.zip")
    program = kuai.load_exported(tmp_path / "net.zip")
    assert repr(program) == (
        "ExportedProgram(LSTM: input float32[batch, 2, 4], hx_0 float32[1, 2, 5], "
        "hx_1 float32[1, 2, 5])"
    )
    given = kuai.rand(7, 2, 4)
    assert_close(leaves(program(given, states)), leaves(net(given, states)))


def test_sizes_can_be_named(tmp_path):
    net = nn.LSTM(4, 5, batch_first=True)
    open_sizes = {"input": {0: "batch", 1: "time"}}
    kuai.export(net, kuai.zeros(1, 2, 4), tmp_path / "a.zip", dynamic_shapes=open_sizes)
    given = kuai.rand(3, 6, 4)
    assert_close(leaves(kuai.load_exported(tmp_path / "a.zip")(given)), leaves(net(given)))
    with pytest.raises(ValueError, match="names 'x', but the inputs are 'input'"):
        kuai.export(net, kuai.zeros(1, 2, 4), tmp_path / "b.zip", dynamic_shapes={"x": {0: "b"}})


# Arguments and results ----------------------------------------------------------------------------


def test_arguments_and_results_may_be_nested(tmp_path):
    class Net(nn.Module):
        def forward(self, pair, scale, *, shift=None, flip=False):
            total = (pair["a"] - pair["b"]) * scale
            total = total if shift is None else total + shift
            return {"sum": -total if flip else total, "parts": [pair["a"], (total.max(1), None)]}

    net = Net()
    example = {"a": kuai.rand(2, 3), "b": kuai.rand(2, 3)}, 2.0
    options = {"shift": kuai.ones(3), "flip": True}
    kuai.export(net, example, tmp_path / "net.zip", kwargs=options)
    program = kuai.load_exported(tmp_path / "net.zip")
    given = {"a": kuai.rand(4, 3), "b": kuai.rand(4, 3)}, 2.0
    found = program(*given, **options)
    assert_close(leaves(found), leaves(net(*given, **options)))
    assert program.manifest["constants"] == {"scale": "2.0", "flip": "True"}
    assert [one["name"] for one in program.manifest["inputs"]] == ["pair_a", "pair_b", "shift"]


@pytest.mark.parametrize("kind", [kuai.float64, kuai.bfloat16, kuai.float16])
def test_dtypes_stay(tmp_path, kind):
    net = nn.Linear(3, 2).to(kind)
    kuai.export(net, kuai.rand(2, 3).to(kind), tmp_path / "net.zip")
    given = kuai.rand(4, 3).to(kind)
    found = kuai.load_exported(tmp_path / "net.zip")(given)
    assert found.dtype == kind
    assert bool((found == net(given)).all())


# The net ------------------------------------------------------------------------------------------


def test_the_net_stays_as_it_is(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)

        def forward(self, x):
            self.last = self.drop(self.norm(x))
            return self.last

    net = Net()
    net.drop.eval()
    before = {name: tensor.data_ptr() for name, tensor in net.state_dict().items()}
    kuai.export(net, kuai.rand(4, 3), tmp_path / "net.zip")
    assert (net.training, net.norm.training, net.drop.training) == (True, True, False)
    assert not hasattr(net, "last")
    assert {name: tensor.data_ptr() for name, tensor in net.state_dict().items()} == before
    given = kuai.rand(1, 3)
    found = kuai.load_exported(tmp_path / "net.zip")(given)
    assert_close(leaves(found), leaves(net.eval()(given)))


def test_hooks_act_and_compiled_modules_can_be_exported(tmp_path):
    net = nn.Linear(3, 2)
    net.register_forward_hook(lambda module, args, output: output * 2)
    net.compile()
    kuai.export(net, kuai.rand(2, 3), tmp_path / "net.zip")
    given = kuai.rand(4, 3)
    assert_close(leaves(kuai.load_exported(tmp_path / "net.zip")(given)), leaves(net(given)))


def asks(x):
    return x if x.sum() > 0 else -x  # asks for a value


ERRORS = {
    "needs the value of a tensor at .*asks for a value": asks,
    "random number is drawn.*no random state": lambda x: F.dropout(x),
    "needs the number for a size that is left open, at .*dynamic_batch=False": (
        lambda x: kuai.stack([x[i] for i in range(x.shape[0])])
    ),
    "left open, at .*'batch' > '4' is inconclusive": lambda x: x if x.size(0) > 4 else -x,
    "returns a str": lambda x: (x, "text"),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_no_program_can_do_is_explained(tmp_path, message):
    net = Call(ERRORS[message])
    with pytest.raises(ExportError, match=message):
        kuai.export(net, kuai.rand(2, 3), tmp_path / "net.zip")
    assert not list(tmp_path.iterdir())
    assert net.training


def test_a_written_buffer_is_named(tmp_path):
    net = Call(lambda x: x)
    net.function = lambda x: (net.count.add_(1), x)[1]
    with pytest.raises(ExportError, match="'count' is written to"):
        kuai.export(net, kuai.rand(2, 3), tmp_path / "net.zip")
    assert net.count.item() == 0


def test_what_is_not_a_net_is_refused(tmp_path):
    with pytest.raises(TypeError, match="needs a Module, not a function"):
        kuai.export(asks, kuai.rand(2), tmp_path / "net.zip")
    with pytest.raises(ExportError, match="never called"):
        kuai.export(nn.LazyLinear(2), kuai.rand(2, 3), tmp_path / "net.zip")
    with pytest.raises(ExportError, match="names no format: .zip"):
        kuai.export(nn.Linear(3, 2), kuai.rand(2, 3), tmp_path / "net.pt")
    with pytest.raises(ExportError, match="example has a object in it"):
        kuai.export(nn.Linear(3, 2), object(), tmp_path / "net.zip")
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        kuai.export(nn.Linear(3, 2), kuai.rand(2, 4), tmp_path / "net.zip")


# The file -----------------------------------------------------------------------------------------


def test_the_same_net_gives_the_same_bytes(tmp_path):
    net = LeNet()
    paths = tmp_path / "one.zip", tmp_path / "two.zip"
    for batch, path in enumerate(paths, 1):
        kuai.export(net, kuai.rand(batch, 1, 28, 28), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        assert b".py" not in archive.read("program.jax")  # no file names of this machine


def test_a_failed_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.zip"
    kuai.export(nn.Linear(3, 2), kuai.rand(2, 3), path)
    before = path.read_bytes()
    with pytest.raises(ExportError):
        kuai.export(Call(asks), kuai.rand(2, 3), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["net.zip"]


def test_a_broken_file_says_so(tmp_path):
    path = tmp_path / "net.zip"
    kuai.export(nn.Linear(3, 2), kuai.rand(2, 3), path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for broken in (b"", content[:100], content[:-1], bytes(flipped), b"PK" + content):
        path.write_bytes(broken)
        if broken != b"PK" + content:  # bytes before an archive are allowed by the format
            with pytest.raises(BrokenFileError, match="net.zip"):
                kuai.load_exported(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 10**6)
    with pytest.raises(BrokenFileError, match="compressed"):
        kuai.load_exported(path)
    kuai.save({"w": kuai.ones(2)}, path)
    with pytest.raises(BrokenFileError, match="not a program that kuai.export wrote"):
        kuai.load_exported(path)

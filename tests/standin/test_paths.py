"""What popular packages import of PyTorch: all of it can be imported, but for what is listed here.

`used_names.json` holds the names that 60 packages import, by the path that they import them from.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

import kuai
from kuai.errors import UnavailableError
from kuai.standin import refused_paths
from tools import torch_paths

ROOT = pathlib.Path(__file__).parents[2]
USED = json.loads((pathlib.Path(__file__).parent / "used_names.json").read_text())

PRIVATE = "private to PyTorch; the package asks for it inside of a function or does without"
REASONS = {
    "_C._distributed_rpc": PRIVATE,
    "_dynamo.eval_frame.is_dynamo_supported": PRIVATE,
    "_dynamo.exc": PRIVATE,
    "_inductor.cpp_builder": PRIVATE,
    "_inductor.cpu_vec_isa": PRIVATE,
    "_inductor.runtime.cache_dir_utils": PRIVATE,
    "_jit_internal._copy_to_script_wrapper": PRIVATE,
    "_ops.HigherOrderOperator": PRIVATE,
    "_softmax_backward_data": PRIVATE,
    "distributed.distributed_c10d._new_process_group_helper": PRIVATE,
    "distributed.distributed_c10d._world": PRIVATE,
    "distributed.distributed_c10d.default_pg_timeout": "there is one process, which waits for none",
    "distributed.distributed_c10d.rendezvous": "there is one process",
    "distributed.fsdp.OptimStateKeyType": "FSDP belongs to several processes",
    "fx.symbolic_trace": "no path in PyTorch either; the package catches that",
    "onnx.ONNXProgram": "kuai.onnx.export writes a file and returns None",
    "onnx._internal.exporter": PRIVATE,
    "onnx.symbolic_opset9.masked_fill": "TorchScript's exporter, which is not here",
    "onnx.symbolic_opset9.softmax": "TorchScript's exporter, which is not here",
    "quantization.FakeQuantizeBase": "XLA has no quantized tensors as PyTorch has them",
    "quantization.ObserverBase": "XLA has no quantized tensors as PyTorch has them",
    "utils.tensorboard._pytorch_graph": PRIVATE,
}
if importlib.util.find_spec("tensorboard") is None:
    REASONS["utils.tensorboard"] = REASONS["utils.tensorboard.summary"] = "as PyTorch's: no package"

PROGRAM = """
import importlib, json, sys, warnings
import kuai
kuai.as_torch()
warnings.simplefilter("ignore")
missing = []
for path, names in json.load(sys.stdin).items():
    try:
        module = importlib.import_module(path)
    except ImportError:
        missing.append(path)
        continue
    for name in names:
        try:
            hasattr(module, name) or importlib.import_module(f"{path}.{name}")
        except ImportError:
            missing.append(f"{path}.{name}")
print(json.dumps(missing))
"""


def test_what_packages_import_is_there_or_listed():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(USED),
        capture_output=True,
        text=True,
        cwd=ROOT / "src",
        check=True,
    )
    missing = {name.removeprefix("torch.") for name in json.loads(done.stdout)}
    assert missing == set(REASONS)


def test_packages_make_pipes_of_pipes_that_are_refused():
    pipes = refused_paths.module_of("torch.utils.data.datapipes.iter")
    assert pipes is not None and issubclass(pipes.Batcher, kuai.utils.data.IterDataPipe)
    mine = type("Mine", (pipes.Batcher,), {"__iter__": lambda self: iter([])})
    assert kuai.utils.data.functional_datapipe("mine_of_theirs")(mine) is mine
    with pytest.raises(UnavailableError, match="data pipes"):
        mine([])


ALL_PATHS = """
import importlib, json, sys, warnings
import kuai
kuai.as_torch()
warnings.simplefilter("ignore")
missing = []
for path in json.load(sys.stdin):
    try:
        module = importlib.import_module(f"torch.{path}")
    except ImportError:
        missing.append(path)
from torch.ao.quantization.qconfig_mapping import QConfigMapping
from torch.profiler.profiler import profile
from torch.export.exported_program import ExportedProgram
import torch.signal.windows.windows, torch.ao.quantization.stubs
assert profile is kuai.profiler.profile
assert torch.signal.windows.windows.hann is kuai.signal.windows.hann
assert torch.ao.quantization.stubs.QuantStub is kuai.ao.quantization.QuantStub
assert not hasattr(torch.ao.quantization.qconfig_mapping, "Nothing")
try:
    QConfigMapping()
except kuai.errors.UnavailableError as error:
    assert "bfloat16" in str(error)
else:
    raise AssertionError("it was made")
json.dump(missing, sys.stdout)
"""


def test_every_public_path_of_pytorch_can_be_imported():
    ran = subprocess.run(
        [sys.executable, "-c", ALL_PATHS],
        input=json.dumps(torch_paths.paths()),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == []


WITHOUT_AN_IMPORT = """
import sys
import kuai
kuai.as_torch()
import torch
assert torch.nested is sys.modules["torch.nested"] and hasattr(torch.nn, "quantized")
assert torch.distributed.rpc.is_available() is False and not hasattr(torch, "_export_of_nothing")
try:
    torch.nested.nested_tensor([torch.ones(1)])
except kuai.errors.UnavailableError as error:
    assert "padding and a mask" in str(error)
else:
    raise AssertionError("it was made")
for module, text in ((torch, "'torch'"), (torch.nn, "'torch.nn'")):
    try:
        module.nonesuch
    except AttributeError as error:
        assert str(error) == f"module {text} has no attribute 'nonesuch'", error
"""


def test_modules_that_pytorch_loads_itself_are_there_without_an_import():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_AN_IMPORT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


FUNCTIONS_OF_THEIR_FILES_NAMES = """
import kuai
kuai.as_torch()
import torch
for path in (
    "autograd.gradcheck", "nn.utils.weight_norm", "nn.utils.spectral_norm", "multiprocessing.spawn",
    "nn.parallel.data_parallel", "nn.parallel.replicate", "_higher_order_ops.cond",
):
    exec(f"import torch.{path} as file")
    package = __import__("sys").modules[f"torch.{path.rpartition('.')[0]}"]
    assert type(getattr(package, path.rpartition(".")[2])).__name__ == "function", path
from torch.nn.utils.spectral_norm import SpectralNorm
layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 2))
assert any(isinstance(hook, SpectralNorm) for hook in layer._forward_pre_hooks.values())
"""


def test_an_import_of_a_file_leaves_the_function_of_its_name():
    ran = subprocess.run(
        [sys.executable, "-c", FUNCTIONS_OF_THEIR_FILES_NAMES], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_the_file_of_other_paths_is_up_to_date():
    """Its paths are those that the tool would write; that of the names takes a minute."""
    written = [line.split()[0] for line in torch_paths.FILE.read_text().splitlines()]
    assert written == torch_paths.others()
    for path in ("ao.quantization.qconfig_mapping", "fx.traceback", "jit.frontend"):
        assert " ".join([path, *torch_paths.names_in(path)]) in torch_paths.FILE.read_text()

"""Devices, on a machine with two forced host devices, and what importing Kuai sets in JAX."""

import os
import pathlib
import subprocess
import sys

import pytest
import torch

import kuai

ROOT = pathlib.Path(__file__).parents[2]


def run(code, **environment):
    """Run a program in a fresh interpreter; returns what it printed."""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("text", ["cpu", "cuda", "cuda:1", "cpu:0"])
def test_devices_print_as_in_pytorch(text):
    ours, theirs = kuai.device(text), torch.device(text)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    assert (ours.type, ours.index) == (theirs.type, theirs.index)


@pytest.mark.parametrize("text", ["cpu:", "gpu!", "", "cuda:x"])
def test_bad_device_strings_are_refused(text):
    with pytest.raises(RuntimeError):
        kuai.device(text)


def test_a_missing_accelerator_is_said_to_be_missing():
    if kuai.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        kuai.ones(2, device="cuda")


def test_two_devices():
    program = """
import kuai
x, y = kuai.ones(2, device="cpu:1"), kuai.ones(2)
print(x.device, y.device, (x + 1).device, x.to("cpu").device, kuai.rand(2, device="cpu:1").device)
net = kuai.nn.Linear(2, 1).to("cpu:1")
print(net.weight.device, net(x).device, kuai.compile(lambda x: net(x))(x).device)
try:
    x + y
except RuntimeError as error:
    print(error)
with kuai.device("cpu:1"):
    print(kuai.zeros(1).device)
print(kuai.zeros(1).device)
"""
    printed = run(program, XLA_FLAGS="--xla_force_host_platform_device_count=2").splitlines()
    assert printed[0] == "cpu:1 cpu cpu:1 cpu cpu:1"
    assert printed[1] == "cpu:1 cpu:1 cpu:1"
    assert printed[2].startswith(
        "Expected all tensors to be on the same device, but found at least"
    )
    assert printed[3:] == ["cpu:1", "cpu"]


def test_switches_of_the_cache_and_of_compilation(tmp_path):
    where = "import kuai, jax; print(jax.config.jax_compilation_cache_dir)"
    assert run(where, KUAI_CACHE="0").strip() == "None"
    assert run(where, KUAI_CACHE_DIR=str(tmp_path / "c")).strip() == str(tmp_path / "c")
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
    off = "import kuai; f = lambda x: x; print(kuai.compile(f) is f)"
    assert run(off, KUAI_COMPILE="0").strip() == "True"


def test_an_unwritable_cache_folder_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run("import kuai; print(kuai.ones(1))", KUAI_CACHE_DIR=str(blocked)).strip() == (
        "tensor([1.])"
    )


def test_importing_does_not_start_jax():
    code = "import kuai; from jax._src import xla_bridge as b; print(b.backends_are_initialized())"
    assert run(code).strip() == "False"


def test_the_tests_for_gpus_on_a_second_device_of_the_host():
    program = "import sys; sys.argv[1:] = ['--only', 'test_places']\n"
    program += "from tests.gpu.running import main; main()"
    path = os.pathsep.join(str(ROOT / folder) for folder in ("src", "."))
    forced = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "KUAI_GPU_TESTS": "cpu:1"}
    assert "0 failed, 0 left out" in run(program, PYTHONPATH=path, **forced)


def test_matrices_are_multiplied_precisely_once_there_is_a_gpu():
    program = """
import jax
import kuai
from kuai.engine.tensor import devices
host = jax.local_devices
jax.local_devices = lambda backend=None: host(backend="cpu") if backend == "cuda" else host()
before = jax.config.jax_default_matmul_precision
print(before, devices.device_count("cuda"), jax.config.jax_default_matmul_precision)
kuai.set_float32_matmul_precision("high")
devices._devices.cache_clear()
print(devices.device_count("cuda"), jax.config.jax_default_matmul_precision)
"""
    assert run(program).splitlines() == ["None 1 highest", "1 tensorfloat32"]


def test_a_stream_has_nothing_to_record():
    assert kuai.ones(1).record_stream(None) is None

"""What compiled programs do about memory, where the native library is there."""

import concurrent.futures
import os
import subprocess
import sys
import time

import pytest

import kuai
from kuai import nn
from kuai.backends import mkldnn
from kuai.engine.compile import equations
from kuai.ops.native import library

needs_native = pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")


class Residual(nn.Module):
    """Blocks whose inputs are the sums of all blocks before."""

    def __init__(self, depth):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(depth))

    def forward(self, x):
        for conv in self.convs:
            x = nn.functional.relu(x + conv(x))
        return x


def _text(compiled):
    """The program after XLA has optimized it."""
    program = compiled.programs[0]
    return program.function.lower(*program.avals).compile().as_text()


def _soon(condition):
    """A program's memory comes back a little later than its results."""
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.01)
    return False


def _training_step(net):
    optimizer = kuai.optim.Adam(net.parameters(), lr=0.1)

    @kuai.compile
    def step(x):
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


@needs_native
def test_memory_of_a_large_program_is_kept_for_its_next_call():
    net, eager = Residual(4), Residual(4)
    eager.load_state_dict(net.state_dict())
    small, large = kuai.randn(1, 4, 2, 2), kuai.randn(4, 4, 256, 256)
    step, again = _training_step(net), _training_step(eager)
    for x in (small, large, large, small, large):
        with mkldnn.flags(enabled=False):
            expected = again.function(x)
        assert kuai.allclose(step(x), expected, rtol=1e-4)
    assert _soon(lambda: library.kept_bytes() > 2**23)
    kuai.cuda.empty_cache()
    assert library.kept_bytes() == 0
    assert kuai.allclose(step(large), again.function(large), rtol=1e-4)


EAGER = """
import kuai
from kuai.ops.native import library
kuai.ones(1000) + 1
assert not library._kernels.cache_info().currsize
x = kuai.ones(2**20)
for _ in range(40):  # at first an operation is interpreted
    y = x.sin()
    del y
print(library.kept_bytes() >= 2**22)
"""


@needs_native
def test_large_results_of_operations_are_kept_too():
    done = subprocess.run([sys.executable, "-c", EAGER], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


@needs_native
def test_arrays_that_others_hold_are_left_alone():
    double = kuai.compile(lambda x: (x + 1) * 2)
    double(kuai.zeros(2**20))
    held = [double(kuai.full((2**20,), float(n))) for n in range(8)]
    arrays = [each.numpy() for each in held]
    del held
    for n in range(8, 16):
        double(kuai.full((2**20,), float(n)))
    assert [array.min() for array in arrays] == [array.max() for array in arrays]
    assert [array[0] for array in arrays] == [2 * (n + 1) for n in range(8)]


@needs_native
def test_programs_on_many_threads_share_what_is_kept():
    double = kuai.compile(lambda x: kuai.exp(x).log().mul(2).sum())

    def run(n):
        return [double(kuai.full((2**20 + 4096 * n,), 1.0)).item() for _ in range(6)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for n, found in enumerate(pool.map(run, range(8))):
            assert found == pytest.approx([2 * (2**20 + 4096 * n)] * 6)


KEPT = """
import time
import kuai
from kuai.ops.native import library
from kuai.backends import mkldnn
assert mkldnn.is_available()
step = kuai.compile(lambda x: (kuai.relu(kuai.conv2d(x, x[:4, :4, :3, :3])) * 2).sum())
for _ in range(3):
    step(kuai.ones(4, 4, 512, 512)).item()
time.sleep(0.2)
print(library.kept_bytes() > 2**20)
"""


@needs_native
@pytest.mark.parametrize("setting", ["1", "0"])
def test_the_environment_says_whether_memory_is_kept(setting):
    environment = {**os.environ, "KUAI_KEPT_MEMORY": setting}
    done = subprocess.run(
        [sys.executable, "-c", KEPT], env=environment, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == (str(setting == "1"), "")


@needs_native
def test_programs_without_inputs_or_results(monkeypatch):
    monkeypatch.setattr(equations, "_LARGE", 0)
    made = kuai.compile(lambda: kuai.ones(3) * 2)
    assert made().tolist() == [2, 2, 2]
    nothing = kuai.compile(lambda x: None)
    assert nothing(kuai.ones(2)) is None


@needs_native
def test_what_convolutions_read_is_computed_once():
    net, x = Residual(12).eval(), kuai.randn(1, 4, 8, 8)
    run = kuai.compile(net.forward)
    with kuai.no_grad():
        assert kuai.allclose(run(x), net(x), rtol=1e-4, atol=1e-5)
        text = _text(run)
    assert text.count('custom_call_target="kuai_keep"') == 11
    operands = [line.split("fusion(")[1].split("), kind")[0].count("%")
                for line in text.splitlines() if " fusion(" in line]  # fmt: skip
    assert max(operands) <= 4


def test_no_weight_is_copied_before_it_is_written():
    net = nn.Sequential(*(nn.Linear(96, 96) for _ in range(3)))
    step, x = _training_step(net), kuai.randn(7, 96)
    step(x)
    weights = [line for line in _text(step).splitlines() if "= f32[96,96]" in line]
    assert weights
    assert not [line for line in weights if " copy(" in line]


PARTITIONED = """
import jax, kuai, numpy
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from kuai.engine.compile import equations
from kuai.ops.native import library
from kuai.engine.tensor import wrap
equations._LARGE = 0
mesh = Mesh(jax.devices(), ("parts",))
place = lambda tensor, *spec: wrap(
    jax.device_put(tensor.numpy(), NamedSharding(mesh, PartitionSpec(*spec))))
x, weight = kuai.randn(4, 3, 8, 8), kuai.randn(3, 3, 3, 3)
run = lambda x, weight: kuai.conv2d(kuai.relu(kuai.conv2d(x, weight) * 2), weight)
given = place(x, "parts"), place(weight)
found, expected = kuai.compile(run)(*given).numpy(), run(x, weight).numpy()
numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
"""


def test_partitioned_programs():
    done = subprocess.run(
        [sys.executable, "-c", PARTITIONED],
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")

"""Arrays that lie on several devices: saved through Orbax, restored to where they are wanted."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("orbax.checkpoint", reason="the extra `orbax` is not installed")

PROGRAM = """
import pathlib, sys
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import kuai
from kuai import nn

mesh = Mesh(np.array(jax.devices("cpu")), ("parts",))
rows, columns, everywhere = (
    NamedSharding(mesh, PartitionSpec(*spec)) for spec in (("parts",), (None, "parts"), ())
)
folder = pathlib.Path(sys.argv[1])

def model(placement, number):
    net = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    values = np.arange(32, dtype="float32").reshape(4, 8) * number
    if placement is not None:
        values = jax.device_put(values, placement)
    net[0].weight.data = kuai.tensor(values) if placement is None else spread(values)
    return net

def spread(array):
    from kuai.engine.tensor import from_array
    tensor = from_array(array)
    assert tensor.__jax_array__().sharding == array.sharding
    return tensor

def placement_of(tensor):
    return tensor.__jax_array__().sharding

first = kuai.Checkpointer(folder, keep=2, model=model(rows, 1), asynchronous=ASYNCHRONOUS)
assert "orbax" not in sys.modules
for step in range(1, 4):
    first.save(step)
first.save(3)  # once more: not over the arrays that the old file names
first.wait()
assert first.steps() == [2, 3]
names = sorted(path.name for path in folder.iterdir())
assert names == [
    "step-00000002.arrays", "step-00000002.safetensors",
    "step-00000003.arrays-again", "step-00000003.safetensors",
], names
for placement in (rows, columns, everywhere, None):
    net = model(placement, 7)
    before = placement_of(net[0].weight)
    assert kuai.Checkpointer(folder, model=net).restore() == 3
    assert net[0].weight.tolist() == first.objects["model"][0].weight.tolist()
    assert net[1].weight.tolist() == first.objects["model"][1].weight.tolist()
    assert placement_of(net[0].weight) == before, (placement_of(net[0].weight), before)

# saved on one device, wanted on several
single = kuai.Checkpointer(folder / "single", model=model(None, 3), asynchronous=False)
single.save(1)
net = model(columns, 1)
kuai.Checkpointer(folder / "single", model=net).restore()
assert placement_of(net[0].weight) == columns
assert net[0].weight.tolist() == single.objects["model"][0].weight.tolist()

# a killed writer's arrays
(folder / "step-00000009.arrays").mkdir()
again = kuai.Checkpointer(folder, keep=1, model=net)
again.restore(3)
again.save(4)
again.wait()
names = sorted(path.name for path in folder.iterdir())
assert names == ["single", "step-00000004.arrays", "step-00000004.safetensors"], names
print("all right")
"""


@pytest.mark.parametrize("asynchronous", [True, False])
def test_arrays_on_four_devices(tmp_path, asynchronous):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    environment = {
        **os.environ,
        "PYTHONPATH": os.path.join(root, "src"),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("ASYNCHRONOUS", str(asynchronous)), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert found.stdout == "all right\n", found.stderr

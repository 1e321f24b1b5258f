"""What a contender's process counts."""

import subprocess
import sys

COUNTS = """
from benchmarks.worker import Contender
for depth in (2, 10):
    contender = Contender(f"depth={depth}", "Kuai compiled")
    contender.make()
    contender.first()
    contender.run("8")
    print(contender.calls()["calls"])
"""


def test_a_replayed_step_calls_no_more_functions_with_more_layers():
    done = subprocess.run([sys.executable, "-c", COUNTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    assert few == many < 200

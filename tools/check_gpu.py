"""Runs the tests for GPUs and the benchmark, each within its time; see `tools/check_gpu.sh`."""

import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent
#: Seconds for everything, for the tests, and those that the benchmark may need to stop.
ALL, TESTS, SLACK = 470, 130, 20


def environment(cpu: bool) -> dict[str, str]:
    """That of the tests: no memory taken beforehand, and on a CPU a second device of the host."""
    found = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if cpu:
        forced = "--xla_force_host_platform_device_count=2"
        found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {forced}".strip()
        found |= {"KUAI_GPU_TESTS": "cpu:1", "JAX_PLATFORMS": "cpu"}
    return found


def describe(cpu: bool) -> bool:
    """Print what is there; whether that is enough."""
    code = "import jax; print('jax', jax.__version__, [d.device_kind for d in jax.devices()])"
    code += f"; import sys; sys.exit(not ({cpu} or jax.default_backend() == 'gpu'))"
    found = run([sys.executable, "-c", code], 60, environment(cpu))
    if found:
        print("JAX sees no GPU here: install it for CUDA, or try the script with --cpu.")
    return not found


def run(command: list[str], seconds: float, environment: dict[str, str]) -> int:
    """Run a command for at most so many seconds: its exit status, 124 if it was stopped."""
    try:
        return subprocess.run(command, timeout=seconds, cwd=ROOT, env=environment).returncode
    except subprocess.TimeoutExpired:
        print(f"stopped after {seconds:.0f} s: {' '.join(command)}", flush=True)
        return 124


def benchmark(options: argparse.Namespace, seconds: float) -> int:
    """Run the benchmark within so many seconds."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--seconds", str(seconds - SLACK)]
    if options.cpu:
        (ROOT / ".cache").mkdir(exist_ok=True)
        command += ["--cpu", "--out", str(ROOT / ".cache" / "results-gpu.json")]
    if options.cases:
        command += ["--cases", *options.cases]
    if options.traces:
        command += ["--traces", options.traces]
    return run(command, seconds, dict(os.environ))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/check_gpu.sh", description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="small sizes, on the CPU")
    parser.add_argument("--seconds", type=float, default=ALL, help="for everything")
    parser.add_argument("--only", choices=("tests", "benchmark"))
    parser.add_argument("--cases", nargs="+", help="of the benchmark")
    parser.add_argument("--traces", help="a folder for the benchmark's kernels")
    options = parser.parse_args()
    deadline, status = time.monotonic() + options.seconds, 0
    if not describe(options.cpu):
        sys.exit(2)
    if options.only != "benchmark":
        share = options.seconds if options.only else min(TESTS, options.seconds / 3)
        tests = [sys.executable, "-m", "tests.gpu.running", "--seconds", str(share - 10)]
        status = run(tests, share, environment(options.cpu))
    if options.only != "tests":
        status = benchmark(options, deadline - time.monotonic()) or status
    sys.exit(status)


if __name__ == "__main__":
    main()

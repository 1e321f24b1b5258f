"""Times all contenders on all cases, in turns, and writes the ratios to results.json.

Every contender has a process of its own. They are made and warmed up one after the other, and then
take turns in short rounds, so that a slow minute of the machine hits them all. A contender's time
is the median of its rounds; a ratio is the median, over the rounds, of its time by Kuai's in the
same round, with the quartiles as its spread.

    python -m benchmarks [--cases mlp lenet] [--rounds 20] [--out benchmarks/results.json]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import CONTENDERS, MODULES

FOLDER = pathlib.Path(__file__).parent
CASES = ["mlp", "deep_mlp", "lenet"]
REFERENCE = "Kuai compiled"
SECONDS_PER_ROUND = 0.25
WARM_UP_ROUNDS = 2
PAUSE = 0.05  # until the threads of the one before have gone to sleep


class Worker:
    """A contender's process."""

    def __init__(self, case: str, contender: str, scratch: str) -> None:
        # no compiled program of an earlier run may shorten the first step
        environment = {**os.environ, "KUAI_CACHE": "0", "TORCHINDUCTOR_CACHE_DIR": scratch}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", case, contender],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=FOLDER.parent,
            env=environment,
        )

    def ask(self, order: str) -> dict[str, float]:
        """Send an order and wait for the answer."""
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            lines = self.errors.read().strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"exit status {self.process.returncode}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def run_case(case: str, rounds: int, console: Console) -> dict[str, Any]:
    """The results of all contenders on one case."""
    name = importlib.import_module(f"benchmarks.cases.{case}").CASE.name
    console.print(f"[bold]{name}")
    with tempfile.TemporaryDirectory() as scratch:
        workers: dict[str, Worker] = {}
        results: dict[str, Any] = {}
        try:
            for contender in CONTENDERS:
                started = _start(case, contender, scratch, results, console)
                if started is not None:
                    workers[contender] = started
            _take_turns(workers, results, rounds, console)
        finally:
            for worker in workers.values():
                worker.close()
    _compare(results)
    return {"name": name, "contenders": results}


def _start(case, contender, scratch, results, console) -> Worker | None:
    """A worker that has made its first step, or None with the reason in the results."""
    if importlib.util.find_spec(MODULES[contender]) is None:
        results[contender] = {"missing": f"{MODULES[contender]} is not installed"}
        return None
    worker = Worker(case, contender, scratch)
    try:
        first = worker.ask("first")
        second = worker.ask("run 1")
    except RuntimeError as error:
        results[contender] = {"missing": str(error)}
        console.print(f"  {contender}: {error}", style="red", markup=False)
        worker.close()
        return None
    results[contender] = {
        "first_step_seconds": first["seconds"],
        "losses": [first["loss"], second["loss"]],
    }
    return worker


def _take_turns(workers, results, rounds, console) -> None:
    counts = {name: _calibrate(worker) for name, worker in workers.items()}
    times: dict[str, list[float]] = {name: [] for name in workers}
    with console.status("") as status:
        for number in range(WARM_UP_ROUNDS + rounds):
            status.update(f"round {number + 1} of {WARM_UP_ROUNDS + rounds}")
            for name, worker in workers.items():
                time.sleep(PAUSE)
                elapsed = worker.ask(f"run {counts[name]}")["seconds"] / counts[name]
                if number >= WARM_UP_ROUNDS:
                    times[name].append(elapsed)
    for name, worker in workers.items():
        results[name] |= {"step_seconds": times[name], **worker.ask("end")}


def _calibrate(worker: Worker) -> int:
    """How many steps make a round."""
    count = 1
    while (elapsed := worker.ask(f"run {count}")["seconds"]) < SECONDS_PER_ROUND / 4:
        count *= 2
    return max(1, round(count * SECONDS_PER_ROUND / elapsed))


def _compare(results: dict[str, Any]) -> None:
    """Medians and ratios; the losses of all contenders have to agree."""
    ran = {name: found for name, found in results.items() if "step_seconds" in found}
    reference = ran.get(REFERENCE)
    for name, found in ran.items():
        found["median_seconds"] = statistics.median(found["step_seconds"])
        if reference is None:
            continue
        pairs = zip(found["step_seconds"], reference["step_seconds"], strict=True)
        ratios = [theirs / ours for theirs, ours in pairs]
        found["ratio"] = statistics.median(ratios)
        found["ratio_quartiles"] = statistics.quantiles(ratios, n=4)[::2]
        for ours, theirs in zip(reference["losses"], found["losses"], strict=True):
            if not math.isclose(ours, theirs, rel_tol=1e-3):
                raise AssertionError(f"{name} computes something else: {theirs}, not {ours}")


def show(case: dict[str, Any], console: Console) -> None:
    """Print the results of a case as a table."""
    table = Table("", "step", "time by Kuai's", "quartiles", "first step", "peak memory")
    for name, found in case["contenders"].items():
        if "missing" in found:
            table.add_row(name, found["missing"])
            continue
        low, high = found.get("ratio_quartiles", (math.nan, math.nan))
        table.add_row(
            name,
            f"{found['median_seconds'] * 1e3:.3f} ms",
            f"{found.get('ratio', math.nan):.2f}",
            f"{low:.2f} – {high:.2f}",
            f"{found['first_step_seconds']:.2f} s",
            f"{found['peak_mib']:.0f} MiB",
        )
    console.print(table)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ["kuai-nn", "jax", "torch", "flax", "equinox", "optax", "numpy"]
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _warn_if_busy(console: Console) -> None:
    # threads that wait for each other by spinning, as OpenMP's do, suffer a hundredfold
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        console.print(f"The machine is busy (load {load:.1f}): these numbers mean little.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER / "results.json")
    options = parser.parse_args()
    console = Console()
    _warn_if_busy(console)
    results = {"machine": machine(), "rounds": options.rounds, "cases": {}}
    for case in options.cases:
        results["cases"][case] = run_case(case, options.rounds, console)
        show(results["cases"][case], console)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    console.print(f"written to {options.out}")


if __name__ == "__main__":
    main()

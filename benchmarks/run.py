"""Times all contenders on all cases, in turns, and writes the ratios to results.json.

Every contender has a process of its own. They are made and warmed up one after the other, and then
take turns in short rounds, so that a slow minute of the machine hits them all. A contender's time
is the median of its rounds; a ratio is the median, over the rounds, of its time by Kuai's in the
same round, with the quartiles as its spread. A contender that fails or takes too long is left out,
with the reason in the results.

    python -m benchmarks [--cases mlp lenet] [--skip torch.compile] [--rounds 20]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS, ENVIRONMENT, MODULES, why_not
from benchmarks.machine import machine

FOLDER = pathlib.Path(__file__).parent
REFERENCE = "Kuai compiled"
SECONDS_PER_ROUND = 1.0
FEWEST_ROUNDS = 6
WARM_UP_ROUNDS = 1
PAUSE = 0.05  # until the threads of the one before have gone to sleep


class Worker:
    """A contender's process."""

    def __init__(self, case: str, contender: str, scratch: str, limit: float) -> None:
        # no compiled program of an earlier run may shorten the first step
        environment = {**os.environ, "KUAI_CACHE": "0", "TORCHINDUCTOR_CACHE_DIR": scratch}
        environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        environment.update(ENVIRONMENT.get(contender, {}))
        self.limit = limit
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

    def ask(self, *orders: str) -> dict[str, float]:
        """Send orders and wait for the answer to the last; RuntimeError where there is none."""
        self.tell(*orders)
        return self.answers(len(orders))[-1]

    def tell(self, *orders: str) -> None:
        """Send orders, without waiting."""
        try:
            self.process.stdin.write("".join(f"{order}\n" for order in orders))
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise RuntimeError(self._last_words()) from error

    def answers(self, count: int) -> list[dict[str, float]]:
        """The answers to so many orders."""
        late = threading.Timer(self.limit, self.process.kill)
        late.start()
        lines = [self.process.stdout.readline() for _ in range(count)]
        late.cancel()
        if not lines[-1]:
            raise RuntimeError(self._last_words())
        return [json.loads(line) for line in lines]

    def _last_words(self) -> str:
        if self.process.wait() == -9:
            return f"no answer within {self.limit:.0f} s, or not enough memory"
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        errors = [line for line in lines if "Error" in line.partition(":")[0].split(" ")[0]]
        return (errors or lines or [f"exit status {self.process.returncode}"])[-1]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def run_case(case: str, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The results of all contenders on one case."""
    console.print(f"[bold]{CASES[case].name}")
    with tempfile.TemporaryDirectory() as scratch:
        workers: dict[str, Worker] = {}
        results: dict[str, Any] = {}
        try:
            for contender in CONTENDERS:
                reason = _absence(CASES[case], contender, options.skip)
                if reason is not None:
                    results[contender] = {"missing": reason}
                    continue
                workers[contender] = Worker(case, contender, scratch, options.limit)
                workers[contender].tell("make")  # they import side by side
            for contender in list(workers):
                _attempt(_first_steps, contender, workers, results, console)
            _take_turns(workers, results, options, console)
        finally:
            for worker in workers.values():
                worker.close()
    _compare(results, CASES[case].is_random)
    training = CASES[case].training
    return {"name": CASES[case].name, "training": training, "contenders": results}


def _absence(case: Case, contender: str, skipped: list[str]) -> str | None:
    """Why a contender does not take part, or None if it does."""
    if contender in skipped:
        return "left out of this run"
    if importlib.util.find_spec(MODULES[contender]) is None:
        return f"{MODULES[contender]} is not installed"
    return why_not(case, contender)


def _attempt(action, contender, workers, results, console) -> Any:
    """Have a contender do something; if it fails it is out, with the reason in the results."""
    try:
        return action(contender, workers[contender], results)
    except RuntimeError as error:
        results[contender] = {"missing": str(error)}
        console.print(f"  {contender}: {error}", style="red", markup=False)
        workers.pop(contender).close()
        return None


def _first_steps(contender, worker, results) -> None:
    worker.answers(1)  # it has been made
    first = worker.ask("first")
    second = worker.ask("run 1")
    results[contender] = {
        "first_step_seconds": first["seconds"],
        "losses": [first["loss"], second["loss"]],
        "step_seconds": [],
    }


def _take_turns(workers, results, options, console) -> None:
    counts = {}
    for name in list(workers):
        counts[name] = _attempt(_calibrate, name, workers, results, console)
    start, number = time.monotonic(), -WARM_UP_ROUNDS
    with console.status("") as status:
        while number < options.rounds:
            if number >= FEWEST_ROUNDS and time.monotonic() - start > options.seconds:
                break
            status.update(f"round {number + 1} of {options.rounds}")
            for name in list(workers):
                time.sleep(PAUSE)
                run = _round(counts[name], kept=number >= 0)
                _attempt(run, name, workers, results, console)
            number += 1
    for name in list(workers):
        _attempt(_end, name, workers, results, console)


def _calibrate(contender, worker, results) -> int:
    """How many steps make a round."""
    count = 1
    while (elapsed := worker.ask(f"run {count}")["seconds"]) < SECONDS_PER_ROUND / 4:
        count *= 2
    return max(1, round(count * SECONDS_PER_ROUND / elapsed))


def _round(count: int, kept: bool):
    def run(contender, worker, results):
        elapsed = worker.ask(f"run {count}")["seconds"] / count
        if kept:
            results[contender]["step_seconds"].append(elapsed)

    return run


def _end(contender, worker, results) -> None:
    results[contender] |= worker.ask("end")


def _compare(results: dict[str, Any], is_random: bool) -> None:
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
            if not math.isclose(ours, theirs, rel_tol=0.1 if is_random else 1e-3):
                raise AssertionError(f"{name} computes something else: {theirs}, not {ours}")


def show(case: dict[str, Any], console: Console) -> None:
    """Print the results of a case as a table."""
    table = Table("", "step", "time by Kuai's", "quartiles", "first step", "memory", "of steps")
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
            f"{found['steps_mib']:.0f} MiB",
        )
    console.print(table)


def _warn_if_busy(console: Console) -> None:
    # threads that wait for each other by spinning, as OpenMP's do, suffer a hundredfold
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        console.print(f"The machine is busy (load {load:.1f}): these numbers mean little.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--skip", nargs="+", choices=CONTENDERS, default=[], metavar="CONTENDER")
    parser.add_argument("--rounds", type=int, default=20, help="at most so many for a case")
    parser.add_argument("--seconds", type=float, default=12, help="for the rounds of a case")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one answer")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER / "results.json")
    options = parser.parse_args()
    console = Console()
    _warn_if_busy(console)
    results = {"machine": machine(), "rounds": options.rounds, "cases": {}}
    for case in options.cases:
        results["cases"][case] = run_case(case, options, console)
        show(results["cases"][case], console)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    console.print(f"written to {options.out}")


if __name__ == "__main__":
    main()

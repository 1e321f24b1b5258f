"""Times Kuai, PyTorch and hand-written JAX on a GPU, in turns, within so many seconds.

    python -m benchmarks.gpu [--cases mlp gpt] [--skip torch.compile] [--seconds 330] [--cpu]

The contenders of a case are processes of their own; they take their first steps side by side,
since that is mostly compiling, and are timed in turns: nobody else computes meanwhile. A case that
there is no time for is left out, and the results say so. `--cpu` tries everything with small sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile
import time
from typing import Any

from benchmarks.comparing import agree, compare
from benchmarks.gpu.cases import cases
from benchmarks.gpu.report import table
from benchmarks.gpu.worker import CONTENDERS
from benchmarks.machine import machine
from benchmarks.process import ROOT, Worker

OUT = ROOT / "benchmarks" / "results-gpu.json"
SECONDS_PER_ROUND = 0.4
ROUNDS, FEWEST_ROUNDS = 10, 4
#: A case is not begun with less than this left; its rounds may take this long.
SHORTEST, LONGEST_ROUNDS = 25, 20
# JAX would take three quarters of the card's memory for itself.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
# Five processes on the few cores of a CPU must not wait for each other by spinning.
ON_CPU = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}


def run_case(
    name: str, small: bool, deadline: float, skipped: list[str], traces: pathlib.Path | None
) -> dict[str, Any]:
    """The results of all contenders on one case; traces of their steps go to a folder, if any."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--cpu"] if small else []
        environment = {**ENVIRONMENT, **(ON_CPU if small else {})}
        workers = {
            contender: Worker(
                "benchmarks.gpu.worker", [name, contender, *options], scratch, SHORTEST, environment
            )
            for contender in CONTENDERS
            if contender not in skipped
        }
        try:
            _first_steps(workers, results, deadline)
            for contender in agree(results, cases(small)[name].tolerance):
                workers.pop(contender).close()
            _take_turns(workers, results, deadline)
            _end(name, workers, results, deadline, traces)
        finally:
            for worker in workers.values():
                worker.close()
    _forget_the_untimed(results)
    compare(results)
    return {"name": cases(small)[name].name, "contenders": results}


def _attempt(action, contender, workers, results, deadline) -> Any:
    """Have a contender do something; if it fails it is out, with the reason in the results."""
    worker = workers[contender]
    worker.limit = max(deadline - time.monotonic(), 1)
    try:
        return action(worker)
    except RuntimeError as error:
        results[contender] = {"missing": str(error)}
        print(f"  {contender}: {error}", flush=True)
        workers.pop(contender).close()
        return None


def _first_steps(workers, results, deadline) -> None:
    """All together; nobody's time counts here but that of the first step, compiling included."""
    for name in list(workers):
        _attempt(
            lambda worker: worker.tell("make", "first", "run 1"), name, workers, results, deadline
        )
    for name in list(workers):
        answers = _attempt(lambda worker: worker.answers(3), name, workers, results, deadline)
        if answers is not None:
            made, first, second = answers
            results[name] = {
                "device": made["device"],
                "first_step_seconds": first["seconds"],
                "losses": [first["loss"], second["loss"]],
                "step_seconds": [],
            }


def _take_turns(workers, results, deadline) -> None:
    counts, start = {}, time.monotonic()
    for name in list(workers):
        counts[name] = _attempt(_calibrate, name, workers, results, deadline)
    for number in range(ROUNDS):
        now = time.monotonic()
        if number >= FEWEST_ROUNDS and (now - start > LONGEST_ROUNDS or now > deadline):
            break
        for name in list(workers):
            elapsed = _attempt(
                lambda worker, name=name: worker.ask(f"run {counts[name]}"),
                name,
                workers,
                results,
                deadline,
            )
            if elapsed is not None:
                results[name]["step_seconds"].append(elapsed["seconds"] / counts[name])


def _end(case, workers, results, deadline, traces) -> None:
    for name in list(workers):
        if traces is not None:
            path = traces / f"{case}-{name.replace(' ', '-')}.json.gz"
            order = f"trace {path}"
            traced = _attempt(
                lambda worker, order=order: worker.ask(order), name, workers, results, deadline
            )
            print(f"  {name}: {(traced or {}).get('untraced', path)}", flush=True)
        if name not in workers:
            continue
        needed = _attempt(lambda worker: worker.ask("end"), name, workers, results, deadline)
        results[name] |= needed or {}


def _calibrate(worker) -> int:
    """How many steps make a round."""
    count = 1
    while (elapsed := worker.ask(f"run {count}")["seconds"]) < SECONDS_PER_ROUND / 4:
        count *= 2
    return max(1, round(count * SECONDS_PER_ROUND / elapsed))


def _forget_the_untimed(results) -> None:
    for name, found in results.items():
        if not found.get("step_seconds", True):
            results[name] = {"missing": "it was not timed"}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--cases", nargs="+", choices=cases(True))
    parser.add_argument("--skip", nargs="+", choices=CONTENDERS, default=[], metavar="CONTENDER")
    parser.add_argument("--seconds", type=float, default=330, help="for everything")
    parser.add_argument("--cpu", action="store_true", help="small sizes, on the CPU")
    parser.add_argument("--traces", type=pathlib.Path, help="a folder for each one's kernels")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    os.environ.setdefault("PYTHONPATH", "src:.")
    if options.traces:
        options.traces.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine(), "left_out": [], "cases": {}}
    for name in options.cases or cases(options.cpu):
        left = deadline - time.monotonic()
        if left < SHORTEST:
            results["left_out"].append(name)
            continue
        print(f"{name} ({left:.0f} s left)", flush=True)
        found = run_case(name, options.cpu, deadline, options.skip, options.traces)
        results["cases"][name] = found
        devices = {each["device"] for each in found["contenders"].values() if "device" in each}
        results["machine"].setdefault("devices", []).extend(devices)
        results["machine"]["devices"] = sorted(set(results["machine"]["devices"]))
        _write(options.out, results)
    _write(options.out, results)
    print(table(results))
    print(f"written to {options.out}")


def _write(path, results) -> None:
    """After every case: who has to stop early has something."""
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(results) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How fast a loader is beside PyTorch's, and whether a compiled ResNet-18 waits for its batches.

    python -m benchmarks.loading [--rounds 5] [--small]

The libraries' processes take turns, and of each the smallest time counts: whatever else the machine
does only adds to it. With more workers than free processors the times say little about loaders.
Writes benchmarks/results-loading.json, and prints its table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from typing import Any

from benchmarks.machine import machine
from benchmarks.process import ROOT, Worker

LIBRARIES = {"Kuai": "kuai", "PyTorch": "torch"}
WORKERS = (0, 2, 4)
KINDS = {"pictures": "a class of one's own, NumPy", "rows": "TensorDataset"}
OUT = ROOT / "benchmarks" / "results-loading.json"
LIMIT = 600.0


def measure(rounds: int, steps: int) -> dict[str, Any]:
    """The smallest seconds of everything, by its name."""
    with tempfile.TemporaryDirectory() as scratch:
        workers = {
            name: Worker("benchmarks.loading_worker", [library], scratch, LIMIT, {})
            for name, library in LIBRARIES.items()
        }
        try:
            return {
                "passes": [_passes(workers, kind, n, rounds) for kind in KINDS for n in WORKERS],
                "steps": [_steps(workers["Kuai"], n, rounds, steps) for n in WORKERS],
            }
        finally:
            for worker in workers.values():
                worker.close()


def _passes(workers: dict[str, Worker], kind: str, number: int, rounds: int) -> dict[str, Any]:
    order = f"one_pass {kind} {number}"
    for worker in workers.values():
        worker.ask(order)  # the first pass starts processes, and is not counted
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.ask(order)["seconds"])
    least = {name: min(each) for name, each in seconds.items()}
    return {"data": kind, "workers": number, "seconds": least, "ratio": _ratio(least)}


def _ratio(least: dict[str, float]) -> float:
    return round(least["PyTorch"] / least["Kuai"], 2)


def _steps(worker: Worker, number: int, rounds: int, steps: int) -> dict[str, Any]:
    found: dict[str, list[float]] = {f"ready {steps}": [], f"fed {steps} {number}": []}
    worker.ask("ready 2")
    for _ in range(rounds):
        for order, seconds in found.items():
            seconds.append(worker.ask(order)["seconds"])
    ready, fed = map(min, found.values())
    return {"workers": number, "ready": ready, "fed": fed, "ratio": round(fed / ready, 2)}


def table(results: dict[str, Any]) -> str:
    """The results as a table of Markdown."""
    lines = ["| | 0 workers | 2 workers | 4 workers |", "|---|---|---|---|"]
    for kind, what in KINDS.items():
        ratios = [f"{row['ratio']:.2f}" for row in results["passes"] if row["data"] == kind]
        lines.append(f"| PyTorch's time / Kuai's, {what} | {' | '.join(ratios)} |")
    ratios = [f"{row['ratio']:.2f}" for row in results["steps"]]
    lines.append(f"| ResNet-18 step, fed / ready | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="one short round, nothing is written")
    options = parser.parse_args()
    results = measure(1 if options.small else options.rounds, 2 if options.small else 8)
    if not options.small:
        OUT.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()

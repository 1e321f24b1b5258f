"""How the time of a training step grows with depth, width, batch and the number of parameters.

    python -m benchmarks.scale [--axes depth width] [--small]
    python -m benchmarks.scale --plot         draw what was measured, without measuring

Contenders take turns in short rounds, and the smallest time counts: whatever else the machine does
only adds to it. Beside it stands how many functions Python calls in a step, which no other program
can disturb. Writes benchmarks/results-scale.json and draws docs/scale.svg; what was measured before
on other axes is kept. `--small` tries it with small sizes and writes to .cache/.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import tempfile
from typing import Any

from benchmarks.contenders import ENVIRONMENT
from benchmarks.machine import machine
from benchmarks.process import ROOT, Worker
from benchmarks.sizes import AXES, SMALL

CONTENDERS = ["Kuai compiled", "Kuai recorded", "Kuai eager", "PyTorch eager", "jax.jit by hand"]
OUT, PLOT = ROOT / "benchmarks" / "results-scale.json", ROOT / "docs" / "scale.svg"
ROUNDS, SECONDS_PER_ROUND = 8, 0.3
WARM = 4  # steps before it is seen how many make a round
LABELS = {
    "depth": "layers of 64, batch 32",
    "width": "features, 2 layers, batch 32",
    "batch": "rows, 64-256-256-10",
    "parameters": "parameters, 2 layers, batch 8",
}


def measure(case: str, rounds: int, limit: float) -> dict[str, Any]:
    """Seconds and calls of a step for every contender; a reason where there are none."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        workers = {
            each: Worker(
                "benchmarks.worker", [case, each], scratch, limit, ENVIRONMENT.get(each, {})
            )
            for each in CONTENDERS
        }
        try:
            for name in CONTENDERS:
                begun = _attempt(_begin, name, workers, found)
                if begun is not None:
                    found[name] = {"first_step_seconds": begun[0], "steps_a_round": begun[1]}
            _rounds(workers, found, rounds)
            for name in list(workers):
                calls = _attempt(lambda worker: worker.ask("calls"), name, workers, found)
                found[name].update(calls or {})
        finally:
            for worker in workers.values():
                worker.close()
    return found


def _attempt(action, name, workers, found) -> Any:
    """Have a contender do something; if it fails it is out, with the reason in the results."""
    try:
        return action(workers[name])
    except RuntimeError as error:
        found[name] = {"missing": str(error)}
        workers.pop(name).close()
        return None


def _begin(worker) -> tuple[float, int]:
    """The seconds of the first step, and how many steps make a round."""
    first = worker.ask("make", "first")["seconds"]
    worker.ask(f"run {WARM}")  # in which steps are proven, and operations compiled
    count = 1
    while (seconds := worker.ask(f"run {count}")["seconds"]) < SECONDS_PER_ROUND / 4:
        count *= 2
    return first, max(1, round(count * SECONDS_PER_ROUND / seconds))


def _rounds(workers, found, rounds) -> None:
    for _ in range(rounds):
        for name in list(workers):
            count = found[name]["steps_a_round"]
            made = _attempt(lambda worker, n=count: worker.ask(f"run {n}"), name, workers, found)
            if made is not None:
                seconds = made["seconds"] / count
                found[name]["seconds"] = min(found[name].get("seconds", seconds), seconds)


def draw(results: dict[str, Any], path: pathlib.Path) -> None:
    """One picture for each axis: time against size, both logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kuai"  # the same picture for the same numbers
    from matplotlib import pyplot

    axes = results["axes"]
    figure, places = pyplot.subplots(1, len(axes), figsize=(4 * len(axes), 3.6), squeeze=False)
    for place, (axis, sizes) in zip(places[0], axes.items(), strict=True):
        for name in CONTENDERS:
            points = [
                (int(size), 1e3 * found[name]["seconds"])
                for size, found in sizes.items()
                if "seconds" in found[name]
            ]
            place.plot(*zip(*points, strict=True), marker=".", label=name) if points else None
        place.set(xscale="log", yscale="log", title=axis, xlabel=LABELS[axis], ylabel="ms a step")
        place.grid(alpha=0.3)
    places[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def show(axis: str, size: int, found: dict[str, Any]) -> None:
    """Print a line."""
    cells = [
        f"{name} {1e3 * each['seconds']:.3f} ms, {each['calls']} calls"
        if "seconds" in each
        else f"{name}: {each['missing']}"
        for name, each in found.items()
    ]
    print(f"{axis} {size}: " + "; ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--small", action="store_true", help="try it with small sizes")
    parser.add_argument("--plot", action="store_true", help="draw what was measured before")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--limit", type=float, default=300, help="seconds for one answer")
    options = parser.parse_args()
    out, plot = OUT, PLOT
    if options.small:
        out, plot = (ROOT / ".cache" / path.name for path in (OUT, PLOT))
        out.parent.mkdir(exist_ok=True)
    results = json.loads(out.read_text()) if out.exists() else {"axes": {}}
    if not options.plot:
        results["machine"] = machine()
        for axis in options.axes:
            sizes = results["axes"][axis] = {}
            for size in (SMALL if options.small else AXES)[axis]:
                sizes[str(size)] = measure(f"{axis}={size}", options.rounds, options.limit)
                show(axis, size, sizes[str(size)])
                out.write_text(json.dumps(results, indent=1) + "\n")
    draw(results, plot)
    print(f"written to {out} and {plot}")


if __name__ == "__main__":
    main()

"""Times all contenders on all cases, in turns, and writes the ratios to results.json.

Every contender has a process of its own. They are made and warmed up one after the other, and then
take turns in short rounds, so that a slow minute of the machine hits them all. A contender's time
is the median of its rounds; a ratio is the median, over the rounds, of its time by Kuai's in the
same round, with the quartiles as its spread. A round in which the machine gave less than
`LEAST_SHARE` of its processors before anybody's turn is left out and counted, as long as there is
time for others. A contender that fails or takes too long is left out, with the reason in the
results.

    python -m benchmarks [--cases mlp lenet layers] [--skip torch.compile] [--rounds 20]
    python -m benchmarks --list
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import pathlib
import tempfile
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.case import Case
from benchmarks.cases import CASES, GROUPS
from benchmarks.comparing import agree, compare
from benchmarks.contenders import CONTENDERS, ENVIRONMENT, MODULES, why_not
from benchmarks.machine import machine
from benchmarks.process import Worker
from benchmarks.processors import Processors

FOLDER = pathlib.Path(__file__).parent
SECONDS_PER_ROUND = 1.0
FEWEST_ROUNDS = 6
WARM_UP_ROUNDS = 1
LEAST_SHARE = 0.6
MOST_TRIES = 3  # times the seconds for the rounds of a case
PAUSE = 0.05  # until the threads of the one before have gone to sleep


def run_case(case: str, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The results of all contenders on one case."""
    console.print(f"[bold]{CASES[case].name}")
    is_random = CASES[case].is_random
    with tempfile.TemporaryDirectory() as scratch:
        workers: dict[str, Worker] = {}
        results: dict[str, Any] = {}
        try:
            for contender in CONTENDERS:
                reason = _absence(CASES[case], contender, options.skip)
                if reason is not None:
                    results[contender] = {"missing": reason}
                    continue
                workers[contender] = Worker(
                    "benchmarks.worker",
                    [case, contender],
                    scratch,
                    options.limit,
                    ENVIRONMENT.get(contender, {}),
                )
                workers[contender].tell("make")  # they import side by side
            for contender in list(workers):
                _attempt(_first_steps, contender, workers, results, console)
            for contender in agree(results, 0.1 if is_random else CASES[case].tolerance):
                console.print(f"  {contender}: {results[contender]['missing']}", style="red")
                workers.pop(contender).close()
            _take_turns(workers, results, options, console)
        finally:
            for worker in workers.values():
                worker.close()
    compare(results)
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
    clock = _Clock(options)
    with console.status("") as status:
        for number in range(-WARM_UP_ROUNDS, options.rounds * MOST_TRIES):
            if clock.has_ended(number):
                break
            status.update(f"round {number + 1}, {clock.left_out} left out")
            times, share = _round(counts, workers, results, options, console)
            if number >= 0 and clock.takes(share):
                for name, elapsed in times.items():
                    results[name]["step_seconds"].append(elapsed)
    for name in list(workers):
        _attempt(_end, name, workers, results, console)
        results[name]["rounds_left_out"] = clock.left_out


class _Clock:
    """Says which rounds are kept, and when there are enough."""

    def __init__(self, options) -> None:
        self.options, self.start = options, time.monotonic()
        self.kept = self.left_out = 0

    def has_ended(self, number: int) -> bool:
        """Whether round `number` is one too many."""
        seconds = time.monotonic() - self.start
        enough = self.kept >= FEWEST_ROUNDS and seconds > self.options.seconds
        return self.kept >= self.options.rounds or enough

    def takes(self, share: float) -> bool:
        """Whether a round counts in which the machine gave that share at least."""
        late = time.monotonic() - self.start > MOST_TRIES * self.options.seconds
        is_kept = share >= LEAST_SHARE or late
        self.kept += is_kept
        self.left_out += not is_kept
        return is_kept


def _round(counts, workers, results, options, console) -> tuple[dict[str, float], float]:
    """Everybody's seconds for a step, and the least share of the processors on the way."""
    times, share = {}, 1.0
    for name in list(workers):
        time.sleep(PAUSE)
        share = min(share, options.processors.share())
        found = _attempt(_turn(counts[name]), name, workers, results, console)
        if found is not None:
            times[name] = found
    return times, min(share, options.processors.share())


def _turn(count: int):
    return lambda contender, worker, results: worker.ask(f"run {count}")["seconds"] / count


def _calibrate(contender, worker, results) -> int:
    """How many steps make a round."""
    count, last = _steps_of_a_round(worker), 0
    while count > 1.5 * last:  # the first steps are slower, however many these are
        count, last = _steps_of_a_round(worker), count
    return count


def _steps_of_a_round(worker) -> int:
    """How many steps take as long as a round should."""
    count = 1
    while (elapsed := worker.ask(f"run {count}")["seconds"]) < SECONDS_PER_ROUND / 4:
        count *= 2
    return max(1, round(count * SECONDS_PER_ROUND / elapsed))


def _end(contender, worker, results) -> None:
    results[contender] |= worker.ask("end")


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
    left_out = max((f.get("rounds_left_out", 0) for f in case["contenders"].values()), default=0)
    if left_out:
        console.print(f"{left_out} rounds left out, for want of processors")


def chosen(names: list[str]) -> list[str]:
    """The cases that names of cases and groups stand for, each once."""
    return list(dict.fromkeys(case for name in names for case in GROUPS.get(name, [name])))


def _warn_if_busy(console: Console) -> None:
    # threads that wait for each other by spinning, as OpenMP's do, suffer a hundredfold
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        console.print(f"The machine is busy (load {load:.1f}): these numbers mean little.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--cases", nargs="+", choices=[*CASES, *GROUPS], default=list(CASES), metavar="CASE"
    )
    parser.add_argument("--list", action="store_true", help="only say which cases there are")
    parser.add_argument("--skip", nargs="+", choices=CONTENDERS, default=[], metavar="CONTENDER")
    parser.add_argument("--rounds", type=int, default=20, help="at most so many for a case")
    parser.add_argument("--seconds", type=float, default=12, help="for the rounds of a case")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one answer")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER / "results.json")
    options = parser.parse_args()
    console = Console()
    if options.list:
        for group, names in GROUPS.items():
            console.print(f"[bold]{group}[/bold]: {' '.join(names)}")
        return
    _warn_if_busy(console)
    options.processors = Processors()
    results = {"machine": machine(), "rounds": options.rounds, "cases": {}}
    for case in chosen(options.cases):
        results["cases"][case] = run_case(case, options, console)
        show(results["cases"][case], console)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    console.print(f"written to {options.out}")


if __name__ == "__main__":
    main()

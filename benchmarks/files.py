"""Loading and saving weights beside PyTorch: ratios of time, and how much memory it takes.

Kuai and PyTorch take turns on the same files, which lie in the page cache; a ratio is the median
over the rounds of Kuai's time by PyTorch's in the same round (below 1 Kuai is faster).
safetensors files are compared with `torch.load` of the same values, mapped ones with the
safetensors library. Memory is the highest resident memory during `load_state_dict(load(file))`
above that before, by the size of the file: all of it, and what is the process's own (mapped pages
of a file are not: the system takes them back when it needs them). Each measurement of memory has
a process of its own.

    python -m benchmarks.files [--megabytes 1000] [--rounds 5] [--out files.json]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.memory import Peak

WIDTH = 2048
LAYER_BYTES = 4 * (WIDTH * WIDTH + WIDTH)
CASES = {
    "load .pt": ("model.pt", False),
    "load .pt, mmap": ("model.pt", True),
    "load .safetensors": ("model.safetensors", False),
    "load .safetensors, mmap": ("model.safetensors", True),
}


def make_network(t: Any, layers: int) -> Any:
    """A module of torch or Kuai with that many linear layers; its values do not matter."""
    return t.nn.Sequential(*(t.nn.Linear(WIDTH, WIDTH) for _ in range(layers)))


def make_state(t: Any, layers: int) -> dict[str, Any]:
    """Its `state_dict`, the same numbers for both."""
    generator = np.random.default_rng(0)
    found = {}
    for k in range(layers):
        found[f"{k}.weight"] = generator.standard_normal((WIDTH, WIDTH), np.float32)
        found[f"{k}.bias"] = generator.standard_normal(WIDTH, np.float32)
    return {name: t.from_numpy(array) for name, array in found.items()}


def seconds(work: Callable[[], Any]) -> float:
    """How long a piece of work takes, to the end of dropping its result."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Both in turns; the first round is not counted."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)][1:]
    return {
        "kuai_seconds": statistics.median(a for a, _ in pairs),
        "torch_seconds": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def measure_speed(folder: pathlib.Path, layers: int, rounds: int) -> dict[str, Any]:
    """Times of loading and saving, of both."""
    import safetensors.torch
    import torch

    import kuai

    state, theirs = make_state(kuai, layers), make_state(torch, layers)
    results = {}
    pt, safe = folder / "model.pt", folder / "model.safetensors"
    results["save .pt"] = ratio(
        lambda: kuai.save(state, pt), lambda: _torch_save(torch, theirs, folder), rounds
    )
    results["save .safetensors"] = ratio(
        lambda: kuai.save(state, safe), lambda: _torch_save(torch, theirs, folder), rounds
    )
    for name, (file, mmap) in CASES.items():
        path = folder / file
        if file == "model.pt":
            reference = lambda mmap=mmap: torch.load(pt, mmap=mmap)  # noqa: E731
        elif mmap:
            reference = lambda: safetensors.torch.load_file(safe)  # noqa: E731
        else:
            reference = lambda: torch.load(pt)  # noqa: E731
        ours = lambda path=path, mmap=mmap: kuai.load(path, mmap=mmap)  # noqa: E731
        results[name] = ratio(ours, reference, rounds)
    return results


def _torch_save(torch: Any, state: dict[str, Any], folder: pathlib.Path) -> None:
    """As whole and as durable as Kuai's: a temporary file that reaches the disk, then the name."""
    with open(folder / "theirs.tmp", "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(folder / "theirs.tmp", folder / "theirs.pt")


def measure_memory(path: str, mmap: bool, layers: int) -> dict[str, float]:
    """The memory that loading a module takes; to be called in a fresh process."""
    import kuai

    kuai.nn.Linear(2, 2).load_state_dict(kuai.nn.Linear(2, 2).state_dict())
    net = make_network(kuai, layers)
    with Peak() as peak:
        net.load_state_dict(kuai.load(path, mmap=mmap))
    size = os.path.getsize(path)
    return {"memory": peak.all / size, "own_memory": peak.own / size}


def _memory_of(path: pathlib.Path, mmap: bool, layers: int) -> dict[str, float]:
    code = (
        "import json, sys; from benchmarks.files import measure_memory; "
        "print(json.dumps(measure_memory(sys.argv[1], sys.argv[2] == 'True', int(sys.argv[3]))))"
    )
    arguments = [sys.executable, "-c", code, str(path), str(mmap), str(layers)]
    root = pathlib.Path(__file__).parent.parent
    found = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=root)
    return json.loads(found.stdout)


def run(layers: int, rounds: int, folder: pathlib.Path) -> dict[str, Any]:
    """All measurements."""
    results = measure_speed(folder, layers, rounds)
    for name, (file, mmap) in CASES.items():
        results[name] |= _memory_of(folder / file, mmap, layers)
    return results


def show(results: dict[str, Any], console: Console) -> None:
    """Print the results as a table."""
    table = Table("", "Kuai / PyTorch", "Kuai", "PyTorch", "memory / size", "of its own")
    for name, found in results.items():
        memory = [f"{found[key]:.2f}" if key in found else "" for key in ("memory", "own_memory")]
        times = [f"{found[key] * 1000:,.0f} ms" for key in ("kuai_seconds", "torch_seconds")]
        table.add_row(name, f"{found['ratio']:.2f}", *times, *memory)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, help="where the files lie meanwhile")
    parser.add_argument("--out", type=pathlib.Path, help="write the results as JSON")
    options = parser.parse_args()
    layers = max(1, round(options.megabytes * 10**6 / LAYER_BYTES))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = run(layers, options.rounds, pathlib.Path(folder))
    show(results, Console())
    if options.out:
        found = {"bytes": layers * LAYER_BYTES, "rounds": options.rounds, "results": results}
        options.out.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()

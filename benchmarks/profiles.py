"""Where the time of compiled Kuai's training steps goes, operation by operation.

    python -m benchmarks.profiles [--cases CASE …]

Runs each case in a process of its own and has `kuai.profile` time every kernel of ten steps. Its
trace says of which operation a kernel is (of a fusion: of the operation at its end), and whether it
is part of the backward pass. Writes docs/profiles.md.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from benchmarks.cases import CASES, LAYERS, VARIANTS
from benchmarks.machine import machine
from benchmarks.process import ROOT

PAGE = ROOT / "docs" / "profiles.md"
TRAINED = ["mlp", "lenet", "alexnet", "resnet18", "lstm", "transformer", *LAYERS, *VARIANTS]
WARM_UP, STEPS = 20, 10
MOST = 6  # operations of a row
HEAD = """# Where the time of a step goes

Written by `python -m benchmarks.profiles`: training steps of the benchmark, compiled, timed by
`kuai.profile`, on {processor}, {cores} cores; {versions}. Shares are of the time in which kernels
ran, added over all threads; "idle" is the part of a step in which none ran: between two steps, and
where a thread waits for another. "ms" is all of a step with the profiler on, which adds some
microseconds to each kernel. An operation has the name it has in the trace; a fusion that of the
operation at its end. Convolutions, and products in bfloat16, are kernels of oneDNN.

| step | ms | idle | operations |
|---|---|---|---|
"""


def operation_of(path: str) -> str:
    """The operation in a path of scopes, such as "jit(step)/fc(Linear)/jit(linear)/dot_general"."""
    names = re.findall(r"(?:^|/)jit\(([^()]*)\)", path)
    if len(names) < 2:
        return "other"
    name = names[1].strip("_").removesuffix("_op")
    if name.endswith("_backward"):
        name = name.removesuffix("_backward").removesuffix("_op") + ", backward"
    return name


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """How long at least one of (begin, end) lasted."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def measure(name: str) -> dict:
    """Milliseconds of a step, its idle share, and the shares of its operations."""
    import kuai
    from benchmarks.contenders import kuai_compiled

    step, wait = kuai_compiled(CASES[name])
    for _ in range(WARM_UP):
        wait(step())
    events = []
    for _ in range(2):  # the first time, blocks get their names in the program
        with tempfile.TemporaryDirectory() as folder:
            with kuai.profile(folder, quiet=True) as profile:
                for _ in range(STEPS):
                    wait(step())
            events = json.loads(gzip.decompress(profile.file.read_bytes()))["traceEvents"]
    kernels = [e for e in events if e.get("ph") == "X" and re.match(r"jit\(.*\)/", e["name"])]
    spent: collections.Counter[str] = collections.Counter()
    for kernel in kernels:
        spent[operation_of(kernel["name"])] += kernel["dur"]
    intervals = [(k["ts"], k["ts"] + k["dur"]) for k in kernels]
    whole = max(end for _, end in intervals) - min(begin for begin, _ in intervals)
    total = sum(spent.values())
    return {
        "ms": whole / STEPS / 1e3,
        "idle": 1 - busy(intervals) / whole,
        "operations": {name: t / total for name, t in spent.most_common()},
    }


def row(name: str, found: dict) -> str:
    """A line of the page's table."""
    shares = list(found["operations"].items())
    rest = sum(share for _, share in shares[MOST:])
    cells = [f"{each} {share:.0%}" for each, share in [*shares[:MOST], ("others", rest)]]
    shown = ", ".join(cell for cell in cells if not cell.endswith(" 0%"))
    return f"| {CASES[name].name} | {found['ms']:.3g} | {found['idle']:.0%} | {shown} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profiles", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--cases", nargs="+", choices=TRAINED, default=TRAINED)
    parser.add_argument("--one", choices=TRAINED, help="print what is measured of one, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    lines = []
    for name in options.cases:
        command = [sys.executable, "-m", "benchmarks.profiles", "--one", name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        lines.append(row(name, json.loads(done.stdout.splitlines()[-1])))
        print(lines[-1], flush=True)
    facts = machine()
    versions = ", ".join(f"{each} {facts['versions'][each]}" for each in ("kuai-nn", "jax"))
    head = HEAD.format(processor=facts["processor"], cores=facts["cores"], versions=versions)
    PAGE.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

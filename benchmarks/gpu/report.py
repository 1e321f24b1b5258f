"""The results of a GPU as a Markdown table.

python -m benchmarks.gpu.report [benchmarks/results-gpu.json]
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

COLUMNS = ["PyTorch eager", "torch.compile", "jax.jit by hand", "Kuai eager"]
OURS = "Kuai compiled"
HEAD = "Time of a training step, by that of compiled Kuai: above 1, Kuai is faster."


def table(results: dict[str, Any]) -> str:
    """Cases down, contenders across: ratios with their quartiles, steps, first steps, memory."""
    heads = ["training step", OURS, *COLUMNS, "first step, Kuai / torch.compile", "peak memory"]
    lines = [HEAD, "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    notes = []
    for case in results["cases"].values():
        found = case["contenders"]
        cells = [case["name"], _step(found.get(OURS, {}))]
        cells += [_ratio(found.get(name, {})) for name in COLUMNS]
        cells += [
            _pair(found, "first_step_seconds", "{:.1f} s"),
            _pair(found, "peak_mib", "{:.0f}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
        notes += [
            f"{case['name']}: {name} is missing: {each['missing']}"
            for name, each in found.items()
            if "missing" in each
        ]
    return "\n".join([*lines, "", _machine(results), *(f"\n{note}" for note in notes)])


def _step(found):
    return f"{1e3 * found['median_seconds']:.3f} ms" if "median_seconds" in found else "–"


def _ratio(found):
    if "ratio" not in found:
        return "–"
    low, high = found["ratio_quartiles"]
    return f"{found['ratio']:.2f} ({low:.2f}–{high:.2f})"


def _pair(found, what, form):
    values = (found.get(name, {}).get(what) for name in (OURS, "torch.compile"))
    return " / ".join("–" if value is None else form.format(value) for value in values)


def _machine(results):
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = ", ".join(machine.get("devices", ["no device"]))
    left = ", ".join(results["left_out"])
    text = f"{where}; Python {machine['python']}, {versions}. Peak memory in MiB, of Kuai and "
    text += "torch.compile. First steps are compiled side by side, without any cache."
    return f"{text} Left out for want of time: {left}." if left else text


def main() -> None:
    default = pathlib.Path(__file__).parent.parent / "results-gpu.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    print(table(json.loads(path.read_text())))


if __name__ == "__main__":
    main()

"""What else is asked of every operation in PyTorch's table, beside agreeing with PyTorch.

- ways: the same results eagerly, recorded and replayed (see tests/conformance/modes.py).
- derivatives: those of Kuai against finite differences (see tests/conformance/derivatives.py).

The results are kept in a file each, one entry after the other; docs/coverage.md has their sums.
"""

import json
import os
import pathlib
import re
import tempfile
from typing import Any

import jax

from tests.conformance import derivatives, modes

FOLDER = pathlib.Path(__file__).parent.parent / "tests" / "conformance"


def run(check: str, pattern: str, samples: int, entries) -> None:
    """Run one check for the entries that match, and keep what was found."""
    for name, entry in entries:
        if not re.search(pattern, name):
            continue
        ran = outcome(check, entry, samples)
        print(name, ran["faults"] or "right", flush=True)
        _keep(check, name, ran)
        jax.clear_caches()


def outcome(check: str, entry: Any, samples: int) -> dict[str, Any]:
    """What a check found for one entry, and how much it looked at."""
    if check == "ways":
        faults, compiled, replayed = modes.faults(entry, samples)
        return {"faults": faults, "compiled": compiled, "replayed": replayed}
    faults, checks = derivatives.faults(entry, samples)
    return {"faults": faults, "checks": checks}


def results(check: str) -> dict[str, Any]:
    """What stands in the file of a check."""
    path = FOLDER / f"{check}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _keep(check: str, name: str, ran: dict[str, Any]) -> None:
    known = results(check)
    known[name] = ran
    text = json.dumps(known, indent=0, sort_keys=True) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        file.write(text)
    os.replace(file.name, FOLDER / f"{check}.json")


def section() -> list[str]:
    """The lines of docs/coverage.md."""
    ways, slopes = results("ways"), results("derivatives")
    compiled = sum(each["compiled"] for each in ways.values())
    replayed = sum(each["replayed"] for each in ways.values())
    checks = sum(each["checks"] for each in slopes.values())
    lines = ["## Eager, recorded and replayed", ""]
    lines += [
        "`make ways` calls samples of operations eagerly and inside `kuai.compile`, five times "
        "each, one of them with other numbers: values and gradients have to be the same, as far as "
        "a rounding of each input does not change them. "
        f"Of {len(ways)} operations {_right(ways)} are; {replayed} of {compiled} compiled "
        "functions were replayed in later calls, the others recorded each time.",
        "",
    ]
    lines += [*_faults(ways), "## Derivatives", ""]
    lines += [
        "`make derivatives` compares Kuai's derivatives with finite differences in float64, along "
        "a random direction for each input: in reverse mode, in forward mode and of second order "
        f"where PyTorch's table lists them. {checks} checks of {len(slopes)} operations; in "
        f"{_right(slopes)} nothing differs.",
        "",
    ]
    return lines + _faults(slopes)


def _right(found: dict[str, Any]) -> int:
    return sum(not each["faults"] for each in found.values())


def _faults(found: dict[str, Any]) -> list[str]:
    lines = [
        f"- `{name}`, {check}: {text[:140].replace('<', '&lt;')}"
        for name, each in sorted(found.items())
        for check, text in each["faults"].items()
    ]
    return [*lines, ""] if lines else []

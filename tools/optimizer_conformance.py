"""Run PyTorch's table of optimizers, and every scheduler, through torch and Kuai.

    python -m tools.optimizer_conformance           everything, some minutes
    python -m tools.optimizer_conformance Adam      what matches a pattern

What is found is kept in tests/conformance/optimizers.json; `tools.conformance` writes the page.
"""

import json
import pathlib
import re
import sys
from typing import Any

from torch.testing._internal.common_optimizers import optim_db

from tests.conformance import optimizers, schedulers

RESULTS = pathlib.Path(__file__).parent.parent / "tests" / "conformance" / "optimizers.json"
HEAD = """\
## torch.optim

PyTorch's table of optimizers (`optim_db`): every set of options and every switch, ten steps with
the same gradients in float32, float64, complex64, complex128, bfloat16 and float16; the parameters
after every step, the state, what is printed; groups, rates that are tensors, closures, hooks,
state dicts that the other library goes on with, copies, pickles; the words of errors. Of the
schedulers the groups' options after every epoch, the warnings, the state, a given epoch, a resumed
one. SparseAdam gets the same numbers, as sparse gradients there and as dense ones here.
"""


def main(pattern: str = "") -> None:
    """Run what matches, and keep what is found."""
    results = load()
    for entry in optim_db:
        if re.search(pattern, entry.name):
            _keep(results, "optimizers", entry.name, optimizers.faults(entry))
    for name in schedulers.CASES:
        if re.search(pattern, name):
            _keep(results, "schedulers", name, schedulers.faults(name))
    if re.search(pattern, "errors"):
        _keep(results, "schedulers", "errors", schedulers.errors())


def load() -> dict[str, Any]:
    """What was found when each entry was run last."""
    if RESULTS.exists():
        return json.loads(RESULTS.read_text())
    return {"optimizers": {}, "schedulers": {}}


def names() -> dict[str, list[str]]:
    """Every entry, by its table."""
    return {
        "optimizers": [entry.name for entry in optim_db],
        "schedulers": [*schedulers.CASES, "errors"],
    }


def _keep(results, table, name, found) -> None:
    results[table][name] = found
    print(name, found or "agrees", flush=True)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def section() -> list[str]:
    """The lines of docs/coverage.md."""
    results, lines = load(), [HEAD]
    for table, members in names().items():
        right = [name for name in members if results[table].get(name) == {}]
        lines.append(f"**{len(right)} of {len(members)} {table} agree:** {', '.join(right)}.\n")
        for name in members:
            for check, fault in results[table].get(name, {"": "not run"}).items():
                lines.append(f"- `{name}`, {check}: {fault}".replace("\n", " "))
    return lines


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run PyTorch's own samples through torch and Kuai, and write docs/coverage.md.

    make conformance                              everything, all samples (hours)
    python -m tools.conformance --samples 4 fft   what matches a pattern, 4 samples of a dtype
    make ways, make derivatives                   `--check`: see tools/conformance_checks.py

What is found is kept in tests/conformance/results.json, one entry after the other, so that a part
can be run anew, also several parts at once: an entry is put among what stands there by then. The
page is written from it.
"""

import argparse
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import ModuleInfo, module_db

from tests.conformance import left_out, modules, running
from tools import conformance_checks, optimizer_conformance

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "tests" / "conformance" / "results.json"
PAGE = ROOT / "docs" / "coverage.md"
HEAD = """\
# What is there

PyTorch has tables of its operations and modules with samples for its own tests (`op_db`,
`module_db`). `make conformance` runs the samples through PyTorch and Kuai, and this page says where
they agree: values, shapes and dtypes, gradients, methods, in-place and `out=` variants, the types
and texts of errors; of modules also parameters, buffers, `state_dict`, printed text, copies and
pickles, in training and evaluation. An entry with one difference in one sample counts as different,
and the difference stands here.

"""


def main() -> None:
    """Run what was asked for, and write the page."""
    options = _options()
    if options.check:
        every = ((name, entry) for name, entry in entries() if not isinstance(entry, ModuleInfo))
        conformance_checks.run(options.check, options.pattern, options.samples or 1, every)
    elif not options.pages_only:
        _compare_with_torch(options)
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


def _compare_with_torch(options) -> None:
    for name, entry in entries():
        if not re.search(options.pattern, name):
            continue
        found = faults(entry, options.samples or None, options.dtypes)
        ran = {"samples": options.samples, "dtypes": list(options.dtypes), "faults": found}
        print(name, found or "agrees", flush=True)
        _keep(name, ran)


def faults(entry: Any, samples: int | None, dtypes) -> dict[str, str]:
    """The first fault of each check of an operation or module."""
    if isinstance(entry, ModuleInfo):
        return modules.faults(entry, samples, dtypes)
    return running.faults(entry, samples, dtypes)


def _keep(name: str, ran: dict[str, Any]) -> None:
    """Put an entry among those that stand in the file now."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = results.get(name, {}) | ran
    text = json.dumps(results, indent=1, sort_keys=True) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=RESULTS.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, RESULTS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", help="of the names of entries")
    parser.add_argument("--samples", type=int, default=0, help="of each dtype; 0 is all")
    parser.add_argument("--dtypes", type=lambda text: text.split(","), default=running.DTYPES)
    parser.add_argument("--check", choices=("ways", "derivatives"), help="instead of comparing")
    parser.add_argument("--pages-only", action="store_true", help="only write the page")
    return parser.parse_args()


def entries() -> Iterator[tuple[str, Any]]:
    """Every entry that is counted, by its name."""
    for entry in op_db:
        name = running.name_of(entry)
        if left_out.reason(name) is None:
            yield name, entry
    for info in module_db:
        yield info.name, info


def area_of(name: str) -> str:
    """The module that a name is in; `torch.nn` has the table of modules."""
    module, _, _ = name.partition(" ")[0].rpartition(".")
    return f"torch.{module}" if module else "torch"


def page(results: dict[str, Any]) -> str:
    """The text of docs/coverage.md."""
    names = [name for name, _ in entries()]
    areas: dict[str, list[str]] = {}
    for name in names:
        areas.setdefault(area_of(name), []).append(name)
    right = [name for name in names if agrees(results, name)]
    lines = [HEAD + f"**{len(right)} of {len(names)} entries agree.** {_extent(results)}\n"]
    lines += ["| area | agree | of |", "|---|---|---|"]
    for area, members in sorted(areas.items()):
        lines.append(f"| `{area}` | {sum(agrees(results, n) for n in members)} | {len(members)} |")
    for area, members in sorted(areas.items()):
        lines += ["", f"## {area}", "", *_area(results, sorted(members))]
    lines += ["", *optimizer_conformance.section()]
    lines += ["", *conformance_checks.section()]
    lines += ["## What differs on purpose", "", *_meant()]
    lines += ["", "## What is left out", "", *_left_out()]
    lines += ["", "Names that do not exist:", ""]
    lines += [f"- {text}: {names}" for text, names in left_out.NAMES.items()]
    lines += ["", "## The examples of PyTorch's documentation", ""]
    lines += ["All examples in its docstrings print here what they print there, but for:", ""]
    lines += [f"- {text}: {names}" for text, names in left_out.EXAMPLES.items()]
    return "\n".join(lines) + "\n"


def _extent(results) -> str:
    """How much was run, in words."""
    ways = sorted({(r["samples"], tuple(r["dtypes"])) for r in results.values()})
    parts = [
        f"{samples or 'all'} samples of each of {', '.join(dtypes)}" for samples, dtypes in ways
    ]
    whole = sum("float32" in result.get("whole", ()) for result in results.values())
    return (
        f"Run were {'; '.join(parts)}. Of {whole} entries all float32 samples, with methods, "
        "in-place and `out=` variants, were run."
    )


def agrees(results: dict[str, Any], name: str) -> bool:
    """Whether an entry was run and showed no difference."""
    return name in results and not results[name]["faults"]


def _area(results, names) -> list[str]:
    right = [f"`{name}`" for name in names if agrees(results, name)]
    lines = ["They agree: " + (", ".join(right) or "none") + ".", ""]
    wrong = [name for name in names if not agrees(results, name)]
    if wrong:
        lines += ["| different | where | how |", "|---|---|---|"]
    for name in wrong:
        faults = results[name]["faults"] if name in results else {"": "not run"}
        for check, fault in faults.items():
            lines.append(f"| `{name}` | {check} | {_cell(fault)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")[:140]


def _meant() -> list[str]:
    return [
        f"- `{names}`, {checks}: {text} ([differences.md](differences.md))".replace("|", "`, `")
        for text, (names, checks) in left_out.MEANT.items()
    ]


def _left_out() -> list[str]:
    found: dict[str, list[str]] = {}
    for entry in op_db:
        name = running.name_of(entry)
        reason = left_out.reason(name)
        if reason is not None:
            found.setdefault(reason, []).append(f"`{name}`")
    return [f"- {reason}: {', '.join(names)}" for reason, names in found.items()]


if __name__ == "__main__":
    main()

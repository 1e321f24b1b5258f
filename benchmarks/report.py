"""Puts the ratios of results.json into the READMEs, between the two marks.

python -m benchmarks.report
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

FOLDER = pathlib.Path(__file__).parent
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
TEXTS = {
    "README.md": {
        "head": "Time of a training step, by that of compiled Kuai (lower is faster; in brackets "
        "the quartiles over {rounds} rounds taken in turns)",
        "first": "first step",
        "machine": "{processor}, {cores} cores; {versions}. Run it yourself: `make bench`.",
    },
    "README.zh-CN.md": {
        "head": "训练一步所需的时间,以编译后的 Kuai 为 1"
        "(越小越快;括号内为轮流测量 {rounds} 轮的四分位数)",
        "first": "首步",
        "machine": "{processor},{cores} 核;{versions}。自己测一遍:`make bench`。",
    },
}


def table(results: dict[str, Any], texts: dict[str, str]) -> str:
    """The results as a Markdown table, contenders down, cases across."""
    cases = list(results["cases"].values())
    names = list(cases[0]["contenders"])
    lines = [
        texts["head"].format(rounds=results["rounds"]) + ":",
        "",
        "| | " + " | ".join(case["name"] for case in cases) + " |",
        "|---|" + "---|" * len(cases),
    ]
    for name in names:
        cells = [_cell(case["contenders"][name], texts["first"]) for case in cases]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _machine(results["machine"], texts["machine"])])


def _cell(found: dict[str, Any], first: str) -> str:
    if "ratio" not in found:
        return "–"
    low, high = found["ratio_quartiles"]
    seconds = found["first_step_seconds"]
    return f"**{found['ratio']:.2f}** ({low:.2f}–{high:.2f}), {first} {seconds:.1f} s"


def _machine(machine: dict[str, Any], text: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return text.format(processor=machine["processor"], cores=machine["cores"], versions=versions)


def fill(page: str, content: str) -> str:
    """A page with new content between the marks."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


def main() -> None:
    results = json.loads((FOLDER / "results.json").read_text())
    for name, texts in TEXTS.items():
        path = FOLDER.parent / name
        path.write_text(fill(path.read_text(encoding="utf-8"), table(results, texts)), "utf-8")


if __name__ == "__main__":
    main()

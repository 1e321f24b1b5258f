"""Puts the ratios of results.json into the READMEs, between the two marks.

python -m benchmarks.report
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

FOLDER = pathlib.Path(__file__).parent
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
COLUMNS = ["PyTorch eager", "torch.compile", "Flax NNX", "Equinox", "jax.jit by hand"]
COLUMNS += ["Kuai eager", "Kuai recorded", "Kuai fused"]
OURS, THEIRS, COMPILED = "Kuai compiled", "PyTorch eager", "torch.compile"
TEXTS = {
    "README.md": {
        "head": "Time of a step, by that of compiled Kuai: above 1, Kuai is faster. All take turns "
        "in one run; all rounds and their spread are in `benchmarks/results.json`.",
        "training": "training step",
        "inference": "inference",
        "first": "first step, Kuai / torch.compile",
        "memory": "memory, Kuai / PyTorch eager",
        "machine": "{processor}, {cores} cores; {versions}. The first step is traced and compiled "
        "without any cache. Memory is the peak beyond the loaded model, compiling left out. Run it "
        "yourself: `make bench`.",
    },
    "README.zh-CN.md": {
        "head": "每一步所需的时间,以编译后的 Kuai 为 1:大于 1 表示 Kuai 更快。"
        "所有参与者在同一次运行中轮流测量;各轮数据与离散程度见 `benchmarks/results.json`。",
        "training": "训练一步",
        "inference": "推理",
        "first": "首步,Kuai / torch.compile",
        "memory": "内存,Kuai / PyTorch eager",
        "machine": "{processor},{cores} 核;{versions}。首步含追踪与编译,不用任何缓存。"
        "内存为载入模型之后的峰值,不含编译。自己测一遍:`make bench`。",
    },
}


def table(results: dict[str, Any], texts: dict[str, str]) -> str:
    """The results as Markdown tables, one for training and one for inference."""
    lines = [texts["head"]]
    for kind in ("training", "inference"):
        cases = [c for c in results["cases"].values() if c["training"] == (kind == "training")]
        if cases:
            lines += ["", *_part(cases, texts[kind], texts)]
    return "\n".join([*lines, "", _machine(results["machine"], texts["machine"])])


def _part(cases: list[dict[str, Any]], title: str, texts: dict[str, str]) -> list[str]:
    """A table: cases down, contenders across."""
    heads = [title, *COLUMNS, texts["first"], texts["memory"]]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case in cases:
        found = case["contenders"]
        cells = [case["name"], *(_ratio(found.get(name, {})) for name in COLUMNS)]
        cells.append(_pair(found, "first_step_seconds", COMPILED, "{:.1f} s"))
        cells.append(_pair(found, "steps_mib", THEIRS, "{:.0f} MiB"))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _ratio(found: dict[str, Any]) -> str:
    return f"{found['ratio']:.2f}" if "ratio" in found else "–"


def _pair(found: dict[str, Any], what: str, other: str, form: str) -> str:
    values = (found.get(name, {}).get(what) for name in (OURS, other))
    # a process may need less than it began with: what loading it took is given back
    return " / ".join("–" if value is None else form.format(max(value, 0)) for value in values)


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

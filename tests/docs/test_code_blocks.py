"""Every Python block of the READMEs and the documents runs."""

import json
import linecache
import pathlib
import re
import textwrap

import pytest

from benchmarks import report

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
)
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [textwrap.dedent(match[2]) for match in BLOCK.finditer(text)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_blocks_run(page):
    """In order and in one namespace, as a reader would type them."""
    names = {"__name__": "page"}
    for number, block in enumerate(blocks(page)):
        name = f"{page}, block {number + 1}"
        # as a notebook does it, so that the source of a function is to be had
        linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name
        exec(compile(block, name, "exec"), names)


def test_both_columns_of_the_comparison_are_the_same_program():
    theirs, ours = blocks("README.md")[:2]
    assert theirs.replace("torch", "kuai") == ours


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


def test_the_pages_have_a_place_for_the_results():
    found = {"step_seconds": [1], "ratio": 2.0, "ratio_quartiles": [1.5, 2.5]}
    found |= {"first_step_seconds": 0.5, "steps_mib": 3.0}
    contenders = {"Kuai compiled": found, "PyTorch eager": found, "Equinox": {"missing": "no"}}
    case = {"name": "a case", "training": True, "contenders": contenders}
    machine = {"processor": "p", "cores": 2, "versions": {"jax": "1"}}
    results = json.loads(json.dumps({"rounds": 3, "machine": machine, "cases": {"a": case}}))
    for page, texts in report.TEXTS.items():
        filled = report.fill((ROOT / page).read_text("utf-8"), report.table(results, texts))
        assert "| a case | 2.00 | – | – | – |" in filled and "3 MiB / 3 MiB" in filled
        assert report.fill(filled, "again") == report.fill(
            (ROOT / page).read_text("utf-8"), "again"
        )

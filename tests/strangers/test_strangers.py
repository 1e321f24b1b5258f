"""A quick part of what `make strangers` runs; a package that is not there is skipped.

Each program is a process of its own, in which `torch` is Kuai. Packages that would install PyTorch
come with `make strangers`; where they are missing, nothing is tested.
"""

import importlib.util
import json

import pytest

from tools import strangers

QUICK = {
    "small_packages": ("einops", "torchmetrics"),
    "timm_models": ("test_vit", "features_only"),
    "torchvision_models": ("resnet18", "feature_extraction"),
    "transformers_models": ("GPT2", "Llama", "from_pretrained"),
}
CASES = [(program, case) for program, cases in QUICK.items() for case in cases]


@pytest.mark.parametrize(("program", "case"), CASES)
def test_case(program, case):
    needed = [case] if program == "small_packages" else strangers.USES[program]
    missing = [package for package in needed if not importlib.util.find_spec(package)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert strangers.run(program, cases=case) == {case: "ok"}


def test_all_programs_are_known():
    programs = {path.stem for path in strangers.PROGRAMS.glob("*_*.py")}
    assert programs == set(strangers.USES)


def test_the_page_says_how_it_went():
    results = {
        "good": "ok",
        "bad": "TypeError: a|b",
        "built": "OSError: compiled for the real PyTorch",
    }
    kept = {"day": "2026-01-02", "commit": "abc", "versions": {"timm": "1.0"}, "cases": results}
    text = strangers.page({"small_packages": kept})
    assert "1 of 3 cases run: good." in text
    assert "With timm 1.0. Run on 2026-01-02, Kuai abc." in text
    assert "Stopped after 9 minutes" in strangers.page({"small_packages": kept | {"minutes": 9}})
    assert r"| bad | `TypeError: a\|b` |" in text
    assert "| built | it needs a part that is compiled" in text


def test_the_page_is_made_of_the_results():
    kept = json.loads(strangers.RESULTS.read_text())
    assert list(kept) == [name for name in strangers.USES if name in kept]
    assert strangers.PAGE.read_text(encoding="utf-8") == strangers.page(kept)


def test_what_is_noted_of_a_run():
    found = strangers.noted("published_scripts", {"mnist": "ok"})
    assert found["cases"] == {"mnist": "ok"} and len(found["day"]) == 10 and found["commit"]
    assert set(found["versions"]) <= set(strangers.USES["published_scripts"])


def test_a_case_that_fails_is_reported(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import torch\nprint('ok first')\nprint('failed second: ValueError: no')\n"
        "raise OSError('end')\n"
    )
    monkeypatch.setattr(strangers, "PROGRAMS", tmp_path)
    assert strangers.run("mine") == {
        "first": "ok",
        "second": "ValueError: no",
        "the program itself": "ended with status 1: OSError: end",
    }

"""Write docs/strangers.md: what other people's packages do where `torch` is Kuai.

    make strangers

The packages are installed from their index, unchanged and without PyTorch. Each program in
`tests/strangers/programs/` is started with `kuai run` in a process of its own, and says in a line
for each of its cases how it went. A package that is not installed is named as such.

What a program said is noted with its day, the packages' versions and Kuai's commit in
`tests/strangers/results.json`, which the page is made of: a program that is run again by itself
(`python -m tools.strangers timm_models`) replaces its own section and no other.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PROGRAMS = ROOT / "tests" / "strangers" / "programs"
PAGE = ROOT / "docs" / "strangers.md"
RESULTS = ROOT / "tests" / "strangers" / "results.json"

#: A program, and the packages that it uses.
USES = {
    "torchvision_models": ["torchvision"],
    "timm_models": ["timm", "torchvision"],
    "transformers_models": ["transformers", "accelerate"],
    "small_packages": ["einops", "torchmetrics", "torchdiffeq", "accelerate", "peft", "diffusers"],
    "training_packages": [
        "lightning",
        "pytorch-lightning",
        "lion-pytorch",
        "prodigyopt",
        "torch-optimizer",
        "pytorch-optimizer",
        "ema-pytorch",
        "skorch",
        "segmentation-models-pytorch",
        "torch-geometric",
        "e3nn",
        "sentence-transformers",
    ],
    "book_chapters": ["d2l"],
    "transformers_numbers": ["transformers"],
    "timm_numbers": ["timm"],
    "torchvision_numbers": ["torchvision"],
    "package_numbers": ["diffusers", "peft", "torchdiffeq", "e3nn", "torchaudio", "torchmetrics"],
    "popular_packages": [],
    "published_scripts": [
        "transformers",
        "datasets",
        "accelerate",
        "peft",
        "diffusers",
        "sentence-transformers",
        "lightning",
        "torchvision",
        "timm",
        "gymnasium",
    ],
}
#: Programs whose cases need one package each: they run with those that are there.
INDEPENDENT = {
    "small_packages",
    "training_packages",
    "package_numbers",
    "popular_packages",
    "published_scripts",
}
#: Programs that are also run with `kuai run --fused`.
FUSED = {"transformers_numbers", "timm_numbers", "torchvision_numbers", "package_numbers"}

#: Why a case fails, by what its error says, for those that stay as they are.
REASONS = {
    "compiled for the real PyTorch": "it needs a part that is compiled for the real PyTorch",
    "testing._internal": "it needs a part that is compiled for the real PyTorch",
    "_ignored_ops": "it needs a part that is compiled for the real PyTorch",
    "libgraphbolt": "it needs a part that is compiled for the real PyTorch",
    "torchdata": "it needs data pipes, which PyTorch has left, and a compiled part",
    "functional_datapipe": "it needs data pipes, which PyTorch has left, and a compiled part",
    "LayoutLMv2FeatureExtractor": "it does not fit the version of transformers that it requires",
    "tokenization_utils": "it does not fit the version of transformers that it requires",
    "thinc.backends": "it does not fit the version of thinc that pip installs",
    "_get_trace_graph": "it reads TorchScript's graphs",
}
HEAD = """# Packages that know nothing of Kuai

Written from `tests/strangers/results.json`, to which `make strangers` writes, or `python -m
tools.strangers PROGRAM` for one section: packages are installed from their index, unchanged and
without PyTorch, and programs are run with them: `kuai run program.py`. Each section says when it
was run, and with what. A case of a model is forward, loss, backward and steps of an optimizer; of a
language model also generation, with and without a cache. The programs are in
[tests/strangers/programs](../tests/strangers/programs).

In the sections whose names end in "numbers", losses of three steps of AdamW, the norm of every
gradient, the keys of `state_dict` and generated tokens are PyTorch's, which the stored files in
`numbers/` hold: run eagerly, with the step compiled (`.compiled`) and with `kuai run --fused`
(`.fused`). The published scripts are whole programs as people publish them, in
[scripts](../tests/strangers/programs/scripts): fine-tuning, training with a loop of one's own, a
GAN, reinforcement learning, with local data and small models. They run with `kuai run` and `kuai
run --fused`, each in a process of its own, and print PyTorch's numbers.

`kuai run --fused --explain` says at the end which programs ran, how often, and where values were
asked for. The scripts of timm and of Hugging Face train as one program a step; `Trainer` looks at
the loss in each step, which makes it two, unless it is told `--logging_nan_inf_filter false`.

"""


def main() -> None:
    """Run the programs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="default: all", metavar="PROGRAM")
    parser.add_argument(
        "--seconds", default="inf", help="for each program; then no new case begins"
    )
    parser.add_argument("--cases", default="", help="of the programs, divided by spaces")
    options = parser.parse_args()
    for name in options.programs or USES:
        missing = [package for package in USES[name] if not _version(package)]
        if missing and name not in INDEPENDENT:
            print(f"{name}: not installed: {', '.join(missing)}")
            continue
        results = {}
        for fused in (False, True) if name in FUSED else (False,):
            results.update(run(name, options.seconds, options.cases, fused))
        if options.cases:
            print(json.dumps({name: results}, indent=1))  # some cases are no section
        else:
            limit = None if options.seconds == "inf" else round(float(options.seconds) / 60)
            _keep(name, noted(name, results) | ({"minutes": limit} if limit else {}))
    PAGE.write_text(page(_kept()), encoding="utf-8")


def noted(name: str, results: dict[str, str]) -> dict:
    """What a program said, and what it was run with."""
    uses = USES[name] or list(results)
    versions = {package: version for package in uses if (version := _version(package))}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    optimized = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS", "0") in ("", "0", "false")
    made = {"day": day, "commit": _commit(), "versions": versions, "optimized": optimized}
    return made | {"cases": results}


def _commit() -> str:
    """Which Kuai this is; a plus says that what runs differs from the commit."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    differs = ["git", "diff", "--quiet", "HEAD", "--", "src", "tests/strangers/programs"]
    return commit + "+" * subprocess.run(differs, cwd=ROOT).returncode


def _kept() -> dict[str, dict]:
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {name: found[name] for name in USES if name in found}


def _keep(name: str, section: dict) -> None:
    """Put a section in place of the earlier one."""
    RESULTS.write_text(json.dumps(_kept() | {name: section}, indent=1) + "\n")


def run(name: str, seconds: str = "inf", cases: str = "", fused: bool = False) -> dict[str, str]:
    """What a program said: for each case "ok", or the error."""
    environment = {**os.environ, "STRANGERS_SECONDS": seconds, "STRANGERS_CASES": cases}
    environment["PYTHONPATH"] = str(ROOT / "src")
    command = [sys.executable, "-m", "kuai", "run", *(["--fused"] if fused else [])]
    done = subprocess.run(
        [*command, str(PROGRAMS / f"{name}.py")],
        env=environment,
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
    )
    lines = re.findall(r"^(ok|failed) ([^:\n]*)(?:: (.*))?$", done.stdout, re.MULTILINE)
    here, kind = str(ROOT) + os.sep, ".fused" if fused else ""
    results = {
        f"{c}{kind}": _without_places(e.replace(here, "")) if how == "failed" else "ok"
        for how, c, e in lines
    }
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        results[f"the program itself{kind}"] = f"ended with status {done.returncode}: {last}"
    return results


def _without_places(error: str) -> str:
    """An error without the folder that packages are installed in."""
    return re.sub(r"[^\s`'\"(]*/site-packages/", "", error)


def page(found: dict[str, dict]) -> str:
    """The text of the page."""
    return HEAD + "\n".join(section(name, kept) for name, kept in found.items())


def section(name: str, kept: dict) -> str:
    """The part of the page about one program."""
    versions = ", ".join(f"{package} {version}" for package, version in kept["versions"].items())
    ran = f"Run on {kept['day']}, Kuai {kept['commit']}."
    if not kept.get("optimized", True):
        ran += " With most of XLA's optimizations off."
    results = kept["cases"]
    good = [case for case, error in results.items() if error == "ok"]
    bad = {case: error for case, error in results.items() if error != "ok"}
    if "minutes" in kept:
        ran += f" Stopped after {kept['minutes']} minutes: cases that had not begun are not listed."
    lines = [f"## {name.replace('_', ' ')}", "", f"With {versions}. {ran}", ""]
    lines += [f"{len(good)} of {len(results)} cases run: {', '.join(good) or 'none'}.", ""]
    if bad:
        lines += ["| fails | reason |", "|---|---|"]
        lines += [f"| {case} | {_reason(error)} |" for case, error in bad.items()]
        lines += [""]
    return "\n".join(lines)


def _version(package: str) -> str:
    """The version of a package that is installed, or nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _reason(error: str) -> str:
    said = next((reason for part, reason in REASONS.items() if part in error), "")
    plain = error.replace("|", r"\|")
    return f"{said} (`{plain}`)" if said else f"`{plain}`"


if __name__ == "__main__":
    main()

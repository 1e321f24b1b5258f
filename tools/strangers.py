"""Write docs/strangers.md: what other people's packages do where `torch` is Kuai.

    make strangers

The packages are installed from their index, unchanged and without PyTorch. Each program in
`tests/strangers/programs/` is started with `kuai run` in a process of its own, and says in a line
for each of its cases how it went. A package that is not installed is named as such.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PROGRAMS = ROOT / "tests" / "strangers" / "programs"
PAGE = ROOT / "docs" / "strangers.md"

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
        "d2l",
        "sentence-transformers",
    ],
}
#: Programs whose cases need one package each: they run with those that are there.
INDEPENDENT = {"small_packages", "training_packages"}
#: Why a case fails, by what its error says, for those that stay as they are.
REASONS = {
    "compiled for the real PyTorch": "it needs a part that is compiled for the real PyTorch",
}
HEAD = """# Packages that know nothing of Kuai

Written by `make strangers`, which installs packages from their index, unchanged and without
PyTorch, and runs programs with them: `kuai run program.py`. A case of a model is forward, loss,
backward and steps of an optimizer; of a language model also generation, with and without a cache.
The programs are in [tests/strangers/programs](../tests/strangers/programs).

"""


def main() -> None:
    """Run the programs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="default: all", metavar="PROGRAM")
    parser.add_argument(
        "--seconds", default="inf", help="for each program; then no new case begins"
    )
    options = parser.parse_args()
    found = {}
    for name in options.programs or USES:
        missing = [package for package in USES[name] if _version(package) == package]
        found[name] = (
            f"not installed: {', '.join(missing)}"
            if missing and name not in INDEPENDENT
            else run(name, options.seconds)
        )
    PAGE.write_text(page(found), encoding="utf-8")


def run(name: str, seconds: str = "inf", cases: str = "") -> dict[str, str]:
    """What a program said: for each case "ok", or the error."""
    environment = {**os.environ, "STRANGERS_SECONDS": seconds, "STRANGERS_CASES": cases}
    environment["PYTHONPATH"] = str(ROOT / "src")
    command = [sys.executable, "-m", "kuai", "run", str(PROGRAMS / f"{name}.py")]
    done = subprocess.run(
        command,
        env=environment,
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
    )
    lines = re.findall(r"^(ok|failed) ([^:\n]*)(?:: (.*))?$", done.stdout, re.MULTILINE)
    here = str(ROOT) + os.sep
    results = {c: e.replace(here, "") if how == "failed" else "ok" for how, c, e in lines}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        results["the program itself"] = f"ended with status {done.returncode}: {last}"
    return results


def page(found: dict[str, dict[str, str] | str]) -> str:
    """The text of the page."""
    return HEAD + "\n".join(section(name, results) for name, results in found.items())


def section(name: str, results: dict[str, str] | str) -> str:
    """The part of the page about one program."""
    versions = ", ".join(_version(package) for package in USES[name])
    lines = [f"## {name.replace('_', ' ')}", "", f"With {versions}.", ""]
    if isinstance(results, str):
        return "\n".join([*lines, f"{results[0].upper()}{results[1:]}.", ""])
    good = [case for case, error in results.items() if error == "ok"]
    bad = {case: error for case, error in results.items() if error != "ok"}
    lines += [f"{len(good)} of {len(results)} cases run: {', '.join(good) or 'none'}.", ""]
    if bad:
        lines += ["| fails | reason |", "|---|---|"]
        lines += [f"| {case} | {_reason(error)} |" for case, error in bad.items()]
        lines += [""]
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return package


def _reason(error: str) -> str:
    said = next((reason for part, reason in REASONS.items() if part in error), "")
    plain = error.replace("|", r"\|")
    return f"{said} (`{plain}`)" if said else f"`{plain}`"


if __name__ == "__main__":
    main()

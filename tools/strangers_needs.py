"""Install what the packages of `make strangers` need, but for PyTorch.

    python -m tools.strangers_needs

These packages are installed without their requirements, which would bring PyTorch. So what they
require is looked up in their metadata and installed in the same way, until nothing is missing.
What cannot be installed is named; a package that needs it fails in its own case.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

#: PyTorch, what only its builds for GPUs need, and a loader that is made of its loader's parts.
LEFT_OUT = re.compile(r"torch|torchdata|triton|pytorch-triton.*|nvidia-.*|cuda-.*|cupy-.*")

#: The same module from a package that needs no screen.
INSTEAD = {"opencv-python": "opencv-python-headless"}


def missing() -> dict[str, str]:
    """Requirements of what is installed that are not there: by name, with their versions."""
    installed = list(importlib.metadata.distributions())
    names = {canonicalize_name(each.name) for each in installed}
    found = {}
    for each in installed:
        for line in each.requires or ():
            try:
                wanted = Requirement(line)
            except InvalidRequirement:  # written before the rules were
                continue
            name = canonicalize_name(wanted.name)
            name = INSTEAD.get(name, name)
            needed = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if needed and name not in names and not LEFT_OUT.fullmatch(name):
                found[name] = f"{name}{wanted.specifier}"
    return found


def install(requirements: list[str]) -> bool:
    """Whether pip could install them, without what they need in turn."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *requirements]
    return subprocess.run(pip).returncode == 0


def main() -> None:
    """Go through the requirements, theirs, and so on."""
    refused: set[str] = set()
    while wanted := {name: text for name, text in missing().items() if name not in refused}:
        print(f"installing {', '.join(sorted(wanted.values()))}", flush=True)
        if not install(list(wanted.values())):  # one of them: then each by itself
            for name, text in wanted.items():
                if not install([text]) and not install([name]):
                    print(f"{text} cannot be installed", flush=True)
                    refused.add(name)


if __name__ == "__main__":
    main()

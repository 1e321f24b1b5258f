"""What the numbers depend on: the processor, the system, the versions."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ["kuai-nn", "jax", "torch", "flax", "equinox", "optax", "numpy"]
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""What is made of the times: medians and ratios, and whether all have computed the same."""

from __future__ import annotations

import math
import statistics
from typing import Any

REFERENCE = "Kuai compiled"
ORACLE = "PyTorch eager"


def compare(results: dict[str, Any]) -> None:
    """Add medians, ratios and quartiles to the results of a case."""
    ran = {name: found for name, found in results.items() if "step_seconds" in found}
    reference = ran.get(REFERENCE)
    for found in ran.values():
        found["median_seconds"] = statistics.median(found["step_seconds"])
        if reference is None:
            continue
        pairs = zip(found["step_seconds"], reference["step_seconds"], strict=True)
        ratios = [theirs / ours for theirs, ours in pairs]
        found["ratio"] = statistics.median(ratios)
        found["ratio_quartiles"] = statistics.quantiles(ratios, n=4)[::2]


def agree(results: dict[str, Any], tolerance: float) -> list[str]:
    """Look at the first losses: who computes something else than PyTorch, and is not to be timed.

    Instead of its times the results then have the reason and the losses.
    """
    ran = {name: found for name, found in results.items() if "step_seconds" in found}
    oracle = ran.get(ORACLE) or ran.get(REFERENCE)
    others = []
    for name, found in ran.items():
        for wanted, loss in zip(oracle["losses"], found["losses"], strict=True):
            if not math.isclose(wanted, loss, rel_tol=tolerance):
                text = f"it computes something else: {loss:.6g}, not {wanted:.6g}"
                results[name] = {"missing": text, "losses": found["losses"]}
                others.append(name)
                break
    return others

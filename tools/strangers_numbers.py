"""Write the numbers of tests/strangers/programs/numbers/: PyTorch's own.

    PYTHONPATH=<a folder with the packages> python -m tools.strangers_numbers [PROGRAM …]

It runs the programs that end in `_numbers` where `torch` is PyTorch. Torchvision's compiled part
has to fit the PyTorch it runs on; where it does not, its operations are declared without a body, so
that the models, which are Python, can be imported.
"""

from __future__ import annotations

import os
import runpy
import sys

import torch

from tools.strangers import PROGRAMS, USES

#: The operations that torchvision gives a meaning to at import.
OPERATIONS = (
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor a, Tensor b, float c, int d, int e, int f, bool g) -> Tensor",
    "roi_pool(Tensor a, Tensor b, float c, int d, int e) -> (Tensor, Tensor)",
    "ps_roi_align(Tensor a, Tensor b, float c, int d, int e, int f) -> (Tensor, Tensor)",
    "ps_roi_pool(Tensor a, Tensor b, float c, int d, int e) -> (Tensor, Tensor)",
    "_roi_align_backward(Tensor a) -> Tensor",
    "_roi_pool_backward(Tensor a) -> Tensor",
    "_ps_roi_align_backward(Tensor a) -> Tensor",
    "_ps_roi_pool_backward(Tensor a) -> Tensor",
    "deform_conv2d(Tensor a) -> Tensor",
    "_deform_conv2d_backward(Tensor a) -> Tensor",
)


def main() -> None:
    """Run the programs that are named, or all, and let them write."""
    os.environ["STRANGERS_WRITE"] = "1"
    library = torch.library.Library("torchvision", "DEF")
    for operation in OPERATIONS:
        library.define(operation)
    sys.path.insert(0, str(PROGRAMS))
    for name in sys.argv[1:] or [name for name in USES if name.endswith("_numbers")]:
        runpy.run_path(str(PROGRAMS / f"{name}.py"))


if __name__ == "__main__":
    main()

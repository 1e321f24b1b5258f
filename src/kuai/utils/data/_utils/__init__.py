"""PyTorch's folder of a loader's parts; packages import from it in spite of its name."""

from kuai.utils.data._utils import (
    collate as collate,
    fetch as fetch,
    pin_memory as pin_memory,
    worker as worker,
)

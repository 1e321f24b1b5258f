"""A process that loads batches with one library, and says how long that took.

It is told a line, and answers one: `one_pass DATA WORKERS` for a pass over a loader, `ready STEPS`
and `fed STEPS WORKERS` for training steps of a compiled ResNet-18, on one batch or on a loader's.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from typing import Any

import numpy as np

from benchmarks.process import serve

BATCH, SIDE, IMAGES = 64, 64, 1024
FED_BATCH, FED_SIDE = 16, 64


class Images:
    """Pictures that are cut, mirrored and normalized with NumPy, as a program's own class does."""

    def __init__(self, count: int, side: int) -> None:
        self.count, self.side = count, side
        self.pictures = np.random.default_rng(0).integers(0, 256, (16, 3, 72, 72), np.uint8)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        picture = self.pictures[index % 16]
        top, left = index % (73 - self.side), index // 8 % (73 - self.side)
        cut = picture[:, top : top + self.side, left : left + self.side]
        cut = cut[:, :, ::-1] if index % 2 else cut
        return (cut.astype(np.float32) / 255 - 0.45) / 0.22, index % 10


class Contender:
    """One library's loaders, and steps where it is Kuai."""

    def __init__(self, library: str) -> None:
        self.t: Any = importlib.import_module(library)
        self.data = importlib.import_module(f"{library}.utils.data")
        self.loaders: dict[tuple[str, int], Any] = {}  # each made once, for workers persist

    def loader(self, kind: str, workers: int) -> Any:
        """A loader of pictures, or of rows of a tensor."""
        if kind == "rows":
            rows = np.zeros((8 * IMAGES, 256), np.float32)
            data = self.data.TensorDataset(self.t.from_numpy(rows))
        else:
            data = Images(IMAGES, SIDE)
        return self._made(data, BATCH, workers)

    def _made(self, data: Any, batch: int, workers: int) -> Any:
        kept = bool(workers)
        return self.data.DataLoader(data, batch, num_workers=workers, persistent_workers=kept)

    def one_pass(self, kind: str, workers: str) -> dict[str, float]:
        """Seconds of a pass, and how many samples it had."""
        key = kind, int(workers)
        loader = self.loaders[key] = self.loaders.get(key) or self.loader(*key)
        began = time.perf_counter()
        count = sum(len(batch[0]) for batch in loader)
        return {"seconds": time.perf_counter() - began, "samples": count}

    @functools.cached_property
    def step(self) -> Any:
        """A compiled training step of a ResNet-18."""
        t, vision = self.t, importlib.import_module("kuai.vision")
        net = vision.models.resnet18(num_classes=10)
        optimizer = t.optim.SGD(net.parameters(), 0.01, momentum=0.9)

        @t.compile
        def step(pictures, labels):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(net(pictures), labels)
            loss.backward()
            optimizer.step()
            return loss

        return step

    @functools.cached_property
    def pictures(self) -> Any:
        """Batches for the steps, without an end to speak of."""
        return Images(10**6, FED_SIDE)

    def ready(self, steps: str) -> dict[str, float]:
        """Seconds of a step on a batch that is there."""
        samples = [self.pictures[i] for i in range(FED_BATCH)]
        batch = self.data.default_collate(samples)
        return self._steps([batch] * int(steps))

    def fed(self, steps: str, workers: str) -> dict[str, float]:
        """Seconds of a step with its batch from the loader."""
        batches = iter(self._made(self.pictures, FED_BATCH, int(workers)))
        next(batches)
        return self._steps(next(batches) for _ in range(int(steps)))

    def _steps(self, batches: Any) -> dict[str, float]:
        began, count, loss = time.perf_counter(), 0, None
        for pictures, labels in batches:
            loss, count = self.step(pictures, labels), count + 1
        assert loss is None or np.isfinite(loss.item())
        return {"seconds": (time.perf_counter() - began) / max(count, 1)}


if __name__ == "__main__":
    serve(lambda: Contender(sys.argv[1]))

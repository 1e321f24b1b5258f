"""What recording costs in Python, beside what is computed: microseconds an operation.

    python -m benchmarks.recording

Steps of small networks are recorded as `kuai.compile` does it, and the time is taken at three
places: where the backward pass begins, where the record is run, and where the call ends. The
smallest of many rounds counts, since whatever else the machine does only adds to it.
"""

import os
import time

os.environ["KUAI_REPLAY"] = "0"  # else the beginning of a step would skip its Python

import kuai
from kuai import nn
from kuai.engine.compile.recorder import Recorder

ROUNDS = 300


def network(layers: int) -> nn.Module:
    """A perceptron of many small layers, so that the arithmetic is next to nothing."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(16, 16), nn.ReLU()]
    return nn.Sequential(*parts)


class Clock:
    """The moments of one step."""

    def __init__(self, net: nn.Module):
        self.net = net
        self.moments: list[float] = []
        self.operations: list[int] = []
        self.compiled = kuai.compile(self.step)

    def step(self, x):
        """Forward and backward, noting when each is over."""
        self.moments = [time.perf_counter()]
        loss = self.net(x).sum()
        self._note()
        loss.backward()
        self._note()
        self.net.zero_grad()
        return loss

    def _note(self) -> None:
        self.moments.append(time.perf_counter())
        self.operations.append(_recorder().current.length)

    def __call__(self, x) -> tuple[float, ...]:
        """Microseconds an operation, forward and backward, and those of running the record."""
        self.operations = []
        loss = self.compiled(x)
        end = time.perf_counter()
        loss._storage.held.array.block_until_ready()
        start, middle, last = self.moments
        forward, both = self.operations
        spans = (middle - start) / forward, (last - middle) / (both - forward), end - last
        return tuple(1e6 * span for span in spans)


def _recorder() -> Recorder:
    return kuai.engine.tensor.modes.state.recorder


def main() -> None:
    """Print the costs for networks of a few depths."""
    print("layers   forward   backward   (microseconds an operation)   running the record")
    for layers in (2, 20, 100):
        clock, x = Clock(network(layers)), kuai.ones(4, 16)
        for _ in range(3):
            clock(x)
        best = [min(times) for times in zip(*(clock(x) for _ in range(ROUNDS)), strict=True)]
        print(f"{layers:6}   {best[0]:7.1f}   {best[1]:8.1f}   {'':29} {best[2]:7.0f} us")


if __name__ == "__main__":
    main()

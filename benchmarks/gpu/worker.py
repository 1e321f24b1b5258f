"""A contender's process on a GPU; the orders are those of `benchmarks.worker`.

    python -m benchmarks.gpu.worker CASE CONTENDER [--cpu]

`peak_mib` is the most memory that the library has had on the device, from the start; what JAX tries
while it compiles is in it. The weights of the models for jax.jit have the names and shapes of
PyTorch's.
"""

from __future__ import annotations

import pathlib
import shutil
import sys
import tempfile

from benchmarks.contenders import kuai_compiled, kuai_eager, size_of, torch_compiled, torch_eager
from benchmarks.gpu.cases import cases
from benchmarks.process import serve
from benchmarks.timing import timed

CONTENDERS = ["Kuai compiled", "Kuai eager", "PyTorch eager", "torch.compile", "jax.jit by hand"]
TRACED = 3  # steps of a trace


class OnTorch:
    """PyTorch's contenders."""

    def __init__(self, name, case, compiled):
        import torch

        self.torch, self.on_gpu = torch, case.device != "cpu"
        self.step = (torch_compiled if compiled else torch_eager)(case)[0]

    def wait(self, result) -> float:
        """Block until all is done; the loss."""
        if self.on_gpu:
            self.torch.cuda.synchronize()
        return size_of(result)

    def trace(self, path) -> None:
        """Write a few steps' kernels to a file, for chrome://tracing."""
        with self.torch.profiler.profile() as profile:
            for _ in range(TRACED):
                self.wait(self.step())
        profile.export_chrome_trace(path)

    def device(self) -> str:
        """What the card is called."""
        return self.torch.cuda.get_device_name() if self.on_gpu else "cpu"

    def peak(self) -> float:
        """Bytes."""
        return self.torch.cuda.max_memory_allocated() if self.on_gpu else 0


class OnJax:
    """Kuai's contenders, and jax.jit by hand."""

    def __init__(self, name, case, contender):
        import jax

        self.jax, self.place = jax, jax.local_devices(backend=case.device)[0]
        self.step = contender(name, case)

    def wait(self, result) -> float:
        """Block until all is done; the loss."""
        self.jax.block_until_ready(self.jax.live_arrays())
        return size_of(result)

    def trace(self, path) -> None:
        """Write a few steps' kernels to a file, for chrome://tracing."""
        with tempfile.TemporaryDirectory() as folder:
            options = self.jax.profiler.ProfileOptions()
            options.python_tracer_level = 0
            with self.jax.profiler.trace(
                folder, create_perfetto_trace=True, profiler_options=options
            ):
                for _ in range(TRACED):
                    self.wait(self.step())
            shutil.move(next(pathlib.Path(folder).rglob("perfetto_trace.json.gz")), path)

    def device(self) -> str:
        """What the card is called."""
        return self.place.device_kind

    def peak(self) -> float:
        """Bytes."""
        return (self.place.memory_stats() or {}).get("peak_bytes_in_use", 0)


def _by_hand(name, case):
    import torch

    from benchmarks.gpu.plain_jax import plain_jax

    with torch.device("meta"):  # shapes without numbers
        model = case.model(torch)
    return plain_jax(name, case, model)


def _made(name, case, contender):
    if contender in ("PyTorch eager", "torch.compile"):
        return OnTorch(name, case, contender == "torch.compile")
    makers = {
        "Kuai compiled": lambda _, case: kuai_compiled(case)[0],
        "Kuai eager": lambda _, case: kuai_eager(case)[0],
        "jax.jit by hand": _by_hand,
    }
    return OnJax(name, case, makers[contender])


class Contender:
    """Carries out orders."""

    def __init__(self, name, contender, small):
        self.name, self.contender, self.case = name, contender, cases(small)[name]

    def make(self):
        """Import the library and make the model."""
        self.made = _made(self.name, self.case, self.contender)
        return {"device": self.made.device()}

    def first(self):
        """The first step."""
        return self._timed(1)

    def run(self, count):
        """One step that is not counted, and more."""
        self.made.wait(self.made.step())
        return self._timed(int(count))

    def _timed(self, count):
        seconds, loss = timed(self.made.step, self.made.wait, count)
        return {"seconds": seconds, "loss": loss}

    def trace(self, path):
        """Where the time of a step goes; what it needed is told afterwards all the same."""
        try:
            self.made.trace(path)
        except Exception as error:  # noqa: BLE001 - profilers fail in many ways
            return {"untraced": repr(error)}
        return {}

    def end(self):
        """What it needed."""
        return {"peak_mib": self.made.peak() / 2**20}


def main() -> None:
    serve(lambda: Contender(sys.argv[1], sys.argv[2], "--cpu" in sys.argv))


if __name__ == "__main__":
    main()

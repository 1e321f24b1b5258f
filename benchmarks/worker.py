"""A contender's process: reads orders from stdin, one a line, and answers each with a line of JSON.

make      import the library and make the model
first     run the first step, traced and compiled; gives seconds and the loss
run N     run one step and N more; gives the seconds of the N and the last loss
calls     run one step and count the functions that Python calls in it
end       gives the peaks of memory, and ends

Memory is counted from the moment when the model has been made, weights included: `peak_mib` is what
the process needed beyond that at the worst moment, compiling included, `steps_mib` what it needed
in the steps after the first.
"""

from __future__ import annotations

import pathlib
import resource
import sys
import time

from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS
from benchmarks.process import serve
from benchmarks.sizes import case_of_size, is_size
from benchmarks.timing import timed

STATUS = pathlib.Path("/proc/self/status")
RESET = pathlib.Path("/proc/self/clear_refs")


class Memory:
    """What the process has needed since it was made, in MiB."""

    def __init__(self) -> None:
        self.start = self._reset()
        self.peak_before = self.start

    def _reset(self) -> float:
        """Forget the peak so far; what is in use now."""
        if not RESET.exists():
            return self._peak()
        RESET.write_text("5")
        return _status("VmRSS")

    def _peak(self) -> float:
        if STATUS.exists():
            return _status("VmHWM")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 if sys.platform != "darwin" else 1024**2)

    def first_step_done(self) -> None:
        """From here on the peak is that of the later steps."""
        self.peak_before = self._peak()
        self._reset()

    def needed(self) -> dict[str, float]:
        """The peaks beyond the start."""
        steps = self._peak()
        return {
            "peak_mib": max(steps, self.peak_before) - self.start,
            "steps_mib": steps - self.start,
        }


def _status(name: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{STATUS} has no {name}")


class Contender:
    """Carries out orders."""

    def __init__(self, case: str, contender: str) -> None:
        self.case = case_of_size(case) if is_size(case) else CASES[case]
        self.contender = contender

    def make(self) -> dict[str, float]:
        """Import the library and make the model."""
        start = time.perf_counter()
        self.step, self.wait = CONTENDERS[self.contender](self.case)
        seconds = time.perf_counter() - start
        self.memory = Memory()
        return {"seconds": seconds}

    def first(self) -> dict[str, float]:
        """The first step."""
        elapsed, loss = timed(self.step, self.wait, 1)
        self.memory.first_step_done()
        return {"seconds": elapsed, "loss": loss}

    def run(self, count: str) -> dict[str, float]:
        """One step that is not counted, and more steps.

        While the others had their turn the caches were filled anew, threads went to sleep, and on a
        virtual machine free memory was given away: training goes on without such pauses.
        """
        self.wait(self.step())
        elapsed, loss = timed(self.step, self.wait, int(count))
        return {"seconds": elapsed, "loss": loss}

    def calls(self) -> dict[str, int]:
        """How much Python is in a step, whatever else the machine does."""
        count = 0

        def note(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        replay_all_the_same()
        sys.setprofile(note)
        result = self.step()
        sys.setprofile(None)
        self.wait(result)
        return {"calls": count}

    def end(self) -> dict[str, float]:
        """What it needed."""
        return self.memory.needed()


def replay_all_the_same() -> None:
    """Have Kuai replay steps whose calls are counted: it runs their Python where somebody looks."""
    signatures = sys.modules.get("kuai.engine.compile.signatures")
    if signatures is not None:
        signatures._is_observed = lambda: False


def main() -> None:
    serve(lambda: Contender(*sys.argv[1:]))


if __name__ == "__main__":
    main()

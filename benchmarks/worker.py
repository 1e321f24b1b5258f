"""A contender's process: reads orders from stdin, one a line, and answers each with a line of JSON.

first     make the model and run the first step, traced and compiled; gives seconds and the loss
run N     run N steps; gives seconds and the last loss
end       gives the peak memory, and ends
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time

from benchmarks.contenders import CONTENDERS
from benchmarks.timing import timed


def main() -> None:
    case_name, contender = sys.argv[1:]
    # what a library prints must not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    case = importlib.import_module(f"benchmarks.cases.{case_name}").CASE
    step = wait = None
    for line in sys.stdin:
        order, *arguments = line.split()
        if order == "first":
            start = time.perf_counter()
            step, wait = CONTENDERS[contender](case)
            ready = time.perf_counter()
            loss = wait(step())
            answer = {
                "seconds": time.perf_counter() - ready,
                "setup": ready - start,
                "loss": loss,
            }
        elif order == "run":
            elapsed, loss = timed(step, wait, int(arguments[0]))
            answer = {"seconds": elapsed, "loss": loss}
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = {"peak_mib": peak / (1024 if sys.platform != "darwin" else 1024**2)}
        print(json.dumps(answer), file=answers, flush=True)
        if order == "end":
            return


if __name__ == "__main__":
    main()

"""A contender's process, and how it is asked; what is needed here comes with Python."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent


class Worker:
    """A contender's process.

    Args:
        module: what to run; it reads orders and answers, as `benchmarks.worker` does.
        arguments: for its command line.
        scratch: a folder for what it writes.
        limit: seconds for one answer.
        more: what it finds in its environment besides.
    """

    def __init__(
        self, module: str, arguments: list[str], scratch: str, limit: float, more: dict[str, str]
    ) -> None:
        # no compiled program of an earlier run may shorten the first step
        environment = {**os.environ, "KUAI_CACHE": "0", "TORCHINDUCTOR_CACHE_DIR": scratch}
        environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        environment.update(more)
        self.limit = limit
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def ask(self, *orders: str) -> dict[str, float]:
        """Send orders and wait for the answer to the last; RuntimeError where there is none."""
        self.tell(*orders)
        return self.answers(len(orders))[-1]

    def tell(self, *orders: str) -> None:
        """Send orders, without waiting."""
        try:
            self.process.stdin.write("".join(f"{order}\n" for order in orders))
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise RuntimeError(self._last_words()) from error

    def answers(self, count: int) -> list[dict[str, float]]:
        """The answers to so many orders."""
        late = threading.Timer(self.limit, self.process.kill)
        late.start()
        lines = [self.process.stdout.readline() for _ in range(count)]
        late.cancel()
        if not lines[-1]:
            raise RuntimeError(self._last_words())
        return [json.loads(line) for line in lines]

    def _last_words(self) -> str:
        if self.process.wait() == -9:
            return f"no answer within {self.limit:.0f} s, or not enough memory"
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        errors = [line for line in lines if "Error" in line.partition(":")[0].split(" ")[0]]
        return (errors or lines or [f"exit status {self.process.returncode}"])[-1]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def serve(make: Callable[[], Any]) -> None:
    """In a process of its own: carry out the orders that arrive, until the one to end."""
    # what a library prints must not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender = make()
    for line in sys.stdin:
        order, *arguments = line.split()
        answer = getattr(contender, order)(*arguments)
        print(json.dumps(answer), file=answers, flush=True)
        if order == "end":
            return

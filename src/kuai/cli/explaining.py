"""`kuai run --explain`: what a program asked for and Kuai has not, and where it had to wait."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections import Counter
from typing import Any

from kuai.engine.compile import compiler
from kuai.engine.tensor import Tensor
from kuai.optim.optimizer import register_optimizer_step_post_hook
from kuai.standin.paths import TorchPaths

__all__ = ["Notes"]

_MOST = 40  # lines of one list


class Notes:
    """Notes down what is missing while a program runs.

    Args:
        fused: whether operations are recorded, so that there are flushes to report.
    """

    def __init__(self, fused: bool):
        self.fused = fused
        self.missing: Counter[str] = Counter()
        self.steps = 0
        self.compiled: list[compiler.Compiled] = []
        compiler.Compiled.made = self.compiled
        if fused:  # a hook keeps compiled steps from being replayed
            register_optimizer_step_post_hook(self._count_step)
        for finder in sys.meta_path:
            if isinstance(finder, TorchPaths):
                finder.missed = self._note
        self._watch_modules()
        Tensor.__getattr__ = self._tensor_attribute  # type: ignore[attr-defined]

    def _note(self, name: str) -> None:
        self.missing[name] += 1

    def _count_step(self, *_: Any) -> None:
        self.steps += 1

    def _watch_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            first, second, *_ = [*name.split("."), ""]
            inner = second in ("engine", "ops", "cli", "standin", "saving")
            if first == "kuai" and not inner and type(module) is types.ModuleType:
                module.__class__ = self._watched(name)

    def _watched(self, name: str) -> type[types.ModuleType]:
        """A class of modules that note what they have not."""
        note, theirs = self._note, name.replace("kuai", "torch", 1)

        class Watched(types.ModuleType):
            def __getattr__(self, attribute: str) -> Any:
                if not (attribute.startswith("__") or _is_elsewhere(name, attribute)):
                    note(f"{theirs}.{attribute}")
                raise AttributeError(f"module {name!r} has no attribute {attribute!r}")

            def __reduce__(self) -> Any:  # what is sent to a worker may refer to the module
                return importlib.import_module, (self.__name__.replace("torch", "kuai", 1),)

        return Watched

    def _tensor_attribute(self, attribute: str) -> Any:
        if not attribute.startswith("__"):
            self._note(f"torch.Tensor.{attribute}")
        raise AttributeError(f"'Tensor' object has no attribute {attribute!r}")

    def print(self) -> None:
        """What was noted, on the error stream."""
        lines = [
            "kuai run: asked for and not there:" if self.missing else "kuai run: all was there"
        ]
        lines += _listed(self.missing)
        flushes = Counter(compiler._fused.flushes)
        if self.fused:
            lines += self._programs()
        compiled = self._compiled(flushes)
        lines += compiled
        if not self.fused:
            what = "operations outside of them" if compiled else "operations"
            lines.append(f"kuai run: {what} ran one by one; --fused records them")
        if flushes:
            lines.append("kuai run: a value was asked for, and computing waited for it:")
            lines += _listed(Counter({f"{what}, {line}": n for (what, line), n in flushes.items()}))
            lines.append(
                "  Each ends a program. A step whose loss is read after optimizer.step() is one "
                "program; values that are read every some steps only cost less."
            )
        elif self.fused or compiled:
            lines.append("kuai run: no value was asked for in between: nothing had to wait")
        print("\n".join(lines), file=sys.stderr)

    def _programs(self) -> list[str]:
        """What the steps of optimizers were part of: one program each, or more."""
        ran = [program for program in compiler._fused.programs if program.calls]
        ran.sort(key=lambda program: program.operations * program.calls, reverse=True)
        rows = [f"  {_many(each.operations, 'operation')}{_times(each.calls)}" for each in ran]
        text = f"kuai run: steps of optimizers: {self.steps}; programs that ran, beside first runs:"
        return [text, *_cut(rows)]

    def _compiled(self, flushes: Counter) -> list[str]:
        """What became of the functions that the program compiles itself."""
        rows = []
        for each in self.compiled:
            explanation = each.explain()
            if not explanation.calls:  # a part of what is recorded around it
                continue
            rows += [f"  {line}" for line in explanation.summary()]
            for what, line, times in explanation.flushes:
                flushes[what, line] += times
        return ["kuai run: compiled by the program itself:", *_cut(rows)] if rows else []


def _is_elsewhere(package: str, name: str) -> bool:
    """Whether somebody only looks where a name is, or a part is about to be imported."""
    for place in ("kuai", "kuai.nn", "kuai.nn.functional", "kuai.nn.init"):
        if name in vars(sys.modules.get(place, types)):
            return True
    if not hasattr(sys.modules.get(package), "__path__"):
        return False
    return importlib.util.find_spec(f"{package}.{name}") is not None


def _listed(counts: Counter[str]) -> list[str]:
    return _cut([f"  {text}{_times(n)}" for text, n in counts.most_common()])


def _cut(rows: list[str]) -> list[str]:
    more = len(rows) - _MOST
    return rows[:_MOST] + ([f"  … and {more} more"] if more > 0 else [])


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _times(n: int) -> str:
    return f" ({n} times)" if n > 1 else ""

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
        if self.fused:
            flushes = Counter(
                {f"{what}, {line}": n for (what, line), n in compiler._fused.flushes.items()}
            )
            lines += self._programs()
            lines.append("kuai run: a value was asked for, and computing waited for it:")
            lines += _listed(flushes)
        else:
            lines.append("kuai run: operations ran one by one; --fused records them")
        print("\n".join(lines), file=sys.stderr)

    def _programs(self) -> list[str]:
        """What the steps of optimizers were part of: one program each, or more."""
        ran = [program for program in compiler._fused.programs if program.calls]
        ran.sort(key=lambda program: program.operations * program.calls, reverse=True)
        rows = {f"{each.operations} operations": each.calls for each in ran}
        text = f"kuai run: steps of optimizers: {self.steps}; programs that ran, beside first runs:"
        return [text, *_listed(Counter(rows))]


def _is_elsewhere(package: str, name: str) -> bool:
    """Whether somebody only looks where a name is, or a part is about to be imported."""
    for place in ("kuai", "kuai.nn", "kuai.nn.functional", "kuai.nn.init"):
        if name in vars(sys.modules.get(place, types)):
            return True
    if not hasattr(sys.modules.get(package), "__path__"):
        return False
    return importlib.util.find_spec(f"{package}.{name}") is not None


def _listed(counts: Counter[str]) -> list[str]:
    lines = [
        f"  {text} ({n} times)" if n > 1 else f"  {text}" for text, n in counts.most_common(_MOST)
    ]
    more = len(counts) - _MOST
    return lines + ([f"  … and {more} more"] if more > 0 else [])

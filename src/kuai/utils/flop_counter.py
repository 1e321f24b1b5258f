"""`kuai.utils.flop_counter`: multiplications and additions of products, forward and backward."""

import warnings
from collections import Counter, defaultdict
from typing import Any

from kuai.utils._python_dispatch import TorchDispatchMode
from kuai.utils.flop_formulas import formula_of, of_shapes, register_flop_formula
from kuai.utils.module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

_SUFFIXES = ("", "K", "M", "B", "T")


class FlopCounterMode(TorchDispatchMode):
    """Count what products of matrices, convolutions and attention inside cost.

    Args:
        mods: not needed any more; all modules are told apart.
        depth: how deep modules are shown in the table.
        display: print a table at the end.
        custom_mapping: by operation, `kuai.ops.aten.mm`, functions of its arguments' shapes and
            `out_shape=`.

    Example:
        >>> from kuai.utils.flop_counter import FlopCounterMode
        >>> net = kuai.nn.Linear(3, 4)
        >>> with FlopCounterMode() as counter:
        ...     net(kuai.ones(2, 3)).sum().backward()
        Module           FLOP    % Total
        -------------  ------  ---------
        Linear             96    100.00%
         - aten.addmm      48     50.00%
         - aten.mm         48     50.00%
        >>> counter.get_total_flops()
        96
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: Any = None
    ):
        if mods is not None:
            warnings.warn(
                "mods argument is not needed anymore, you can stop passing it", stacklevel=2
            )
        self.depth = depth
        self.display = display
        self.flop_counts: dict[str, Counter] = defaultdict(Counter)
        self.mod_tracker = ModuleTracker()
        self._own = custom_mapping or {}

    def get_total_flops(self) -> int:
        """All of it."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """By module, `Net.layer`, and `Global`: by operation."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The same as text; `Global` where something was counted outside of all modules."""
        depth = self.depth if depth is None else depth
        if depth is None:
            depth = 999999
        total, rows, covered = self.get_total_flops(), [], False
        for name in sorted(self.flop_counts):
            deep = name.count(".") + 1
            if name != "Global" and deep <= depth:
                rows += self._rows(name, deep - 1)
                covered = covered or sum(self.flop_counts[name].values()) >= total
        if "Global" in self.flop_counts and not covered:
            rows = self._rows("Global", 0) + [(f" {name}", *rest) for name, *rest in rows]
        return _table([("Module", "FLOP", "% Total"), *(rows or [("Global", "0", "0%")])])

    def _rows(self, name: str, indent: int) -> list[tuple]:
        counts, total = self.flop_counts[name], self.get_total_flops()
        power = max(0, min(len(_SUFFIXES) - 1, (len(str(total)) - 2) // 3))

        def row(what: str, count: int) -> tuple:
            share = f"{count / total:.2%}" if total else "0%"
            number = f"{count / 1000**power:.3f}{_SUFFIXES[power]}" if power else f"{count}"
            return " " * indent + what, number, share

        parts = [row(f" - {operation}", count) for operation, count in counts.items()]
        return [row(name, sum(counts.values())), *parts]

    def __enter__(self):
        self.flop_counts.clear()
        self.mod_tracker.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.mod_tracker.__exit__(*error)
        if self.display:
            print(self.get_table(self.depth))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run the operation and count it."""
        out = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        count = self._count(operation, out, args, kwargs or {})
        if count is not None:
            for place in set(self.mod_tracker.parents):
                self.flop_counts[place][operation] += count
        return out

    def _count(self, operation, out, args, kwargs):
        own = self._own.get(operation)
        if own is None:
            formula = formula_of(operation)
            return None if formula is None else formula(out, *args, **kwargs)
        if getattr(own, "_get_raw", False):
            return own(*args, out_val=out, **kwargs)
        return of_shapes(own)(out, *args, **kwargs)


def _table(rows: list[tuple]) -> str:
    """Text in columns: names to the left, numbers to the right."""
    widths = [max(len(rows[0][i]) + 2, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    head, *body = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join("  ".join(line) for line in lines)

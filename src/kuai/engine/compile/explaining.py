"""Explanations: what `kuai.compile` has made of a function, and what ends its programs."""

import functools

import jax

__all__ = ["Explanation", "ProgramExplanation", "text_of"]

_MOST_LINES = 12  # of one list, before it says how many more there are


class ProgramExplanation:
    """One program: what goes in and out, how often it ran, and what it costs.

    Attributes:
        inputs: a text such as `float32[32, 20]` for each input.
        reused: how many of them are written into.
        outputs: how many results it gives.
        operations: how many operations it consists of.
        calls: how often it has been run.
        flops, bytes_accessed: XLA's estimates of one call.
        memory: bytes by kind: `arguments`, `outputs`, `temporary`, `reused`.
    """

    def __init__(self, program):
        donated, kept = program.avals
        self.inputs = [text_of(aval) for aval in (*donated, *kept)]
        self.reused, self.outputs = len(donated), len(program.key[0])
        self.operations, self.calls = program.operations, program.calls
        compiled = program.function.lower(*program.avals).compile()
        cost = _first(compiled.cost_analysis())
        self.flops = cost.get("flops", 0.0)
        self.bytes_accessed = cost.get("bytes accessed", 0.0)
        self.memory = _memory(compiled)

    def row(self) -> tuple[str, ...]:
        """The cells of its row in the table."""
        return (
            str(self.calls), str(self.operations),
            f"{len(self.inputs)} ({self.reused} reused)", str(self.outputs),
            f"{_short(self.flops)}FLOP", f"{_short(self.bytes_accessed)}B",
            f"{_short(self.memory.get('temporary', 0))}B",
        )  # fmt: skip

    def __str__(self):
        lines = _listed("inputs", self.inputs)
        lines.append(f"cost: {_short(self.flops)}FLOP, {_short(self.bytes_accessed)}B accessed")
        memory = ", ".join(f"{kind} {_short(size)}B" for kind, size in self.memory.items())
        lines.append(f"memory: {memory}")
        return "\n".join(lines)


_HEADS = ("calls", "operations", "inputs", "outputs", "cost", "accessed", "temporary")


class Explanation:
    """What became of a compiled function: programs, calls, flushes and their lines.

    Attributes:
        programs: a `ProgramExplanation` each.
        calls: how many calls there were.
        replayed: how many of them skipped Python, because it was proven that it may be.
        begun: how many skipped it up to the line that `reason` names.
        skipped: whether it runs at the lines that `reason` names, and is skipped after them.
        reason: what prevented that last, and the line, or None.
        flushes: `(what was asked for, line, how often)` for each place where a record was run in
            the middle of a call.
        rests: whether it runs operation by operation now, because its records kept changing.
        graph_count, op_count: PyTorch's names of how many programs and operations there are.
        graph_break_count, break_reasons: and of how many places there are in `flushes`, and a text
            for each.
    """

    def __init__(self, compiled):
        records, layers = compiled._records, [compiled]  # one in the other, by their first lines
        while layers[-1]._after_prologue is not None:
            layers.append(layers[-1]._after_prologue.rest)
        parts = [each._parts for each in layers if each._parts is not None]
        self.replayed = sum(each._replays.calls for each in layers)
        self.begun = sum(each.replays.calls for each in parts)
        reasons = [each._replays.reason for each in layers if each._replays.reason is not None]
        self.reason = " and ".join(reasons) or None
        self.skipped = len(layers) > 1 and self.replayed + self.begun > 0
        self.name = records.name
        self.calls = records.calls + self.replayed - sum(each.twice for each in parts)
        self._made = compiled.programs
        self.flushes = [(what, line, n) for (what, line), n in records.flushes.most_common()]
        self.rests = bool(records.rest.left)
        self.graph_count, self.graph_break_count = len(self._made), len(self.flushes)
        self.op_count = sum(program.operations for program in self._made)
        self.break_reasons = [f"{what} at {line}" for what, line, _ in self.flushes]

    @functools.cached_property
    def programs(self) -> list[ProgramExplanation]:
        """What XLA says of each program, for which it compiles them once more."""
        return [ProgramExplanation(program) for program in self._made]

    def summary(self) -> list[str]:
        """Lines about calls, programs and what prevented replays, without the programs' costs."""
        count = len(self._made)
        way = f"{self.replayed} replayed" if self.replayed else "recorded"
        if self.begun:
            way += f", the beginning of {self.begun} replayed"
        lines = [
            f"{self.name}: {self.calls} call{'s' * (self.calls != 1)}, {way}, "
            f"{count} program{'s' * (count != 1)}"
        ]
        if self.reason is not None:
            where = "from there on" if self.begun else "at each call"
            where = "there" if self.skipped else where
            lines.append(f"  Python runs {where} because of {self.reason}")
        if self.rests:
            lines.append("  runs operation by operation for a while: its records kept changing")
        return lines

    def __str__(self):
        lines = self.summary()
        if self.programs:
            lines += _table(_HEADS, [program.row() for program in self.programs])
        for what, line, times in self.flushes:
            lines.append(f"  flushed {times} time{'s' * (times != 1)} for {what} at {line}")
        return "\n".join(lines)

    __repr__ = __str__


def _table(heads, rows) -> list[str]:
    """Rows of text under their heads."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    numbered = [("program", heads), *((str(i), row) for i, row in enumerate(rows, 1))]
    return [
        f"  {first:>7}  " + "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
        for first, row in numbered
    ]


def text_of(array) -> str:
    """An array's dtype and shape, such as `float32[32, 20]`."""
    return f"{jax.numpy.dtype(array.dtype).name}[{', '.join(map(str, array.shape))}]"


def _listed(title, lines):
    shown = [f"    {line}" for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"    and {len(lines) - _MOST_LINES} more")
    return [f"{title}: {len(lines)}", *shown]


def _first(cost):
    """JAX gives a dict, or in some versions a list of one for each device."""
    return (cost[0] if isinstance(cost, list) else cost) or {}


def _memory(compiled):
    found = compiled.memory_analysis()
    if found is None:  # a backend that does not say
        return {}
    return {
        "arguments": found.argument_size_in_bytes,
        "outputs": found.output_size_in_bytes,
        "temporary": found.temp_size_in_bytes,
        "reused": found.alias_size_in_bytes,
    }


def _short(number) -> str:
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} P"

"""Explanations: what `kuai.compile` has made of a function, and why."""

import jax

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.randomness import generators

__all__ = ["Explanation", "ProgramExplanation", "text_of"]

_MOST_LINES = 12  # of one list, before it says how many more there are


class ProgramExplanation:
    """One program: what goes in and out, what it depends on, and what it costs.

    Attributes:
        arguments: a text such as `float32[32, 20]` for each tensor among the arguments.
        captured: (name, text, whether it is written) of each tensor found outside.
        guards: what is compared before each call, in words.
        flops, bytes_accessed: XLA's estimates of one call.
        memory: bytes by kind: `arguments`, `outputs`, `temporary`, `reused`.
    """

    def __init__(self, program, names):
        donated = [(storage, True) for storage in program.donated]
        kept = [(storage, False) for storage in program.kept]
        self.arguments = [text_of(aval) for aval in program.argument_avals]
        self.captured = [
            (names.get(storage, "a tensor"), text_of(storage.array), written)
            for storage, written in (*donated, *kept)
        ]
        self.guards = program.guards.described()
        compiled = program.forward.lower(*program.avals).compile()
        cost = _first(compiled.cost_analysis())
        self.flops = cost.get("flops", 0.0)
        self.bytes_accessed = cost.get("bytes accessed", 0.0)
        self.memory = _memory(compiled)

    def __str__(self):
        lines = [f"arguments: {', '.join(self.arguments) or 'none'}"]
        lines += _listed("captured", [self._captured_line(entry) for entry in self.captured])
        lines += _listed("guarded", self.guards)
        lines.append(f"cost: {_short(self.flops)}FLOP, {_short(self.bytes_accessed)}B accessed")
        memory = ", ".join(f"{kind} {_short(size)}B" for kind, size in self.memory.items())
        lines.append(f"memory: {memory}")
        return "\n".join(lines)

    @staticmethod
    def _captured_line(entry):
        name, text, written = entry
        return f"{name}: {text}{', written' if written else ''}"


class Explanation:
    """What became of a compiled function: programs, captures after the first, eager runs.

    Attributes:
        programs: a `ProgramExplanation` each.
        retraces: why the function was captured again, one text for each time.
        eager: why it runs eagerly, for arguments with which it does.
    """

    def __init__(self, compiled):
        self.name = compiled._name()
        programs = [p for kept in compiled.programs.values() for p in kept]
        self.programs = [ProgramExplanation(p, _names(p)) for p in programs]
        self.retraces = list(compiled.retraces)
        self.eager = list(compiled.eager.values())

    def __str__(self):
        count = len(self.programs)
        lines = [f"{self.name}: {count} program{'s' * (count != 1)}"]
        for number, program in enumerate(self.programs, 1):
            text = str(program).replace("\n", "\n    ")
            lines.append(f"  program {number}\n    {text}")
        lines += [f"  captured again because of {reason}" for reason in self.retraces]
        lines += [f"  runs eagerly: {reason}" for reason in self.eager]
        return "\n".join(lines)

    __repr__ = __str__


def _names(program):
    """A name for each storage that a variable of the function leads to."""
    found = {}
    for generator in generators():
        found[generator._key] = f"random key of {generator.device}"
        found[generator._offset] = f"random offset of {generator.device}"
    for name, thing in program.guards.roots.values():
        if isinstance(thing, Tensor):
            found.setdefault(thing._storage, name)
        elif hasattr(thing, "named_parameters") and not isinstance(thing, type):
            for inner, tensor in (*thing.named_parameters(), *thing.named_buffers()):
                found.setdefault(tensor._storage, f"{name}.{inner}")
    for name, thing in program.guards.roots.values():
        if hasattr(thing, "param_groups"):
            for param, entries in thing.state.items():
                of = found.get(param._storage, "a parameter")
                for key, tensor in entries.items():
                    if isinstance(tensor, Tensor):
                        found.setdefault(tensor._storage, f"{name}: {key} of {of}")
    return found


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

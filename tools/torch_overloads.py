"""Write src/kuai/engine/op/overloads.txt: how PyTorch's compiled functions may be called.

A line has a function's place and its ways to be called, in the words of PyTorch's own messages:
those it lists where no way fits, and for a function with one way what `torch.ops` says of it.
`Tensor.f` has no line where it is `f` without its first argument, and no ways where it is written
in Python.
"""

import pathlib
import re

import torch

TABLE = pathlib.Path(__file__).parent.parent / "src" / "kuai" / "engine" / "op" / "overloads.txt"
#: Where functions are found, and whether the name of the place is a part of theirs in messages.
SPACES = {
    "": (False, torch),
    "nn.functional.": (False, torch.nn.functional),
    "linalg.": (True, torch.linalg),
    "fft.": (True, torch.fft),
    "special.": (True, torch.special),
}
_MAKING = "*, torch.dtype dtype = None, torch.device device = None, bool requires_grad = False"
#: What takes other arguments than its schema says, which is for scripts, or has no schema.
BY_HAND = {
    "tensor": [f"object data, {_MAKING}, bool pin_memory = False"],
    "as_tensor": ["object data, torch.dtype dtype = None, torch.device device = None"],
    "asarray": [f"object obj, {_MAKING}, bool copy = None"],
    "empty": [f"tuple of ints size, {_MAKING}, bool pin_memory = False, object layout = None"],
    "Tensor.size": ["int dim = None"],
    "Tensor.cpu": ["*, torch.memory_format memory_format = None"],
    "Tensor.is_contiguous": ["*, torch.memory_format memory_format = None"],
}
#: Stands before a function's one way that is told of, if there are hidden ones.
MORE = "..."
#: Types in the words of the messages; in the order in which they are looked for.
WORDS = {
    r"List\[Tensor\]|List\[Optional\[Tensor\]\]": "tuple of Tensors",
    r"List\[int\]|List\[SymInt\]": "tuple of ints",
    r"List\[float\]": "tuple of floats",
    r"number": "Number",
    r"SymInt": "int",
}


def main() -> None:
    """Ask every function, and write the table."""
    found = {}
    for prefix, (space, public) in SPACES.items():
        for name in dir(public):
            compiled = getattr(public, name)
            if type(compiled).__name__ != "builtin_function_or_method" or name.startswith("_"):
                continue
            given = ways(compiled, f"{prefix[:-1]}_{name}" if space else name)
            if given:
                found[prefix + name] = given
    for name in dir(torch.Tensor):
        kind = type(getattr(torch.Tensor, name)).__name__
        if name.startswith("_") or kind not in ("method_descriptor", "function"):
            continue
        is_compiled = kind == "method_descriptor"
        given = ways(getattr(torch.ones(2), name), name, is_method=True) if is_compiled else []
        if given != methods_of(found.get(name)):
            found[f"Tensor.{name}"] = given
    found |= BY_HAND
    lines = ["|".join((place, *given)) for place, given in sorted(found.items())]
    TABLE.write_text("\n".join(lines) + "\n")


def ways(function, name, is_method=False) -> list[str]:
    """The ways to call a function; none where they are not known."""
    try:
        function(*[object()] * 40)
    except TypeError as error:
        text = str(error)
    except Exception:  # noqa: BLE001 (a function of another kind)
        return []
    else:
        return []
    if "expected one of" in text:
        lines = text.split("\n")
        return [line.strip()[3:-1] for line in lines if line.strip().startswith("* (")]
    if "but expected (" in text:
        return [MORE, text.rpartition("but expected (")[2][:-1]]
    schema = schema_of(name)
    if schema is None:
        return []
    said_of = said(schema, is_method)
    by_position = said_of.partition("*")[0].strip(", ")
    count = len(by_position.split(", ")) if by_position else 0
    stated = re.search(r"takes (?:from \d+ to )?(\d+) positional", text)
    return [said_of] if stated and int(stated[1]) == count else []


def schema_of(name):
    """The one schema that Python sees: that for tensors, or that of a function that makes one."""
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or not hasattr(packet, "overloads"):
        return None
    every = [getattr(packet, each)._schema for each in packet.overloads()]
    plain = [each for each in every if not any(a.is_out for a in each.arguments)]
    for_tensors = [s for s in plain if s.arguments and "Tensor" in str(s.arguments[0].type)]
    named = [s for s in for_tensors or plain if s.overload_name in ("", "Tensor")]
    found = named or for_tensors
    return found[0] if len(found) == 1 else None


def said(schema, is_method) -> str:
    """A schema in the words of PyTorch's messages."""
    parts, starred = [], False
    for number, argument in enumerate(schema.arguments):
        if is_method and number == 0:
            continue
        if argument.kwarg_only and not starred:
            parts, starred = [*parts, "*"], True
        name = "input" if argument.name == "self" and not is_method else argument.name
        shown = f"{kind_of(argument)} {name}"
        if argument.has_default_value():
            shown += " = " + str(argument.default_value).replace(", ", ",")
        parts.append(shown)
    return ", ".join(parts)


def kind_of(argument) -> str:
    """The type of an argument; PyTorch has numbers for dtypes, layouts and devices there."""
    special = {"dtype": "torch.dtype", "layout": "torch.layout", "memory_format": "object"}
    if argument.name in special:
        return special[argument.name]
    text = re.sub(r"^Optional\[(.*)\]$", r"\1", str(argument.type))
    return next((word for pattern, word in WORDS.items() if re.fullmatch(pattern, text)), text)


def methods_of(given):
    """The ways to call the method that has the name of a function."""
    if given is None or not all(way.startswith("Tensor input") for way in given):
        return None
    plain = [re.sub(r"(, \*)?, Tensor out = None$", "", way) for way in given]
    return [re.sub(r"^Tensor input(, )?", "", way) for way in plain]


if __name__ == "__main__":
    main()

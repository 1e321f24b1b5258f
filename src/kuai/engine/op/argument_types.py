"""What PyTorch says of arguments of the wrong types: before anything else, and in its own words.

PyTorch compares the arguments of its compiled functions with lists of types before it looks at
shapes or values. Here a call is only looked at when it has failed with an error of Python's,
NumPy's or JAX's: if PyTorch would not have begun, its `TypeError` takes the place of that error.
The lists stand in overloads.txt, as `tools/torch_overloads.py` finds them.

Reference: the texts are those of torch/csrc/utils/python_arg_parser.cpp and invalid_arguments.cpp.
"""

import dis
import functools
import inspect
import numbers
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.op.registry import REGISTRY
from kuai.engine.op.wrong_calls import fault_of
from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.formats import layout, memory_format
from kuai.engine.tensor.frames import is_meant, is_own_file, tell
from kuai.engine.tensor.overriding import is_of_the_real_torch, named
from kuai.engine.tensor.randomness import Generator

__all__ = ["complaint", "parsed", "refuse", "ways"]

_TABLE = pathlib.Path(__file__).with_name("overloads.txt")
_HERE = str(pathlib.Path(__file__).parent.parent)

#: In the table, before the one way to call a function that messages tell of, if some are hidden.
_MORE = "..."


class Parameter(NamedTuple):
    """One argument that a way to call a function takes."""

    kind: str
    name: str
    optional: bool
    by_name: bool
    none: bool  # whether it is None unless it is given


@functools.cache
def _table() -> dict[str, list[str]]:
    lines = (line.split("|") for line in _TABLE.read_text().splitlines())
    return {place: ways for place, *ways in lines}


@functools.cache
def parsed(way: str) -> tuple[Parameter, ...]:
    """The arguments that one way to call a function takes."""
    found, by_name = [], False
    for part in way.split(", ") if way else ():
        if part == "*":
            by_name = True
            continue
        named, equals, _ = part.partition(" = ")
        kind, _, name = named.rpartition(" ")
        kind = "torch.device" if kind == "Device" else kind
        kind = "torch.memory_format" if name == "memory_format" else kind  # or it is any object
        default = part.rpartition(" = ")[2]
        found.append(Parameter(kind, name, bool(equals), by_name, default == "None"))
    return tuple(found)


# Types --------------------------------------------------------------------------------------------


def _is_number(value, kind=numbers.Number) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.requires_grad
    return isinstance(value, (kind, np.number, np.bool_))


def _is_whole(value) -> bool:
    if isinstance(value, Tensor):
        whole = not (value.dtype.is_floating_point or value.dtype.is_complex)
        return value.ndim == 0 and whole
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_row(value, fits) -> bool:
    """Whether the first of several fits: PyTorch looks at the others when it takes them."""
    return isinstance(value, (tuple, list)) and all(map(fits, value[:1]))


_FITS: dict[str, Callable[[Any], bool]] = {
    "Tensor": lambda value: isinstance(value, Tensor),
    "Number": _is_number,
    "int": _is_whole,
    "float": lambda value: _is_number(value, numbers.Real),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "torch.dtype": lambda value: isinstance(value, dtypes.dtype) or value in (bool, int, float),
    "torch.device": lambda value: isinstance(value, (str, device)) or _is_whole(value),
    "torch.layout": lambda value: isinstance(value, layout),
    "torch.memory_format": lambda value: isinstance(value, memory_format),
    "torch.Generator": lambda value: isinstance(value, Generator),
    "tuple of ints": lambda value: _is_row(value, _is_whole),
    "tuple of floats": lambda value: _is_row(value, lambda each: _is_number(each, numbers.Real)),
    "tuple of Tensors": lambda value: isinstance(value, (tuple, list)),
}
#: What may not be one number in place of several.
_SEVERAL = ("size", "shape")
#: Arguments that every function takes, or that have other names in NumPy.
_ALWAYS = {"out", "requires_grad", "axis", "keepdims", "x", "a", "x1", "x2"}
#: What is not None where something else is what it is unless it is given.
_NEVER_NONE = ("bool", "int", "float", "str", "Number", "tuple of ints")
#: Functions that take a number for a tensor.
_ARITHMETIC = frozenset(
    "add sub mul div divide multiply subtract true_divide floor_divide remainder rsub".split()
)


def _accepts(name: str, parameter: Parameter, value) -> bool:
    if value is None and parameter.optional:
        return parameter.none or parameter.kind not in _NEVER_NONE
        return True
    if parameter.kind == "Tensor" and name.rstrip("_") in _ARITHMETIC and _is_number(value):
        return True
    if parameter.kind == "tuple of ints" and parameter.name not in _SEVERAL and _is_whole(value):
        return True
    return _FITS.get(parameter.kind, lambda value: True)(value)


def _type_name(value) -> str:
    return named(type(value))


# One way to call ----------------------------------------------------------------------------------


def _fault(name: str, way: str, args: tuple, kwargs: dict) -> str | None:
    """What is wrong with the arguments for one way to call a function."""
    parameters = parsed(way)
    places = [p for p in parameters if not p.by_name]
    if _are_sizes(places, args):
        args = (args,)
    if len(args) <= len(places):  # PyTorch goes through its parameters, and stops at the first
        for position, parameter in enumerate(parameters):
            if position < len(args):
                value, shown = args[position], f" (position {position + 1})"
            elif parameter.name in kwargs:
                value, shown = kwargs[parameter.name], ""
            elif parameter.optional or parameter.by_name or kwargs.keys() & _ALWAYS:
                continue
            else:
                break
            if text := _wrong_type(name, parameter, value, shown):
                return text
        else:
            if not kwargs.keys() - {p.name for p in parameters} - _ALWAYS:
                return None
    return f"{name}() {fault_of(_as_python_s(parameters), args, kwargs)}"


def _as_python_s(parameters) -> list[inspect.Parameter]:
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    empty = inspect.Parameter.empty
    return [
        inspect.Parameter(p.name, kinds[p.by_name], default=None if p.optional else empty)
        for p in parameters
    ]


def _are_sizes(places, args) -> bool:
    """Whether sizes are given one by one, as in `x.view(2, 3)`."""
    return len(places) == 1 and places[0].kind == "tuple of ints" and args and _is_whole(args[0])


def _wrong_type(name, parameter, value, position) -> str | None:
    start = f"{name}(): argument '{parameter.name}'"
    if not _accepts(name, parameter, value):
        start += f"{position} must be {parameter.kind}, "
        if isinstance(value, (tuple, list)) and parameter.kind.startswith("tuple"):
            fits = _FITS["Tensor" if parameter.kind.endswith("Tensors") else "int"]
            place = next((i for i, each in enumerate(value) if not fits(each)), 0)
            return f"{start}but found element of type {_type_name(value[place])} at pos {place}"
        return f"{start}not {_type_name(value)}"
    return _wrong_element(start, parameter.kind, value)


def _wrong_element(start, kind, value) -> str | None:
    """What PyTorch says of one of several that is of another type than the first."""
    if kind not in ("tuple of ints", "tuple of Tensors") or not isinstance(value, (tuple, list)):
        return None
    fits = _FITS["Tensor" if kind.endswith("Tensors") else "int"]
    for place, each in enumerate(value):
        if not fits(each) and kind.endswith("Tensors"):
            return f"expected Tensor as element {place} in argument 0, but got {_type_name(each)}"
        if not fits(each):
            return (
                f"{start} failed to unpack the object at pos {place + 1} with error "
                f'"type must be tuple of ints,but got {_type_name(each)}"'
            )
    return None


# Several ways to call -----------------------------------------------------------------------------


def complaint(place: str, name: str, args: tuple, kwargs: dict) -> str | None:
    """PyTorch's text if the types of the arguments fit no way to call a function.

    Example:
        >>> complaint("topk", "topk", ("x", 1), {})
        "topk(): argument 'input' (position 1) must be Tensor, not str"
    """
    given = ways(place)
    every = [way for way in given if way != _MORE]
    faults = [_fault(name, way, args, kwargs) for way in every]
    if not every or None in faults:
        return None
    counts = [len(args) + len(kwargs) in _range(way) for way in every]
    if len(given) == 1 or sum(counts) == 1:
        return faults[counts.index(True) if len(given) > 1 else 0]
    told = [str(fault) for fault in faults if "failed to unpack" in str(fault)]
    return told[0] if told else _all_ways(name, every, args, kwargs)


def ways(place: str) -> list[str]:
    """The ways to call a function, or a method: that is the function without its first argument."""
    found = _table().get(place)
    if found is None and place.startswith("Tensor."):
        plain = (way.removesuffix(", Tensor out = None") for way in _table().get(place[7:], ()))
        every = [way.removesuffix(", *") for way in plain]
        if not all(way.startswith(("Tensor input", _MORE)) for way in every):
            return []
        return [way.removeprefix("Tensor input").removeprefix(", ") for way in every]
    return found or []


def _range(way: str) -> range:
    parameters = parsed(way)
    return range(sum(not p.optional for p in parameters), len(parameters) + 1)


def _all_ways(name, ways, args, kwargs) -> str:
    given = "".join(f"{_type_name(value)}, " for value in args)
    given += "".join(f"{key}={_type_name(value)}, " for key, value in kwargs.items())
    given = given[:-2] if args else given
    text = f"{name}() received an invalid combination of arguments - got "
    if len(ways) == 1 and (unknown := _unknown(ways[0], kwargs)):
        return f"{text}unrecognized keyword arguments: {', '.join(unknown)}"
    text = f"{text}({given}), but expected "
    if len(ways) == 1:
        return f"{text}({ways[0]})"
    return f"{text}one of:\n" + "".join(_shown(way, args, kwargs) for way in ways)


def _unknown(way, kwargs) -> list[str]:
    """The keywords that a way to call a function does not have."""
    known = {parameter.name for parameter in parsed(way)} | _ALWAYS
    return [key for key in kwargs if key not in known]


def _shown(way, args, kwargs) -> str:
    """A way to call a function, and which arguments are wrong if it takes as many."""
    line, parts = f" * ({way})\n", way.split(", ")
    if len(parts) != len(args) + len(kwargs):
        return line
    if kwargs:
        unknown = ", ".join(_unknown(way, kwargs))
        what = "didn't match because some of the keywords were incorrect"
        return f"{line}      {what}: {unknown}\n" if unknown else line
    kinds = [part.partition(" ")[0] for part in parts]
    marked = [_marked(kind, value) for kind, value in zip(kinds, args, strict=False)]
    what = "didn't match because some of the arguments have invalid types"
    return f"{line}      {what}: ({', '.join(marked)})\n"


def _marked(kind, value) -> str:
    shown = _type_name(value)
    if isinstance(value, (tuple, list)):
        shown += f" of {'(' if isinstance(value, tuple) else '['}"
        shown += ", ".join(map(_type_name, value)) + (")" if isinstance(value, tuple) else "]")
    return shown if shown == kind or (kind == "float" and shown == "int") else f"!{shown}!"


# Which function was called ------------------------------------------------------------------------


def refuse(error: Exception, public, args: tuple, kwargs: dict) -> None:
    """Let the error of a user's call be PyTorch's, if types of its arguments are wrong."""
    if isinstance(error, ValueError) and is_meant(error):
        return
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    if frame is None or is_own_file(frame.f_code.co_filename) or _has_foreign((args, kwargs)):
        return  # one operation called another, or another library's tensors explain themselves
    place, shown, is_method = _place(frame, public)
    given = args[1:] if is_method else args
    text = (
        _takes_nothing(place, public, given, kwargs)
        or complaint(place, shown, given, kwargs)
        or _fault_of_out(error, shown, kwargs)
    )
    if text is None:
        return
    if type(error) is TypeError:  # it keeps its notes, and is folded by who caught it
        error.args = (text,)
        tell(error)
        return
    told = TypeError(text)
    tell(told)
    raise told from None


def _fault_of_out(error: Exception, name: str, kwargs: dict) -> str | None:
    """What is said of an `out=` that is no place to write to, or of another keyword of all."""
    out, said = kwargs.get("out"), str(error)
    if said.startswith("argument 'requires_grad' must be"):
        return f"{name}(): {said}"
    if out is None or isinstance(out, Tensor):
        return None
    if said.startswith("argument 'out' must be"):
        return f"{name}(): {said}"
    if isinstance(error, AttributeError) and not isinstance(out, (tuple, list)):
        return f"{name}(): argument 'out' must be Tensor, not {_type_name(out)}"
    return None


#: Methods without arguments that are written in Python in PyTorch, too, and say what Python says.
_IN_PYTHON = ("Tensor.dim_order", "Tensor.is_shared")


def _takes_nothing(place: str, public, args: tuple, kwargs: dict) -> str | None:
    """What the methods say that have no arguments at all, if they are given some."""
    if _table().get(place) != [] or not (args or kwargs) or place in _IN_PYTHON:
        return None
    if not place.startswith("Tensor.") or len(inspect.signature(public).parameters) != 1:
        return None
    counted = f"arguments ({len(args)} given)" if args else "keyword arguments"
    return f"TensorBase.{place[7:]}() takes no {counted}"


def _has_foreign(given) -> bool:
    """Whether an argument, or an element of one, is another library's, or PyTorch's own."""
    values = [*given[0], *given[1].values()]
    values += [each for value in values if isinstance(value, (tuple, list)) for each in value]
    return any(_is_foreign(value) for value in values if not isinstance(value, Tensor))


def _is_foreign(value) -> bool:
    kind = type(value)
    return (
        is_of_the_real_torch(kind)
        or kind.__name__ == "Tensor"
        or hasattr(value, "__torch_function__")
    )


def _place(frame, public) -> tuple[str, str, bool]:
    """The function's place in the table, what messages call it, and whether it is a method."""
    own = REGISTRY.name_of(public)
    typed, scope = _typed(frame)
    if typed is None or not (typed.rstrip("_") == own.rstrip("_") or _is_alias(typed, public)):
        typed, scope = own, _scope_of(own)
    place = f"{scope}.{typed}" if scope else typed
    shown = f"{scope}_{typed}" if scope in ("linalg", "fft", "special") else typed
    return place, shown, scope == "Tensor"


def _is_alias(name: str, public) -> bool:
    """Whether a function is known by this name, too."""
    registries = REGISTRY.functions, REGISTRY.functional, REGISTRY.methods
    return any(names.get(name) is public for names in (*registries, *REGISTRY.modules.values()))


def _scope_of(name: str) -> str:
    """Where a function is likely to be called that was taken out of its place before."""
    if name in REGISTRY.functional:
        return "nn.functional"
    return "" if name in REGISTRY.functions else "Tensor"


def _typed(frame: types.FrameType) -> tuple[str | None, str]:
    """The name in the call that a frame is at, and the module it is read from, or "Tensor"."""
    instructions = list(dis.get_instructions(frame.f_code))
    call = [each for each in instructions if each.offset <= frame.f_lasti][-1]
    found = None, ""
    for before, each in zip(instructions, instructions[1:], strict=False):
        if each.offset < call.offset and _reads_for(each, call):
            found = each.argval, _owner(frame, before)
    return found


def _reads_for(instruction, call) -> bool:
    """Whether an attribute is read where a call begins: it is the function that is called."""
    if instruction.opname not in ("LOAD_ATTR", "LOAD_METHOD") or call.positions is None:
        return False
    place, start = instruction.positions, call.positions
    return (place.lineno, place.col_offset) == (start.lineno, start.col_offset)


def _owner(frame, instruction) -> str:
    """The module an instruction reads, without our name in front; "Tensor" if it reads none."""
    name = instruction.argval
    if name in REGISTRY.modules:
        return name
    for scope in (frame.f_locals, frame.f_globals):
        value = scope.get(name) if isinstance(name, str) else None
        if isinstance(value, types.ModuleType):
            return value.__name__.partition(".")[2]
    return "nn.functional" if name == "functional" else "Tensor"

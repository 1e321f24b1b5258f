"""Methods of plain values, as the prover calls them: `name.startswith("b")`, `shape.numel()`.

They are Python's own, which nobody can replace, and say the same of the same values.
"""

from kuai.engine.compile.abstract_values import Items, Known
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, done
from kuai.engine.tensor.size import Size

__all__ = ["PlainMethods", "has_method"]

_METHODS = {
    str: frozenset(
        "startswith endswith split rsplit splitlines strip lstrip rstrip lower upper title "
        "capitalize swapcase casefold replace join format find rfind index rindex count isdigit "
        "isalpha isalnum isnumeric isdecimal isupper islower isspace isidentifier partition "
        "rpartition removeprefix removesuffix zfill ljust rjust center".split()
    ),
    tuple: frozenset(["index", "count"]),
    Size: frozenset(["index", "count", "numel"]),
    float: frozenset(["is_integer"]),
    int: frozenset(["bit_length"]),
}


def has_method(value, name) -> bool:
    """Whether a plain value has a method of that name that may be called."""
    return name in _METHODS.get(type(value), ())


class PlainMethods(Frame):
    """Calls of such methods."""

    def call_plain_method(self, value, name, arguments, keywords):
        """What a method of a plain value gives."""
        if name == "join" and len(arguments) == 1:
            arguments = [Known(tuple(map(self.plain, self.elements(arguments[0]))))]
        if name in ("ljust", "rjust", "center", "zfill") and not _is_short(arguments):
            raise Refused("a long text")
        row = [self.plain(each) for each in arguments]
        named = {key: self.plain(each) for key, each in keywords.items()}
        found = done(lambda: getattr(value, name)(*row, **named), [])
        if type(found) is list:
            return Items(list, list(map(Known, found)), is_made=True)
        return Known(found)


def _is_short(arguments) -> bool:
    width = arguments[0].value if arguments and isinstance(arguments[0], Known) else None
    return isinstance(width, int) and width < 1000

"""Code of Kuai's own classes: what the layers above describe holds for it, and for nothing else.

A layer's `forward` or an optimizer's `step` can be replaced in the class by anybody, and stays
replaced. So what is described is looked at first: it must be Kuai's, and is watched.
"""

import types

from kuai.engine.compile.knowledge import Refused

__all__ = ["is_own", "names_of_code", "watch_own"]

# what makes and shows an object, and is not run by what is described
_NEVER_RUN = frozenset(["__init__", "__init_subclass__", "__repr__", "__doc__", "extra_repr"])
_CODE = (staticmethod, property)


def is_own(function) -> bool:
    """Whether the code of a function, or of a property, was written in Kuai."""
    if type(function) is property:
        function = function.fget
    if type(function) is types.FunctionType:
        return str(function.__globals__.get("__name__", "")).startswith("kuai.")
    return False


def watch_own(prover, kind, names) -> None:
    """Watch some methods of one of Kuai's classes, or of a class that inherits from one.

    Raises:
        Refused: somebody has replaced one of them.
    """
    for name in names:
        prover.watch.attribute(kind, name)
        if not is_own(getattr(kind, name)):
            raise Refused(f"{name} of {kind.__name__}, which somebody has replaced")


def names_of_code(kind) -> list:
    """The names of the code that stands in a class itself and is run by its methods."""
    # a class method is another object whenever it is asked for, and makes instances
    there = [(n, v) for n, v in vars(kind).items() if not isinstance(v, (classmethod, type))]
    return [n for n, v in there if n not in _NEVER_RUN and (callable(v) or type(v) in _CODE)]

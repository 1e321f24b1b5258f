"""Code of Kuai's own classes: what the layers above describe holds for it, and for nothing else.

A layer's `forward` or an optimizer's `step` can be replaced in the class by anybody, and stays
replaced. So what is described is looked at first: it must be Kuai's, and is watched.
"""

import types

from kuai.engine.compile.knowledge import Refused

__all__ = ["is_own", "watch_classes", "watch_own"]

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


def watch_classes(prover, kinds) -> None:
    """Watch all that stands in some classes, of which the code has to be Kuai's own.

    Raises:
        Refused: somebody has replaced a method.
    """
    for kind in kinds:
        prover.watch.code(kind)
        for name, thing in vars(kind).items():
            is_code = callable(thing) or type(thing) in _CODE
            # classes, and class methods that make instances, are not run by an instance's methods
            if is_code and name not in _NEVER_RUN and not isinstance(thing, (classmethod, type)):
                if not is_own(getattr(kind, name)):
                    raise Refused(f"{name} of {kind.__name__}, which somebody has replaced")

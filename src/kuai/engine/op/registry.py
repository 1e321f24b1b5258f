"""Every public operation by the place it is exported to.

A place is written as a user reaches it: `sum` is `kuai.sum`, `Tensor.sum` the method,
`nn.functional.relu` and `linalg.inv` what they say. A place belongs to one operation: a second one
is a mistake, and an error.
"""

import sys

from kuai.engine.tensor import method

__all__ = ["REGISTRY", "Registry", "places_of"]


class Registry:
    """What is exported, and what is known about all operations together."""

    def __init__(self):
        self.functions = {}  # kuai.<name>
        self.functional = {}  # kuai.nn.functional.<name>
        self.methods = {}  # Tensor.<name>
        self.modules = {}  # kuai.<module>.<name>, as {module: {name: callable}}
        self.ops = []
        self._public = {}  # id -> everything that is exported
        self.materializing = set()  # names of the operations whose first argument is written down

    def export(self, public, place: str) -> None:
        """Put an operation into its place."""
        scope, _, name = place.rpartition(".")
        there = self._scope(scope)
        if name in there:
            raise ValueError(
                f"{place} is exported twice: by {_origin(there[name])} and by {_origin(public)}"
            )
        there[name] = self._public[id(public)] = public
        if scope == "Tensor":
            method(public, name=name)

    def name_of(self, function) -> str:
        """What users call one of the operations; its own name where that is among its places."""
        own = function.__name__
        scopes = (self.functions, self.methods, self.functional, *self.modules.values())
        names = [name for scope in scopes for name, one in scope.items() if one is function]
        return own if own in names or not names else names[0]

    def places_of(self, function) -> list[str]:
        """Where users find one of the operations, such as `["norm", "Tensor.norm"]`."""
        scopes = {"": self.functions, "Tensor.": self.methods, "nn.functional.": self.functional}
        scopes |= {f"{name}.": scope for name, scope in self.modules.items()}
        return [
            f"{start}{name}"
            for start, scope in scopes.items()
            for name, one in scope.items()
            if one is function
        ]

    def have_found(self) -> None:
        """Have functions that do not stand where they were written say where they are found.

        Pickle looks there: those that change a tensor in place, those that were made in a loop,
        and `kuai.relu` beside `kuai.nn.functional.relu`.
        """
        for place, names in (
            ("kuai ", self.functions),
            ("kuai.nn.functional ", self.functional),
            ("kuai Tensor.", self.methods),
        ):
            module, prefix = place.split(" ")
            for name, function in names.items():
                if not _stands(function):
                    function.__module__, function.__qualname__ = module, prefix + name

    def exports(self, function) -> bool:
        """Whether a function is one of the operations."""
        return self._public.get(id(function)) is function

    def _scope(self, scope):
        named = {"": self.functions, "Tensor": self.methods, "nn.functional": self.functional}
        return named[scope] if scope in named else self.modules.setdefault(scope, {})


def _stands(function) -> bool:
    """Whether a function is what its module has under its name, or has been found elsewhere."""
    module = sys.modules.get(function.__module__)
    found = getattr(module, function.__qualname__, None) is function
    return found or function.__module__ in ("kuai", "kuai.nn.functional")


def _origin(public) -> str:
    return f"{public.__module__}.{public.__qualname__}"


def places_of(defined, export, aliases, **scopes) -> list[str]:
    """Where an operation is exported: see `decorators.op`.

    Args:
        defined: what is exported; where `export` is silent, under the name of its `def`.
        scopes: whether as a `function`, `method` and `functional`.
    """
    if export is not None:
        return [export] if isinstance(export, str) else list(export)
    wanted = [prefix for scope, prefix in _PREFIXES.items() if scopes[scope]]
    names = [alias for alias in aliases if "." not in alias]
    if wanted:
        names.insert(0, _defined_name(defined))
    places = [prefix + each for each in names for prefix in wanted]
    return places + [alias for alias in aliases if "." in alias]


_PREFIXES = {"function": "", "method": "Tensor.", "functional": "nn.functional."}


def _defined_name(function) -> str:
    """The name that stands in the source, which a reader can look for."""
    name = function.__code__.co_name
    if name != function.__name__:
        raise TypeError(
            f"{_origin(function)} was not defined under that name: say with export= where it is "
            "exported"
        )
    return name


REGISTRY = Registry()

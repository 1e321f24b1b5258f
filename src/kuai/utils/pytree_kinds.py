"""Which containers are known as trees, how they are taken apart, what their places are called."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from kuai.utils import pytree_text

Context = PyTree = Any


class SequenceKey(NamedTuple):
    """A place in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class MappingKey(NamedTuple):
    """A place in a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(NamedTuple):
    """A named field."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


KeyPath = tuple[Any, ...]


def keystr(kp: KeyPath) -> str:
    """A path as it would be written in Python.

    Example:
        >>> keystr((MappingKey("a"), SequenceKey(0)))
        "['a'][0]"
    """
    return "".join(map(str, kp))


class Kind(NamedTuple):
    """How containers of a class are taken apart, put together, and their places named."""

    flatten: Callable
    unflatten: Callable
    keys: Callable

    @property
    def flatten_fn(self) -> Callable:
        """PyTorch's name for how they are taken apart."""
        return self.flatten

    @property
    def unflatten_fn(self) -> Callable:
        """PyTorch's name for how they are put together."""
        return self.unflatten


KINDS: dict[type, Kind] = {}
#: PyTorch's name of the table, by which packages ask whether a class is known.
SUPPORTED_NODES = BUILTIN_TYPES = KINDS


def register_pytree_node(
    cls: type,
    flatten_fn: Callable,
    unflatten_fn: Callable,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable | None = None,
    from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable | None = None,
) -> None:
    """Make a class known: `flatten_fn(object)` gives its parts and what is needed besides them.

    Example:
        >>> from kuai.utils._pytree import tree_leaves
        >>> class Pair:
        ...     def __init__(self, a, b):
        ...         self.a, self.b = a, b
        >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda parts, _: Pair(*parts))
        >>> tree_leaves([Pair(1, 2), 3])
        [1, 2, 3]
    """
    if cls in KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    pytree_text.register(cls, serialized_type_name, to_dumpable_context, from_dumpable_context)
    keys = _keys_of(flatten_with_keys_fn) if flatten_with_keys_fn else _places
    KINDS[cls] = Kind(flatten_fn, unflatten_fn, keys)


_register_pytree_node = register_pytree_node


def _places(tree, children):
    return [SequenceKey(number) for number in range(len(children))]


def _keys_of(flatten_with_keys):
    return lambda tree, children: [key for key, _ in flatten_with_keys(tree)[0]]


def register_dataclass(
    cls: type,
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Make a dataclass known, whose fields are its parts; fields that are None are not.

    Example:
        >>> from kuai.utils._pytree import tree_leaves
        >>> @dataclasses.dataclass
        ... class Pair:
        ...     a: int
        ...     b: int
        >>> register_dataclass(Pair)
        >>> tree_leaves(Pair(1, 2))
        [1, 2]
    """
    names = _field_names(cls, field_names, drop_field_names or [])

    def flatten(made):
        filled = [name for name in names if getattr(made, name) is not None]
        empty = [name for name in names if getattr(made, name) is None]
        return [getattr(made, name) for name in filled], [filled, empty]

    def unflatten(parts, context):
        filled, empty = context
        return cls(**dict(zip(filled, parts, strict=True)), **dict.fromkeys(empty))

    def flatten_with_keys(made):
        parts, context = flatten(made)
        return list(zip(map(GetAttrKey, context[0]), parts, strict=True)), context

    register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=flatten_with_keys,
    )


def _field_names(cls, given, dropped):
    if not dataclasses.is_dataclass(cls):
        if given is None:
            raise ValueError(
                "field_names must be specified with a list of all fields used to initialize "
                f"{cls}, as it is not a dataclass."
            )
        return given
    fields = [f.name for f in dataclasses.fields(cls) if f.init]
    if given is None:
        return [name for name in fields if name not in dropped]
    needed = set(fields) - set(dropped)
    text = "field_names does not include all dataclass fields.\n"
    if missing := needed - set(given):
        text += (
            f"Missing fields in `field_names`: {missing}. If you want to include these fields in "
            "the pytree, please add them to `field_names`, otherwise please add them to "
            "`drop_field_names`.\n"
        )
    if unexpected := set(given) - needed:
        text += (
            f"Unexpected fields in `field_names`: {unexpected}. Please remove these fields, or "
            "add them to `drop_field_names`.\n"
        )
    if missing or unexpected:
        raise ValueError(text)
    return given


def register_constant(cls: type) -> None:
    """Make a class known as one without parts."""
    if cls.__eq__ is object.__eq__:
        raise TypeError(
            "register_constant(cls) expects `cls` to have a non-default `__eq__` implementation."
        )
    if cls.__hash__ is None:
        raise TypeError(
            "register_constant(cls) expects `cls` to have a non-default `__hash__` implementation."
        )
    register_pytree_node(cls, lambda made: ([], made), lambda _, made: made)


def _dict_keys(tree, children):
    return [MappingKey(key) for key in tree]


def with_keys(kind: Kind) -> Callable:
    """A function that takes a container apart and says where each part was."""

    def flatten_with_keys(tree):
        parts, context = kind.flatten(tree)
        return list(zip(kind.keys(tree, parts), parts, strict=True)), context

    return flatten_with_keys


def _register_containers() -> None:
    def kind(cls, flatten, unflatten, keys=_places):
        KINDS[cls] = Kind(flatten, unflatten, keys)

    def parts_and_keys(tree):
        return list(tree.values()), list(tree)

    def pairs(parts, keys):
        return zip(keys, parts, strict=True)

    kind(tuple, lambda t: (list(t), None), lambda parts, _: tuple(parts))
    kind(list, lambda t: (list(t), None), lambda parts, _: list(parts))
    kind(dict, parts_and_keys, lambda p, k: dict(pairs(p, k)), _dict_keys)
    kind(OrderedDict, parts_and_keys, lambda p, k: OrderedDict(pairs(p, k)), _dict_keys)
    kind(
        defaultdict,
        lambda t: (list(t.values()), [t.default_factory, list(t)]),
        lambda parts, context: defaultdict(context[0], pairs(parts, context[1])),
        _dict_keys,
    )
    kind(deque, lambda t: (list(t), t.maxlen), lambda parts, length: deque(parts, maxlen=length))
    kind(
        namedtuple,
        lambda t: (list(t), type(t)),
        lambda parts, cls: cls(*parts),
        lambda tree, children: [GetAttrKey(name) for name in tree._fields],
    )


def _register_namedtuple(cls: type, *, serialized_type_name: str) -> None:
    """Give a class of named tuples a name, under which `treespec_dumps` writes it."""
    pytree_text.register(cls, serialized_type_name)


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def kind_of(tree: Any) -> Any:
    """The class under which a container is known, or None for a leaf."""
    kind = type(tree)
    if kind in KINDS:
        return kind
    return namedtuple if is_named_tuple(kind) else None


def _get_node_type(tree: Any) -> Any:
    """The class under which `SUPPORTED_NODES` has it, if it is not a leaf."""
    return kind_of(tree) or type(tree)


_register_containers()

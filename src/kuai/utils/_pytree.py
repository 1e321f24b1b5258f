"""`kuai.utils._pytree`: nested containers taken apart and put together, with JAX's trees below.

Differs from JAX as PyTorch does: None is a leaf, dicts keep their order, tensors are leaves.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "Context",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "PyTree",
    "SequenceKey",
    "GetAttrKey",
    "TreeSpec",
    "arg_tree_leaves",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_structseq",
    "is_structseq_class",
    "key_get",
    "keystr",
    "register_constant",
    "register_dataclass",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dumps",
]

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


class _Kind(NamedTuple):
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


_KINDS: dict[type, _Kind] = {}
#: PyTorch's name of the table, by which packages ask whether a class is known.
SUPPORTED_NODES = BUILTIN_TYPES = _KINDS


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
        >>> class Pair:
        ...     def __init__(self, a, b):
        ...         self.a, self.b = a, b
        >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda parts, _: Pair(*parts))
        >>> tree_leaves([Pair(1, 2), 3])
        [1, 2, 3]
    """
    if cls in _KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    keys = _keys_of(flatten_with_keys_fn) if flatten_with_keys_fn else _places
    _KINDS[cls] = _Kind(flatten_fn, unflatten_fn, keys)


_register_pytree_node = register_pytree_node


def _places(tree, children):
    return [SequenceKey(number) for number in range(len(children))]


def _keys_of(flatten_with_keys):
    return lambda tree, children: [key for key, _ in flatten_with_keys(tree)[0]]


def register_dataclass(
    cls: type, *, field_names: Any = None, drop_field_names: Any = None, **options: Any
) -> None:
    """Make a dataclass known, whose fields are its parts."""
    names = field_names or [f.name for f in dataclasses.fields(cls) if f.init]
    names = [name for name in names if name not in (drop_field_names or ())]
    register_pytree_node(
        cls,
        lambda made: ([getattr(made, name) for name in names], None),
        lambda parts, _: cls(**dict(zip(names, parts, strict=True))),
        flatten_with_keys_fn=lambda made: (
            [(GetAttrKey(name), getattr(made, name)) for name in names], None,
        ),
    )  # fmt: skip


def register_constant(cls: type) -> None:
    """Make a class known as one without parts."""
    register_pytree_node(cls, lambda made: ([], made), lambda _, made: made)


def _dict_keys(tree, children):
    return [MappingKey(key) for key in tree]


def _with_keys(kind: _Kind) -> Callable:
    """A function that takes a container apart and says where each part was."""

    def flatten_with_keys(tree):
        parts, context = kind.flatten(tree)
        return list(zip(kind.keys(tree, parts), parts, strict=True)), context

    return flatten_with_keys


def _register_containers() -> None:
    def kind(cls, flatten, unflatten, keys=_places):
        _KINDS[cls] = _Kind(flatten, unflatten, keys)

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


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _kind_of(tree: Any) -> Any:
    """The class under which a container is known, or None for a leaf."""
    kind = type(tree)
    if kind in _KINDS:
        return kind
    return namedtuple if _is_named_tuple(kind) else None


def _get_node_type(tree: Any) -> Any:
    """The class under which `SUPPORTED_NODES` has it, if it is not a leaf."""
    return _kind_of(tree) or type(tree)


class TreeSpec:
    """How leaves are put together: a class, what it needs, and the specs of its parts.

    Example:
        >>> leaves, spec = tree_flatten({"a": 1, "b": [2, 3]})
        >>> leaves, spec.num_leaves
        ([1, 2, 3], 3)
        >>> spec.unflatten("xyz")
        {'a': 'x', 'b': ['y', 'z']}
    """

    def __init__(self, type: Any, context: Context, children_specs: list[TreeSpec]):
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_children = len(children_specs)
        self.num_leaves = 1 if type is None else sum(spec.num_leaves for spec in children_specs)
        self.num_nodes = 1 + sum(spec.num_nodes for spec in children_specs)

    def is_leaf(self) -> bool:
        """Whether it stands for a single leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The specs of the parts."""
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        """The spec of one part."""
        return self.children_specs[index]

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """Put leaves together."""
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The parts of a tree that stand where this one has leaves."""
        if self.type is None:
            return [tree]
        children = _children_like(self, tree)
        return [
            part
            for spec, child in zip(self.children_specs, children, strict=True)
            for part in spec.flatten_up_to(child)
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and (
            (self.type, self.context, self.children_specs)
            == (other.type, other.context, other.children_specs)
        )

    def __hash__(self) -> int:
        return hash((self.type, repr(self.context), tuple(self.children_specs)))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        name = getattr(self.type, "__name__", self.type)
        return f"TreeSpec({name}, {self.context}, {self.children_specs})"


class LeafSpec(TreeSpec):
    """The spec of a leaf."""

    def __init__(self):
        super().__init__(None, None, [])


_LEAF = LeafSpec()


def _children_like(spec: TreeSpec, tree: PyTree) -> list[PyTree]:
    kind = _kind_of(tree)
    if kind is not spec.type:
        raise ValueError(f"Type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    children, context = _KINDS[kind].flatten(tree)
    if len(children) != spec.num_children:
        raise ValueError(
            f"Node arity mismatch; expected {spec.num_children}, but got {len(children)}."
        )
    if kind in (dict, OrderedDict):
        if set(context) != set(spec.context):
            raise ValueError(f"Node keys mismatch; expected {spec.context}, but got {context}.")
        return [tree[key] for key in spec.context]
    return children


def tree_is_leaf(tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether it has no parts."""
    return bool(is_leaf is not None and is_leaf(tree)) or _kind_of(tree) is None


_is_leaf = tree_is_leaf


def tree_flatten(tree: PyTree, is_leaf: Callable | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of nested containers, and how they are put together."""
    leaves: list[Any] = []

    def walk(tree):
        if tree_is_leaf(tree, is_leaf):
            leaves.append(tree)
            return _LEAF
        kind = _kind_of(tree)
        children, context = _KINDS[kind].flatten(tree)
        return TreeSpec(kind, context, [walk(child) for child in children])

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """Put leaves together.

    Raises:
        ValueError: there are more or fewer than the spec has.
    """
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec "
            f"refers to a pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    arriving = iter(leaves)

    def build(spec):
        if spec.type is None:
            return next(arriving)
        return _KINDS[spec.type].unflatten([build(s) for s in spec.children_specs], spec.context)

    return build(treespec)


def tree_iter(tree: PyTree, is_leaf: Callable | None = None) -> Iterable[Any]:
    """The leaves, one by one."""
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree: PyTree, is_leaf: Callable | None = None) -> list[Any]:
    """The leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Callable | None = None) -> TreeSpec:
    """How the leaves are put together."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None
) -> PyTree:
    """The same containers, with what `func` makes of their leaves.

    Example:
        >>> tree_map(lambda x: x + 1, {"a": 1, "b": (2, [3])})
        {'a': 2, 'b': (3, [4])}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    rows = [leaves, *(spec.flatten_up_to(rest) for rest in rests)]
    return tree_unflatten(map(func, *rows), spec)


def tree_map_(func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None):
    """Call `func` on the leaves; gives the tree."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _is_one(kind: Any, leaf: Any) -> bool:
    if callable(kind) and not isinstance(kind, type):
        return bool(kind(leaf))
    return isinstance(leaf, kind)


def tree_map_only(kind: Any, func: Callable, tree: PyTree, /, is_leaf: Callable | None = None):
    """As `tree_map`, for leaves of a type or types, or for which `kind(leaf)` holds."""
    return tree_map(lambda leaf: func(leaf) if _is_one(kind, leaf) else leaf, tree, is_leaf=is_leaf)


def tree_map_only_(kind: Any, func: Callable, tree: PyTree, /, is_leaf: Callable | None = None):
    """As `tree_map_only`; gives the tree."""
    tree_map_only(kind, func, tree, is_leaf)
    return tree


def tree_all(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether `pred` holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether `pred` holds for any leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(kind: Any, pred: Callable, tree: PyTree, /, is_leaf: Callable | None = None):
    """Whether `pred` holds for all leaves of a type."""
    return all(pred(leaf) for leaf in tree_iter(tree, is_leaf) if _is_one(kind, leaf))


def tree_any_only(kind: Any, pred: Callable, tree: PyTree, /, is_leaf: Callable | None = None):
    """Whether `pred` holds for any leaf of a type."""
    return any(pred(leaf) for leaf in tree_iter(tree, is_leaf) if _is_one(kind, leaf))


def tree_leaves_with_path(tree: PyTree, is_leaf: Callable | None = None):
    """The leaves with their paths.

    Example:
        >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1, 2]})]
        [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    found: list[tuple[KeyPath, Any]] = []

    def walk(tree, path):
        if tree_is_leaf(tree, is_leaf):
            found.append((path, tree))
            return
        kind = _KINDS[_kind_of(tree)]
        children, _ = kind.flatten(tree)
        for key, child in zip(kind.keys(tree, children), children, strict=True):
            walk(child, (*path, key))

    walk(tree, ())
    return found


def tree_flatten_with_path(tree: PyTree, is_leaf: Callable | None = None):
    """The leaves with their paths, and how they are put together."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None
):
    """As `tree_map`; `func` is given the path first."""
    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    rows = [spec.flatten_up_to(rest) for rest in rests]
    paths, values = zip(*leaves, strict=True) if leaves else ((), ())
    return tree_unflatten(map(func, paths, values, *rows), spec)


def _broadcast_to_and_flatten(tree: PyTree, treespec: TreeSpec, is_leaf: Callable | None = None):
    """The leaves of a tree that may end earlier than the spec, each as often as it is needed."""
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    if treespec.is_leaf() or _kind_of(tree) is not treespec.type:
        return None
    children, context = _KINDS[treespec.type].flatten(tree)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    rows = [
        _broadcast_to_and_flatten(child, spec, is_leaf)
        for child, spec in zip(children, treespec.children_specs, strict=True)
    ]
    return None if None in rows else [leaf for row in rows if row is not None for leaf in row]


def _dict_flatten(tree: dict) -> tuple[list, list]:
    return list(tree.values()), list(tree)


def _dict_flatten_with_keys(tree: dict) -> tuple[list, list]:
    return [(MappingKey(key), value) for key, value in tree.items()], list(tree)


def _dict_unflatten(values: Iterable[Any], context: list) -> dict:
    return dict(zip(context, values, strict=True))


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A spec as text."""
    return repr(treespec)


_register_containers()


# Questions about trees ----------------------------------------------------------------------------

KeyEntry = SequenceKey | MappingKey | GetAttrKey


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What is found in a tree at a path.

    Example:
        >>> key_get({"a": [1, 2]}, (MappingKey("a"), SequenceKey(1)))
        2
    """
    for key in kp:
        obj = getattr(obj, key.name) if isinstance(key, GetAttrKey) else obj[key[0]]
    return obj


def arg_tree_leaves(*args: PyTree, **kwargs: PyTree) -> list[Any]:
    """The leaves of all arguments.

    Example:
        >>> arg_tree_leaves(1, [2], x=3)
        [1, 2, 3]
    """
    return [leaf for each in (*args, *kwargs.values()) for leaf in tree_leaves(each)]


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is one of named tuples."""
    return isinstance(cls, type) and _is_named_tuple(cls)


def is_namedtuple(obj: Any) -> bool:
    """Whether it is a named tuple, or a class of those."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether a class is one of Python's tuples with names, as `time.struct_time`."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def is_structseq(obj: Any) -> bool:
    """Whether it is such a tuple, or a class of those."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


# Packages that register containers of their own start from the functions of these.
for _cls, _kind in _KINDS.items():
    _start = f"_{_cls.__name__.lower()}"
    globals()[f"{_start}_flatten"], globals()[f"{_start}_unflatten"] = (
        _kind.flatten,
        _kind.unflatten,
    )
    globals()[f"{_start}_flatten_with_keys"] = _with_keys(_kind)

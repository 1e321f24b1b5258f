"""`kuai.utils._pytree`: nested containers taken apart and put together, with JAX's trees below.

Differs from JAX as PyTorch does: None is a leaf, dicts keep their order, tensors are leaves.
"""

from __future__ import annotations

import functools
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from kuai.utils import pytree_text
from kuai.utils.pytree_kinds import (
    BUILTIN_TYPES as BUILTIN_TYPES,
    KINDS,
    SUPPORTED_NODES as SUPPORTED_NODES,
    Context,
    GetAttrKey,
    KeyPath,
    MappingKey,
    PyTree,
    SequenceKey,
    _get_node_type as _get_node_type,
    _register_namedtuple as _register_namedtuple,
    _register_pytree_node as _register_pytree_node,
    is_named_tuple,
    keystr,
    kind_of,
    register_constant,
    register_dataclass,
    register_pytree_node,
    with_keys,
)

__all__ = [
    "Context",
    "DumpableContext",
    "FlattenFn",
    "FromDumpableContextFn",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "PyTree",
    "PyTreeSpec",
    "SequenceKey",
    "GetAttrKey",
    "ToDumpableContextFn",
    "TreeSpec",
    "UnflattenFn",
    "arg_tree_leaves",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_namedtuple_instance",
    "is_structseq",
    "is_structseq_class",
    "is_structseq_instance",
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
    "treespec_loads",
    "treespec_pprint",
]


FlattenFn = Callable[[PyTree], tuple[list[Any], Context]]
UnflattenFn = Callable[[Iterable[Any], Context], PyTree]
DumpableContext = Any
ToDumpableContextFn = Callable[[Context], DumpableContext]
FromDumpableContextFn = Callable[[DumpableContext], Context]


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
        parts = ",\n".join(map(repr, self.children_specs)).replace("\n", "\n  ")
        return f"TreeSpec({name}, {self.context}, [{parts}])"


class LeafSpec(TreeSpec):
    """The spec of a leaf."""

    def __init__(self):
        super().__init__(None, None, [])


_LEAF = LeafSpec()

PyTreeSpec = TreeSpec


def _children_like(spec: TreeSpec, tree: PyTree) -> list[PyTree]:
    kind = kind_of(tree)
    if kind is not spec.type:
        raise ValueError(f"Type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    children, context = KINDS[kind].flatten(tree)
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
    return bool(is_leaf is not None and is_leaf(tree)) or kind_of(tree) is None


_is_leaf = tree_is_leaf


def tree_flatten(tree: PyTree, is_leaf: Callable | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of nested containers, and how they are put together."""
    leaves: list[Any] = []

    def walk(tree):
        if tree_is_leaf(tree, is_leaf):
            leaves.append(tree)
            return _LEAF
        kind = kind_of(tree)
        children, context = KINDS[kind].flatten(tree)
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
        return KINDS[spec.type].unflatten([build(s) for s in spec.children_specs], spec.context)

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
        kind = KINDS[kind_of(tree)]
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
    if treespec.is_leaf() or kind_of(tree) is not treespec.type:
        return None
    children, context = KINDS[treespec.type].flatten(tree)
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


# Specs as text ------------------------------------------------------------------------------------

_PROTOCOL = 1


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A spec as JSON, which `treespec_loads` and PyTorch read.

    Example:
        >>> treespec_dumps(tree_structure(7))
        '[1, {"type": null, "context": null, "children_spec": []}]'
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "Expected `treespec` to be an instance of PyTreeSpec but got item of type "
            f"{type(treespec)}."
        )
    _check_protocol(_PROTOCOL if protocol is None else protocol)
    return json.dumps([_PROTOCOL, _described(treespec)], cls=pytree_text.Encoder)


def _check_protocol(protocol):
    if protocol != _PROTOCOL:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [{_PROTOCOL}]")


def _described(spec):
    parts = [_described(child) for child in spec.children_specs]
    name, context = (None, None) if spec.is_leaf() else pytree_text.written(spec.type, spec.context)
    return {"type": name, "context": context, "children_spec": parts}


@functools.lru_cache
def treespec_loads(serialized: str) -> TreeSpec:
    """A spec from what `treespec_dumps` has written.

    Example:
        >>> treespec_loads(treespec_dumps(tree_structure({"a": [1, 2]})))
        TreeSpec(dict, ['a'], [TreeSpec(list, None, [*,
            *])])
    """
    protocol, description = json.loads(serialized)
    _check_protocol(protocol)
    return _spec_of(description)


def _spec_of(description):
    if description["type"] is None:
        return _LEAF
    kind = pytree_text.type_named(description["type"])
    context = pytree_text.read_context(kind, description["context"])
    return TreeSpec(kind, context, list(map(_spec_of, description["children_spec"])))


class _Asterisk:
    def __repr__(self):
        return "*"


def treespec_pprint(treespec: TreeSpec) -> str:
    """The containers as Python prints them, with a `*` for each leaf.

    Example:
        >>> treespec_pprint(tree_structure({"a": 1, "b": (2, [3])}))
        "{'a': *, 'b': (*, [*])}"
    """
    return repr(tree_unflatten([_Asterisk()] * treespec.num_leaves, treespec))


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
    return isinstance(cls, type) and is_named_tuple(cls)


def is_namedtuple(obj: Any) -> bool:
    """Whether it is a named tuple, or a class of those."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether it is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether a class is one of Python's tuples with names, as `time.struct_time`."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def is_structseq(obj: Any) -> bool:
    """Whether it is such a tuple, or a class of those."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_instance(obj: Any) -> bool:
    """Whether it is one of Python's tuples with names, such as `time.struct_time`."""
    return is_structseq_class(type(obj))


_is_namedtuple_instance = is_namedtuple_instance


# Packages that register containers of their own start from the functions of these.
for _cls, _kind in KINDS.items():
    _start = f"_{_cls.__name__.lower()}"
    globals()[f"{_start}_flatten"], globals()[f"{_start}_unflatten"] = (
        _kind.flatten,
        _kind.unflatten,
    )
    globals()[f"{_start}_flatten_with_keys"] = with_keys(_kind)

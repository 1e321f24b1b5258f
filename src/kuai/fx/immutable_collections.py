"""Lists and dicts that do not change: what the arguments of a node are."""

from typing import Any, NoReturn

from kuai.utils import _pytree as pytree

__all__ = ["immutable_dict", "immutable_list"]


def _refusing(kind: str) -> Any:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__!r} object does not support mutation. If you are attempting to "
            "modify the kwargs or args of a torch.fx.Node object,\n"
            "instead create a new copy of it and assign the copy to the node:\n\n"
            "    new_args = ...  # copy and mutate args\n    node.args = new_args"
        )

    refuse.__name__ = kind
    return refuse


class immutable_list(list):
    """A list that does not change.

    Example:
        >>> immutable_list([1, 2]) == [1, 2], hash(immutable_list([1])) == hash((1,))
        (True, True)
    """

    def __reduce__(self) -> Any:
        return immutable_list, (tuple(self),)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))


class immutable_dict(dict):
    """A dict that does not change."""

    def __reduce__(self) -> Any:
        return immutable_dict, (tuple(self.items()),)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


_CHANGING = {
    immutable_list: (
        "__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear", "extend", "insert",
        "pop", "remove", "reverse", "sort",
    ),
    immutable_dict: (
        "__delitem__", "__ior__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update",
    ),
}  # fmt: skip
for _kind, _names in _CHANGING.items():
    for _name in _names:
        setattr(_kind, _name, _refusing(_name))

pytree.register_pytree_node(
    immutable_list, lambda parts: (list(parts), None), lambda parts, _: immutable_list(parts)
)
pytree.register_pytree_node(
    immutable_dict,
    lambda parts: (list(parts.values()), list(parts)),
    lambda parts, keys: immutable_dict(zip(keys, parts, strict=True)),
)

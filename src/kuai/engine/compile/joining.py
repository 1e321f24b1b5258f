"""What is known of a value that is one of several, as decisions leave it: see `statements`."""

from kuai.engine.compile.abstract_values import NEST, OUTLINE, Items, Known, is_plain

__all__ = ["joined"]


def joined(ends, is_tensor) -> dict:
    """What is known of variables where it is one of several ways on which they got their values."""
    first, *others = ends
    found = {}
    for name, value in first.items():
        one = _one_of([value, *[end.get(name) for end in others]], is_tensor)
        if one is not None:
            found[name] = one
    return found


def _one_of(values, is_tensor):
    """What is known of a value that is one of some; None if nothing is."""
    first = values[0]
    if all(value is first for value in values):
        return first
    if any(value is None for value in values):  # it has no value on one way
        return None
    if all(value is OUTLINE or _is_some_plain(value) for value in values):
        same = len({repr(getattr(value, "value", value)) for value in values}) == 1
        return first if same else OUTLINE
    if all(isinstance(value, Items) and value.kind is tuple for value in values):
        return _one_of_tuples([value.values for value in values], is_tensor)
    maybe = [v for v in values if not (isinstance(v, Known) and v.value is None)]
    there = maybe and all(value is NEST or is_tensor(value) for value in maybe)
    return NEST if there else None


def _one_of_tuples(rows, is_tensor):
    if len({len(row) for row in rows}) > 1:
        return None
    parts = [_one_of(parts, is_tensor) for parts in zip(*rows, strict=True)]
    return None if any(part is None for part in parts) else Items(tuple, parts)


def _is_some_plain(value) -> bool:
    return isinstance(value, Known) and value.value is not None and is_plain(value.value)

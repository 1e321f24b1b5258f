"""What `load_state_dict` has to say: its result, and the text of its error.

A few names are told as PyTorch tells them, so that code which looks for its messages goes on
working. Many are grouped by block, and if a prefix before every name is all that is wrong, the line
of code that mends it stands at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kuai.engine.tensor.size import Size
from kuai.errors import printable
from kuai.nn.base.state_dict import EXTRA_STATE_SUFFIX, set_extra_state

if TYPE_CHECKING:
    from kuai.nn.base.module import Module

__all__ = ["IncompatibleKeys", "SizeMismatch", "missing_and_unexpected", "shortened"]

_MANY = 10  # names that are still told one by one
_LINES = 20  # blocks
_SHOWN = 3  # names shown of a block
_WRAPPERS = ("_orig_mod.", "module.")  # what wrappers of PyTorch's put within names
_CONSUME = "kuai.nn.modules.utils.consume_prefix_in_state_dict_if_present"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What `load_state_dict` returns: names that were missing and names nobody wanted.

    `mismatched_keys` holds (name, size given, size wanted) of the tensors that
    `ignore_mismatched_sizes=True` left out. Unpacked it is a pair, as in PyTorch.
    """

    mismatched_keys: list[tuple[str, Size, Size]]

    def __new__(cls, missing: list[str], unexpected: list[str], mismatched: Any = ()):
        made = super().__new__(cls, missing, unexpected)
        made.mismatched_keys = list(mismatched)
        return made

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys and not self.mismatched_keys:
            return "<All keys matched successfully>"
        more = f", mismatched_keys={self.mismatched_keys!r}" if self.mismatched_keys else ""
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r}{more})"
        )

    __str__ = __repr__


class SizeMismatch(str):
    """PyTorch's complaint about a tensor of another size, which also knows what it is about."""

    def __new__(cls, key: str, given: Size, wanted: Size):
        made = super().__new__(
            cls,
            f"size mismatch for {key}: copying a param with shape {given} from "
            f"checkpoint, the shape in current model is {wanted}.",
        )
        made.key, made.given, made.wanted = key, given, wanted
        return made

    key: str
    given: Size
    wanted: Size


# The text of the error ----------------------------------------------------------------------------


def missing_and_unexpected(keys: IncompatibleKeys, module: Module, given: Mapping) -> list[str]:
    """The complaints about names."""
    wanted = set(_names(module))
    matched = wanted & set(given)
    missing = _complaint("Missing", keys.missing_keys, matched, module)
    unexpected = _complaint("Unexpected", keys.unexpected_keys, matched, module)
    remedy = _remedy(set(given), wanted) if keys.missing_keys and keys.unexpected_keys else []
    return [*missing, *unexpected, *remedy]


def shortened(errors: list[str], module: Module) -> list[str]:
    """The other complaints; many of sizes are grouped."""
    sizes = {error.key: error for error in errors if isinstance(error, SizeMismatch)}
    if len(sizes) <= _MANY:
        return list(errors)
    told = {k: f"{list(e.given)} instead of {list(e.wanted)}" for k, e in sizes.items()}
    lines = [f"size mismatch for {len(sizes)} entries (shape in the checkpoint first):"]
    others = {name for name in _names(module) if name not in sizes}
    lines += [f"\t{group.text(module, told)}" for group in _groups(list(sizes), others)]
    return lines + [error for error in errors if not isinstance(error, SizeMismatch)]


def _complaint(word: str, keys: list[str], others: set[str], module: Module) -> list[str]:
    if not keys:
        return []
    if len(keys) <= _MANY:
        return [f"{word} key(s) in state_dict: " + ", ".join(map(_quoted, keys)) + ". "]
    lines = [f"{word} key(s) in state_dict: {len(keys)}, by block:"]
    return lines + [f"\t{group.text(module, {})}" for group in _groups(keys, others)]


def _quoted(key: str) -> str:
    return f'"{printable(key)}"'


def _names(module: Module) -> Iterator[str]:
    """The names that a state dict of this module has."""
    for path, block in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        hidden = block._non_persistent_buffers_set
        for name, tensor in [*block._parameters.items(), *block._buffers.items()]:
            if tensor is not None and name not in hidden:
                yield prefix + name
        if block.__class__.set_extra_state is not set_extra_state:
            yield prefix + EXTRA_STATE_SUFFIX


# Groups -------------------------------------------------------------------------------------------


class _Group(NamedTuple):
    """Names below one block; `whole` if nothing else is there."""

    path: str
    keys: list[str]
    whole: bool

    def text(self, module: Module, told: dict[str, str]) -> str:
        """One line; `told` has what is to be said about single names."""
        start = f"{self.path}." if self.path else ""
        names = {key: printable(key[len(start) :]) for key in self.keys[:_SHOWN]}
        shown = [f"{name} {told.get(key, '')}".strip() for key, name in names.items()]
        if len(self.keys) > _SHOWN:
            shown.append(f"… {'all ' if self.whole else ''}{len(self.keys)} entries")
        return f"{printable(self.path)}{_kind(module, self.path)}: {', '.join(shown)}"

    def parts(self, others: set[str]) -> list[_Group]:
        """The groups one level further down; itself if a name ends here."""
        start = f"{self.path}." if self.path else ""
        inner: dict[str, list[str]] = {}
        for key in self.keys:
            first, dot, _ = key[len(start) :].partition(".")
            inner.setdefault(start + first if dot else self.path, []).append(key)
        return [_group(path, keys, others) for path, keys in inner.items()]


def _kind(module: Module, path: str) -> str:
    for name in path.split(".") if path else []:
        module = module._modules.get(name)  # type: ignore[assignment]
        if module is None:
            return " (not in the model)"
    return f" ({type(module).__name__})" if path else type(module).__name__


def _group(path: str, keys: list[str], others: set[str]) -> _Group:
    start = f"{path}." if path else ""
    return _Group(path, keys, not any(name.startswith(start) for name in others))


def _groups(keys: list[str], others: set[str]) -> list[_Group]:
    """Names by block: the largest groups are split as long as the lines stay few.

    Whole blocks, which have none of the `others`, need no splitting.
    """
    done, waiting = [], [_group("", keys, others)]
    while waiting:
        group = max(waiting, key=lambda group: len(group.keys))
        waiting.remove(group)
        parts = [] if group.whole else group.parts(others)
        splits = [part.path for part in parts] not in ([], [group.path])
        if splits and len(done) + len(waiting) + len(parts) <= _LINES:
            waiting += parts
        else:
            done.append(group)
    order = {key: place for place, key in enumerate(keys)}
    return sorted(done, key=lambda group: order[group.keys[0]])


# A prefix too many or too few ---------------------------------------------------------------------


def _remedy(given: set[str], wanted: set[str]) -> list[str]:
    """The line of code that makes all names match, if there is one."""
    count = len(wanted)
    for prefix in _prefixes(given, count):
        if {name[len(prefix) :] for name in given if name.startswith(prefix)} == wanted:
            return [_stripping(prefix, len(given) == count)]
    for prefix in _prefixes(wanted, count):
        if {prefix + name for name in given} == wanted:
            pair = f'"{prefix}" + name: value'
            return [f'The names lack the prefix "{prefix}". To add it: {_renaming(pair)}']
    for part in _WRAPPERS:
        if {name.replace(part, "") for name in given} == wanted:
            pair = f'name.replace("{part}", ""): value'
            return [f'All names match without "{part}". To take it out: {_renaming(pair)}']
    return []


def _stripping(prefix: str, is_everywhere: bool) -> str:
    if is_everywhere:
        line = f'{_CONSUME}(state_dict, "{prefix}")'
        return f'All names match without the prefix "{prefix}". To strip it: {line}'
    pair, only = f'name.removeprefix("{prefix}"): value', f' if name.startswith("{prefix}")'
    line = _renaming(pair, only)
    return f'The names below the prefix "{prefix}" match. To take these alone: {line}'


def _renaming(pair: str, only: str = "") -> str:
    return f"state_dict = {{{pair} for name, value in state_dict.items(){only}}}"


def _prefixes(names: set[str], count: int) -> list[str]:
    """What stands before a dot of exactly `count` of the names."""
    found: Counter[str] = Counter()
    for name in names:
        places = [place for place, letter in enumerate(name) if letter == "."]
        found.update(name[: place + 1] for place in places)
    return sorted(prefix for prefix, times in found.items() if times == count)

"""Compares a signature of Kuai's with PyTorch's, which may be several for one name.

One of PyTorch's ways to call has to fit in full: the order of what is given by place, the defaults,
and what may be given by place at all. Of every other way the names have to be there.
"""

import ast
import inspect
from collections.abc import Callable

from kuai.engine.op.spellings import spellings

P = inspect.Parameter
PLACED = (P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD)
STARRED = (P.VAR_POSITIONAL, P.VAR_KEYWORD)


def parse(text: str, is_method: bool = False) -> list[inspect.Parameter]:
    """The parameters that a text like `(input, dim=0, *, out=None)` stands for."""
    if is_method and not text.startswith("(self"):
        text = f"(self, {text[1:]}"
    arguments = ast.parse(f"def f{text}: ...").body[0].args
    placed = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(placed) - len(arguments.defaults)) + arguments.defaults
    found = [
        _parameter(a, d, P.POSITIONAL_OR_KEYWORD) for a, d in zip(placed, defaults, strict=True)
    ]
    if arguments.vararg is not None:
        found.append(_parameter(arguments.vararg, None, P.VAR_POSITIONAL))
    only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found += [_parameter(a, d, P.KEYWORD_ONLY) for a, d in only]
    if arguments.kwarg is not None:
        found.append(_parameter(arguments.kwarg, None, P.VAR_KEYWORD))
    return found


def _parameter(argument, default, kind):
    value = P.empty if default is None else ast.literal_eval(default)
    return P(argument.arg, kind, default=value)


def own(public: Callable, is_method: bool = False) -> list[inspect.Parameter]:
    """The parameters of something of Kuai's, with those that every operation takes."""
    found = list(inspect.signature(public).parameters.values())
    if is_method:
        found[0] = found[0].replace(name="self")
    operation = getattr(public, "operation", None)
    exported = any(hasattr(public, mark) for mark in ("public", "operation", "pure"))
    is_function = exported or public.__module__.startswith("kuai.ops.")
    if is_function and all(p.name != "out" for p in found):
        found.append(P("out", P.KEYWORD_ONLY, default=None))
    if getattr(operation, "random", False):
        found.append(P("generator", P.KEYWORD_ONLY, default=None))
    return found


def differences(public: Callable, texts: list[str], is_method: bool) -> list[str]:
    """What is wrong with a signature, in words; nothing if it fits."""
    ours, ways = own(public, is_method), [parse(text, is_method) for text in texts]
    found = dict.fromkeys(problem for way in ways for problem in _missing(ours, way))
    misfits = [_misfit(ours, way) for way in ways]
    # the way that says most is the one to fit
    return [*found, *min(misfits, key=len)]


def _missing(ours, way):
    names = {p.name for p in ours}  # `*dims` too may be given by name
    names |= set(spellings(sorted(names)))
    takes_any = any(p.kind is P.VAR_KEYWORD for p in ours)
    starred = any(p.kind is P.VAR_POSITIONAL for p in ours)
    for p in way:
        if p.kind is P.VAR_POSITIONAL and not starred:
            yield f"no *{p.name}"
        elif p.kind not in STARRED and p.name not in names and not takes_any and p.name != "self":
            yield f"no {p.name}"


def _misfit(ours, way):
    by_name = {p.name: p for p in ours}
    placed = [p.name for p in ours if p.kind in PLACED]
    found = []
    for at, theirs in enumerate(p for p in way if p.kind in PLACED):
        if theirs.name in placed and placed.index(theirs.name) != at:
            found.append(f"{theirs.name} is number {placed.index(theirs.name)}, not {at}")
        elif theirs.name in by_name and by_name[theirs.name].kind is P.KEYWORD_ONLY:
            found.append(f"{theirs.name} only by name")
    for theirs in way:
        if theirs.name in by_name and theirs.kind not in STARRED:
            found += _other_default(by_name[theirs.name], theirs)
    return found


def _other_default(ours, theirs):
    if theirs.default is P.empty or ours.kind in STARRED:
        return
    if ours.default is P.empty:
        yield f"{ours.name} has no default"
    elif theirs.default is not ... and _plain(ours.default) and ours.default != theirs.default:
        yield f"{ours.name}={ours.default!r}, not {theirs.default!r}"


def _plain(default):
    return default is None or isinstance(default, (bool, int, float, str, tuple))

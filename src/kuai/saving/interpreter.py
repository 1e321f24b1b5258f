"""A strict interpreter of the pickle instructions that PyTorch's files consist of.

Pickle is a language for a stack machine, and `pickle.Unpickler` lets it call anything. This machine
knows no classes and imports nothing. A global is a name that has to stand in a table; what the
table gives is a finished value (a dtype) or a `Builder`, and a builder checks each argument.
Every instruction checks the exact type of what it works on, so nothing can be appended to what is
not a list or set in what is not a dict; an instruction that is not listed here is an error.
`pickletools.genops` of the standard library only decodes the instructions.
"""

from __future__ import annotations

import functools
import pickletools
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor.devices import device
from kuai.engine.tensor.size import Size
from kuai.errors import printable
from kuai.saving import numpy_values
from kuai.saving.budget import CONTAINER, HASHES, MEMORY, TENSOR, Budget, price
from kuai.saving.foreign import foreign_tensor
from kuai.saving.keys import Hashes, keys_budget
from kuai.saving.limits import (
    DESCRIPTION_BYTES,
    DESCRIPTION_MULTIPLE,
    LONGEST_INTEGER,
    MAX_INSTRUCTIONS,
    MAX_PICKLE_BYTES,
)
from kuai.saving.refusals import Damaged, Refused, exactly

__all__ = ["Builder", "Names", "interpret"]

_VALUES = {
    "BINBYTES",
    "BINBYTES8",
    "BINFLOAT",
    "BININT",
    "BININT1",
    "BININT2",
    "BINUNICODE",
    "BINUNICODE8",
    "BYTEARRAY8",
    "LONG1",
    "SHORT_BINBYTES",
    "SHORT_BINUNICODE",
}
_COPIED = (str, bytes, list, dict, tuple)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OWN_CONTAINERS = (defaultdict, deque)  # only names of the program's have builders for them
_GIVEN_STATES = (functools.partial, SimpleNamespace)
_MADE = (Counter, Namespace, OrderedDict, Size, bytearray, bytes, complex, device, set)


class Builder(NamedTuple):
    """What a global name stands for: a function of the arguments that checks each of them."""

    name: str
    build: Callable[[tuple], Any]


class Names(dict):
    """What `"module name"` stands for; nothing else exists.

    A subclass may know of classes of the program's own.
    """

    def may_make(self, kind: type) -> bool:
        """Whether pickle's way of making objects of a class is open."""
        return False

    def may_call(self, function: Any) -> bool:
        """Whether a name that stands for no builder may be called."""
        return False

    def may_be_key(self, value: Any) -> bool:
        """Whether it may be a key without a look at its hash."""
        return type(value) in (str, bytes)


def interpret(
    code: bytes,
    names: Mapping[str, Any],
    persistent: Callable[[Any], Any],
    encoding: str = "utf-8",
) -> Any:
    """Run pickle instructions.

    Args:
        names: what `"module name"` stands for; nothing else exists.
        persistent: what a persistent identity (a storage) stands for.
        encoding: of the strings that Python 2 wrote; "bytes" leaves them as they are.
    """
    if len(code) > MAX_PICKLE_BYTES:
        raise Refused(f"its objects take up more than {MAX_PICKLE_BYTES >> 20} MiB")
    known = names if isinstance(names, Names) else Names(names)
    machine = _Machine(known, persistent, _budget(len(code)), encoding)
    for count, (name, argument) in enumerate(_decoded(code)):
        if count >= MAX_INSTRUCTIONS:
            raise Refused(f"it has more than {MAX_INSTRUCTIONS} instructions")
        if name == "STOP":
            return machine.result()
        machine.step(name, argument)
    raise Damaged("the objects end too early")


def _budget(size: int) -> Budget:
    limit = DESCRIPTION_BYTES + DESCRIPTION_MULTIPLE * size
    return Budget(limit, f"its objects would take up more than {limit >> 20} MiB")


def _decoded(code: bytes):
    try:
        for opcode, argument, _ in pickletools.genops(code):
            yield opcode.name, argument
    except (ValueError, OverflowError, MemoryError) as error:
        raise Damaged(f"the objects cannot be decoded: {error}") from error


class _Machine:
    def __init__(
        self, names: Names, persistent: Callable[[Any], Any], budget: Budget, encoding: str
    ):
        self._encoding = encoding
        self._budget = budget
        self._keys = keys_budget()
        self._names = names
        self._persistent = persistent
        self._stack: list = []
        self._below: list[list] = []  # the stacks below the marks
        self._memo: dict[int, Any] = {}
        self._hashes: dict[int, tuple[Any, Hashes]] = {}  # and the container: it keeps its identity
        self._copied = 0

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._made(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._made(_EMPTY[name](), CONTAINER)
        elif name in _SHORT_TUPLES:
            self._made(tuple(self._pop_many(_SHORT_TUPLES[name])), CONTAINER)
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise Refused(f"it uses the pickle instruction {name}, which no file of tensors needs")

    def result(self) -> Any:
        value = self._pop()
        if self._stack or self._below:
            raise Damaged("values are left over at the end of the objects")
        return value

    # The stack --------------------------------------------------------------------------------

    def _made(self, value: Any, more: int = 0) -> None:
        """Push a new value."""
        self._budget.take(price(value) + more)
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._pop_many(1)[0]

    def _pop_many(self, count: int) -> list:
        if len(self._stack) < count:
            raise Damaged("an instruction misses its arguments")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _top(self) -> Any:
        if not self._stack:
            raise Damaged("an instruction misses its arguments")
        return self._stack[-1]

    def _second(self) -> Any:
        """What stands under the top of the stack."""
        if len(self._stack) < 2:
            raise Damaged("an instruction misses its arguments")
        return self._stack[-2]

    def _mark(self, _) -> None:
        self._budget.take(price(self._stack[:0]))
        self._below.append(self._stack)
        self._stack = []

    def _pop_to_mark(self) -> list:
        if not self._below:
            raise Damaged("an instruction misses its mark")
        taken, self._stack = self._stack, self._below.pop()
        return taken

    # Containers -------------------------------------------------------------------------------

    def _long(self, number: int) -> None:
        if number.bit_length() >= 8 * LONGEST_INTEGER:
            raise Refused(f"it has an integer of more than {8 * LONGEST_INTEGER} bits")
        self._made(number)

    def _old_string(self, text: str) -> None:
        """A string of Python 2, whose bytes arrive as characters."""
        written = text.encode("latin1")
        if self._encoding == "bytes":
            self._made(written)
            return
        try:
            self._made(written.decode(self._encoding))
        except UnicodeDecodeError as error:
            raise Refused(
                f"a string of Python 2 in it is not in {self._encoding}. Say how it was written: "
                'kuai.load(..., encoding="latin1")'
            ) from error

    def _tuple(self, _) -> None:
        taken = self._pop_to_mark()
        self._made(tuple(taken), CONTAINER)

    def _append(self, _) -> None:
        self._extend([self._pop()])

    def _appends(self, _) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, items: list) -> None:
        target = self._top()
        if not isinstance(target, (list, deque)) or not self._is_own(target):
            exactly(target, list, "what is appended to")
        target.extend(items)

    def _is_own(self, value: Any) -> bool:
        return type(value) in _OWN_CONTAINERS or self._names.may_make(type(value))

    def _set_item(self, _) -> None:
        self._set_pairs(self._pop_many(2))

    def _set_items(self, _) -> None:
        self._set_pairs(self._pop_to_mark())

    def _set_pairs(self, flat: list) -> None:
        target = self._top()
        own = isinstance(target, dict) and self._is_own(target)
        if not own and type(target) not in (dict, OrderedDict):
            raise Refused(f"an item is set in a {type(target).__name__}, which is not a dict")
        if len(flat) % 2:
            raise Damaged("a key has no value")
        self._check_keys(target, flat[::2])
        target.update(zip(flat[::2], flat[1::2], strict=True))

    def _add_items(self, _) -> None:
        items = self._pop_to_mark()
        target = exactly(self._top(), set, "what is added to")
        self._check_keys(target, items)
        target.update(items)

    def _check_keys(self, target: Any, keys: list) -> None:
        """Before they go into a container; nobody can choose the hashes of strings."""
        self._budget.take(MEMORY * len(keys))
        counted = [key for key in keys if not self._names.may_be_key(key)]
        if not counted:
            return
        if id(target) not in self._hashes:
            self._budget.take(HASHES)
            self._hashes[id(target)] = target, Hashes(self._keys)
        self._hashes[id(target)][1].check_all(counted)

    # Memory -----------------------------------------------------------------------------------

    def _put(self, number: int) -> None:
        self._budget.take(MEMORY)
        self._memo[number] = self._top()

    def _memoize(self, _) -> None:
        self._put(len(self._memo))

    def _get(self, number: int) -> None:
        if number not in self._memo:
            raise Damaged("an object is used before it is there")
        self._stack.append(self._memo[number])

    # Names and what they build ----------------------------------------------------------------

    def _global(self, name: str) -> None:
        if name not in self._names:
            raise Refused(f"it asks for {printable(name.replace(' ', '.'))}{self._way_out(name)}")
        self._stack.append(self._names[name])

    def _way_out(self, name: str) -> str:
        place = self._place()
        found = foreign_tensor(name)
        if found:
            return (
                f": {place or 'a tensor in it'} is {found.kind}, {found.why}. In "
                f"PyTorch, put {found.remedy} in its place, and save that"
            )
        return (
            f"{f' at {place}' if place else ''}. Kuai builds tensors and plain Python values only; "
            "where a file is trusted, weights_only=False makes objects of classes that this "
            "program has imported, and runs nothing. Whoever trusts it can also open it with "
            "PyTorch and save its state_dict"
        )

    def _place(self) -> str:
        """Where what is being built will stand, `'model.0.weight'`; empty if that is not plain."""
        keys: list = []
        holder: Any = None
        for stack in (*self._below, self._stack):
            if type(holder) not in (type(None), dict, OrderedDict, list):
                break
            is_open = stack is not self._stack and bool(stack)  # its last value is being built
            keys += _keys_without_values(holder, stack[: len(stack) - is_open])
            holder = stack[-1] if stack else None
        name = printable(".".join(map(str, keys)))
        return f"'{name}'" if keys else ""

    def _stack_global(self, _) -> None:
        module, name = self._pop_many(2)
        exactly(module, str, "the module of a name")
        self._global(f"{module} {exactly(name, str, 'a name')}")

    def _reduce(self, _) -> None:
        function, arguments = self._pop_many(2)
        if self._names.may_call(function):
            self._made(function(*exactly(arguments, tuple, "the arguments of a call")), TENSOR)
            return
        if type(function) is not Builder:
            raise Refused(f"it calls a {type(function).__name__}")
        self._count_copies(exactly(arguments, tuple, "the arguments of a call"))
        value = function.build(arguments)
        self._made(value, CONTAINER if type(value) in _MADE else TENSOR)

    def _new_object(self, _) -> None:
        """How pickle makes a program's arguments, and objects of its own classes."""
        function, arguments = self._pop_many(2)
        if isinstance(function, type) and self._names.may_make(function):
            exactly(arguments, tuple, "the arguments of a call")
            self._made(function.__new__(function, *arguments), TENSOR)
            return
        if type(function) is not Builder or function.name != "argparse.Namespace":
            raise Refused(f"it makes an object of a {type(function).__name__}")
        self._made(function.build(exactly(arguments, tuple, "the arguments of a call")), CONTAINER)

    def _count_copies(self, arguments: tuple) -> None:
        """Builders copy; no honest file has the same large value copied over and over."""
        self._copied += sum(len(value) for value in arguments if type(value) in _COPIED)
        if self._copied > MAX_PICKLE_BYTES:
            raise Refused("its objects are copied too often")

    def _build(self, _) -> None:
        """Give a state dict its `_metadata`, NumPy arrays and program arguments their values."""
        if isinstance(self._second(), (np.ndarray, np.dtype)):
            state = self._pop()
            numpy_values.give_state(self._top(), state)
            self._budget.take(getattr(self._top(), "nbytes", 0))
            return
        if self._names.may_make(type(self._second())) or type(self._second()) in _GIVEN_STATES:
            state = self._pop()
            _give_own_state(self._top(), state)
            return
        state = exactly(self._pop(), dict, "the state of an object")
        if type(self._top()) is Namespace:
            _give_attributes(self._top(), state)
            return
        target = exactly(self._top(), OrderedDict, "an object that is given a state")
        if list(state) != ["_metadata"]:
            raise Refused("an OrderedDict is given attributes other than _metadata")
        target._metadata = exactly(state["_metadata"], OrderedDict, "_metadata")

    def _persist(self, _) -> None:
        identity = self._pop()
        self._stack.append(self._persistent(identity))

    def _protocol(self, number: int) -> None:
        if not 2 <= number <= 5:
            raise Refused(f"it is written in pickle protocol {number}; 2 to 5 are known")

    def _frame(self, _) -> None:
        """Frames only help a reader that reads from a stream."""


def _give_own_state(target: Any, state: Any) -> None:
    """What pickle does with the state of an object: its class's way, or attributes."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    vars(target).update(exactly(attributes or {}, dict, "the state of an object"))
    for name, value in exactly(slots or {}, dict, "the state of an object").items():
        setattr(target, exactly(name, str, "the name of an attribute"), value)


def _give_attributes(target: Namespace, state: dict) -> None:
    """The attributes of a program's arguments: names, none that Python gives a meaning to."""
    if any(type(name) is not str or name.startswith("__") for name in state):
        raise Refused("an argparse.Namespace is given attributes that no argument can have")
    vars(target).update(state)


def _keys_without_values(holder: Any, stack: list) -> list:
    """The keys at the end of what is about to go into a container.

    A container of one value gets it without a mark, so several may wait on the same stack.
    """
    called = bool(stack) and type(stack[-1]) is Builder
    waiting = stack[: len(stack) - called]
    keys: list = []
    while waiting:
        if _is_new(waiting[-1], list):
            keys.insert(0, 0)
            waiting.pop()
        elif _is_key(waiting[-1]) and len(waiting) > 1 and _is_new(waiting[-2], dict):
            keys.insert(0, waiting.pop())
            waiting.pop()
        else:
            break
    if type(holder) is list:
        return [len(holder) + len(waiting), *keys]
    if isinstance(holder, dict) and len(waiting) % 2 and _is_key(waiting[-1]):
        return [waiting[-1], *keys]
    return keys


def _is_new(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not value


def _is_key(value: Any) -> bool:
    return type(value) in (str, int)


_INSTRUCTIONS = {
    "ADDITEMS": _Machine._add_items,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "BINGET": _Machine._get,
    "BINPERSID": _Machine._persist,
    "BINPUT": _Machine._put,
    "BINSTRING": _Machine._old_string,
    "BUILD": _Machine._build,
    "FRAME": _Machine._frame,
    "GLOBAL": _Machine._global,
    "LONG4": _Machine._long,
    "LONG_BINGET": _Machine._get,
    "LONG_BINPUT": _Machine._put,
    "MARK": _Machine._mark,
    "MEMOIZE": _Machine._memoize,
    "NEWOBJ": _Machine._new_object,
    "PROTO": _Machine._protocol,
    "REDUCE": _Machine._reduce,
    "SHORT_BINSTRING": _Machine._old_string,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "STACK_GLOBAL": _Machine._stack_global,
    "TUPLE": _Machine._tuple,
}

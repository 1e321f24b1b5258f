"""How operations meet tensors: the decorators that make them of pure functions.

An operation is a pure function of JAX arrays. `@op` makes of it a function on tensors: it binds the
arguments and has `running.run` do the rest. What a parameter's annotation says decides how it
travels:

    Array               a tensor                      Array | None     an optional one
    Array | Number      a tensor or a Python number   Number           a Python number
    Sequence[Array]     a list or tuple of tensors    anything else    a constant of the program

Numbers are traced, so another number does not compile anew; constants are part of the program.

From one decorated function follow the function itself, the method, the in-place method, the entry
in `nn.functional`, autograd, compilation and the documentation.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from kuai.engine.autograd.inplace import window
from kuai.engine.autograd.running import Operation, run
from kuai.engine.op.autocast import Choices, casting
from kuai.engine.op.in_place import inplace
from kuai.engine.op.late_signature import LateSignature
from kuai.engine.op.old_orders import reordered
from kuai.engine.op.out import write_out
from kuai.engine.op.registry import REGISTRY, places_of
from kuai.engine.op.spellings import respelled, spelled, spellings
from kuai.engine.op.wrong_calls import refuse_types, wrong_call
from kuai.engine.tensor import Tensor, overriding, randomness
from kuai.engine.tensor.frames import fold
from kuai.engine.tensor.overriding import ACTIVE, NOBODY
from kuai.engine.tensor.views import Step, value

__all__ = ["Array", "Number", "Sequence", "composite", "op", "view_op"]


if typing.TYPE_CHECKING:  # who looks into a pure function sees what arrives there
    Array = jax.Array
    Number = Any
else:

    class Array:
        """Annotation: this parameter is a tensor, and an array inside the pure function."""

    class Number:
        """Annotation: this parameter is a Python number, traced inside the pure function."""


STATIC, ARRAY, NUMBER, ARRAYS = range(4)
_MISSING = inspect.Parameter.empty
#: The modules whose name is part of their functions' names in C++.
_ROOMS = ("special.", "linalg.", "fft.")
_SIMPLE = (int, float, bool, complex)


class Op(Operation):
    """A decorated pure function: knows its parameters, binds calls, and runs them."""

    def __init__(self, pure, grad_name, random, result):
        super().__init__(pure.__name__, grad_name)
        self.pure = pure
        self.public = self  # what is exported, and what `__torch_function__` is told
        self.random = random
        self.result = result
        self.exact_out = None
        self.out_name = self.name
        code, skipped = pure.__code__, int(random)
        hints = _hints(pure)
        self.names = code.co_varnames[skipped : code.co_argcount + code.co_kwonlyargcount]
        self.kinds = tuple([_kind(hints.get(name)) for name in self.names])
        self.spellings = spellings(self.names)
        self.arity = code.co_argcount - skipped
        self.keyword_only = (False,) * self.arity + (True,) * code.co_kwonlyargcount
        self.signature = LateSignature.of(pure, skipped)
        self.defaults = _defaults(pure, self.names, self.arity)
        self.optional = tuple(
            [
                default is None or type(None) in typing.get_args(hints.get(name))
                for name, default in zip(self.names, self.defaults, strict=True)
            ]
        )
        self.exact = [
            (i, kind)
            for i, name in enumerate(self.names)
            if (kind := self._exact(i, hints.get(name)))
        ]
        self.only_positional = not code.co_kwonlyargcount
        self.only_arrays = all(kind in (ARRAY, NUMBER) for kind in self.kinds)
        self.arrays_key = (ARRAY,) * len(self.kinds)

    def _exact(self, position, hint):
        """The type of a constant that is a bool, a whole number, several or a string, no other."""
        if self.kinds[position] != STATIC:
            return None
        if hint is bool or type(self.defaults[position]) is bool:
            return bool
        if hint == str | None:  # others are told from each other by functions written in Python
            return str
        return hint if hint is int or hint is tuple else None

    def bind(self, args, kwargs):
        """All arguments in the order of the parameters, with defaults filled in."""
        if not self.spellings.keys().isdisjoint(kwargs):
            kwargs = respelled(kwargs, self.spellings)
        if len(args) > self.arity and (today := reordered(self.name, args, kwargs)):
            args, kwargs = today
        if len(args) > self.arity or any(name not in self.names for name in kwargs):
            self._complain(args, kwargs)
        bound = list(args)
        for position in range(len(args), len(self.names)):
            name = self.names[position]
            given = kwargs[name] if name in kwargs else self.defaults[position]
            if given is _MISSING:
                self._complain(args, kwargs)
            bound.append(given)
        if any(self.names[i] in kwargs for i in range(len(args))):
            self._complain(args, kwargs)
        return bound

    def _complain(self, args, kwargs):
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError:
            raise wrong_call(self.out_name, self.signature, args, kwargs) from None

    def flatten(self, arguments):
        """The tensors and numbers among bound arguments, and a key that stands for the rest."""
        if self.only_arrays and all([isinstance(argument, Tensor) for argument in arguments]):
            return list(arguments), self.arrays_key
        values, key = [], []
        for position, (kind, argument) in enumerate(zip(self.kinds, arguments, strict=True)):
            if kind == STATIC:
                key.append(freeze(argument))
            elif isinstance(argument, Tensor) and kind != ARRAYS:
                values.append(argument)
                key.append(ARRAY)
            elif argument is None and self.optional[position]:
                key.append(None)
            elif kind == ARRAYS:
                several: Any = argument
                self._check_sequence(position, several)
                values.extend(several)
                key.append((ARRAYS, len(several)))
            elif kind == NUMBER and isinstance(argument, (*_SIMPLE, np.generic)):
                values.append(_of_python(argument))
                key.append(NUMBER)
            else:
                self._wrong_type(position, argument)
        return values, tuple(key)

    def first(self, key):
        """`unflatten`, where constants are met for the first time: their types are looked at.

        The key tells 1 from True, so what has been refused once is never found among the others.
        """
        for position, wanted in self.exact:
            part = key[position]
            given = part.kind if type(part) is _Plain else type(part)
            if given is not wanted and not (part is None and self.optional[position]):
                if wanted in (bool, str) or issubclass(given, (bool, float, np.bool_)):
                    name = "tuple of ints" if wanted is tuple else wanted.__name__
                    self._wrong_type(position, part, name, given)
        return self.unflatten(key)

    def unflatten(self, key):
        """The pure function of flat values for the constants in `key`."""
        kinds, pure, keyword_only, names = self.kinds, self.pure, self.keyword_only, self.names

        def function(*values):
            arriving = iter(values)
            positional, keywords = [], {}
            if self.random:
                positional.append(randomness.fold(next(arriving), next(arriving)))
            for kind, part, only, name in zip(kinds, key, keyword_only, names, strict=True):
                if kind == STATIC:
                    argument = thaw(part)
                elif part is None:
                    argument = None
                elif isinstance(part, tuple):
                    argument = [next(arriving) for _ in range(part[1])]
                else:
                    argument = next(arriving)
                if only:
                    keywords[name] = argument
                else:
                    positional.append(argument)
            results = pure(*positional, **keywords)
            return tuple(results) if isinstance(results, (list, tuple)) else results

        return function

    def described(self, key):
        """The arguments that a key stands for: names, and how many values or which constant."""
        for name, kind, part in zip(self.names, self.kinds, key, strict=True):
            if kind == STATIC:
                yield name, 0, thaw(part)
            elif isinstance(part, tuple):
                yield name, part[1], None
            else:
                yield name, int(part is not None), None

    def __call__(self, *args, **kwargs):
        if ACTIVE and (answer := overriding.ask(self.public, args, kwargs)) is not NOBODY:
            return answer
        generator = kwargs.pop("generator", None) if self.random else None
        out = kwargs.pop("out", None) if kwargs else None
        if kwargs or len(args) != self.arity or not self.only_positional:
            args = self.bind(args, kwargs)
        try:
            values, key = self.flatten(args)
        except TypeError:
            answer = overriding.discover(self.public, args, {} if out is None else {"out": out})
            if answer is NOBODY:
                raise
            return answer
        if self.random:
            values[:0] = randomness.draw(generator, values)
        results = run(self, key, lambda: self.first(key), values)
        if self.result is not None:
            results = self.result(*results)
        return results if out is None else write_out(out, results, self.exact_out, self.out_name)

    def _check_sequence(self, position, argument):
        if not isinstance(argument, (list, tuple)):
            self._wrong_type(position, argument, "tuple of Tensors")
        for number, item in enumerate(argument):
            if not isinstance(item, Tensor):
                raise TypeError(
                    f"expected Tensor as element {number} in argument {position}, but got "
                    f"{overriding.named(type(item))}"
                )

    def _wrong_type(self, position, argument, wanted="Tensor", given: type | None = None):
        if self.kinds[position] == NUMBER and self.defaults[position] is not _MISSING:
            wanted = "Number"
        name = self.name.removeprefix("_").removesuffix("_op")  # what is called, not what does it
        raise TypeError(
            f"{name}(): argument '{self.names[position]}' (position {position + 1}) must be "
            f"{wanted}, not {overriding.named(given or type(argument))}"
        )


def _hints(pure):
    """The annotations; `typing.get_type_hints` takes ten times as long, and all operations pay."""
    hints = pure.__annotations__
    if any([type(hint) is str for hint in hints.values()]):
        return typing.get_type_hints(pure)
    return hints


def _defaults(pure, names, arity):
    """The default of each parameter, or `_MISSING`."""
    given, keywords = pure.__defaults__ or (), pure.__kwdefaults__ or {}
    missing = (_MISSING,) * (arity - len(given))
    return (*missing, *given, *[keywords.get(name, _MISSING) for name in names[arity:]])


def _kind(hint):
    if hint is Number:
        return NUMBER
    if hint is Array:
        return ARRAY
    if type(hint) is type:
        return STATIC
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = {_kind(part) for part in typing.get_args(hint)}
        return NUMBER if NUMBER in kinds else max(kinds)
    if typing.get_origin(hint) is Sequence and typing.get_args(hint)[0] is Array:
        return ARRAYS
    return STATIC


def freeze(argument):
    """A constant as part of a key: hashable, and telling 1 from 1.0 and True."""
    if argument is None or type(argument) in (int, str):
        return argument
    if isinstance(argument, (list, tuple)):
        return tuple(map(freeze, argument))
    if isinstance(argument, (bool, float, complex)):
        return _Plain(type(argument), argument)
    if isinstance(argument, np.bool_):
        return _Plain(np.bool_, bool(argument))
    if isinstance(argument, np.generic):
        return freeze(argument.item())
    if isinstance(argument, Tensor):
        number = value(argument).item()
        return _Plain(Tensor, number) if isinstance(number, bool) else freeze(number)
    return argument


def _of_python(number):
    """A number of NumPy's as one of Python's; a bool of NumPy's is a real number in PyTorch."""
    if isinstance(number, np.bool_):
        return float(number)
    return number.item() if isinstance(number, np.generic) else number


class _Plain(typing.NamedTuple):
    """A constant that could be taken for another one: which type it was given as."""

    kind: type
    value: object


def thaw(part):
    """The constant that a part of a key stands for."""
    if isinstance(part, _Plain):
        return part.value
    return tuple(map(thaw, part)) if isinstance(part, tuple) else part


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.strip("_").split("_"))


# Decorators ---------------------------------------------------------------------------------------


def op(
    pure=None,
    *,
    export=None,
    function=True,
    method=True,
    inplace: bool | Callable = False,
    functional=False,
    aliases=(),
    grad=None,
    random=False,
    result=None,
    autocast=None,
    materializes=False,
    exact_out=None,
    name=None,
    out_name=None,
    check: Callable | None = None,
) -> Any:
    """Make an operation on tensors of a pure function of JAX arrays. See the top of this file.

    Args:
        function, method, functional: whether it is exported under the name it is defined with as
            `kuai.<name>`, `Tensor.<name>`, `kuai.nn.functional.<name>`.
        export: where it is exported instead, if not under that name or not there: the place or
            places, such as `"linalg.slogdet"` or `("svd", "Tensor.svd")`.
        aliases: more names for all of these; one with a dot is a place of its own.
        inplace: also make `Tensor.<name>_` (and `kuai.<name>_`, if it is a function). A function
            says which tensors it cannot change: it is given each, and raises an error.
        grad: what its `grad_fn` is called; by default the name in CamelCase with `Backward0`.
        random: the pure function's first parameter is a JAX random key, drawn from `generator=`.
        result: a named tuple class for several results.
        autocast: the precision it runs in under `kuai.autocast`, such as "lower" or "float32", or a
            dict of these by PyTorch's tables, "cpu" and "cuda": see `autocast.Choices`.
        materializes: its first argument is written to memory for it in any case; a compiled program
            then reads that instead of computing it anew (see `ops.native.memory`).
        exact_out: the error's text if `out=` must have the dtype of the result, or one for each
            result: see `exact_out`.
        name: what error messages call it; by default the function's name.
        out_name: what errors about `out=` call it, where PyTorch has another name there.
        check: called with the arguments before anything else; raises an error for numbers that
            cannot be. The pure function does not know them.
    """
    scopes = dict(function=function, method=method, functional=functional)

    def decorate(pure):
        made: Any = Op if check is None else functools.partial(CheckedOp, check)
        operation = made(pure, grad or f"{_camel(pure.__name__)}Backward0", random, result)
        operation.name = name or operation.name
        operation.exact_out = exact_out
        places = places_of(pure, export, aliases, **scopes)
        operation.out_name = out_name or _name_in_errors(places, operation.name)
        if materializes:
            REGISTRY.materializing.add(operation.name)
        public = _public(operation, pure, autocast)
        _export(public, places, inplace)
        return public

    return decorate if pure is None else decorate(pure)


def _name_in_errors(places, name: str) -> str:
    """`special_entr` for `kuai.special.entr`: what PyTorch's C++ calls it."""
    return places[0].replace(".", "_") if places and places[0].startswith(_ROOMS) else name


def view_op(
    *, write, layout=None, function=True, method=True, aliases=(), grad=None, autocast=None
) -> Any:
    """Make a view operation of a pure function that reads the view out of its first argument.

    Args:
        write: `write(base, part, *arguments)` gives the base with the view's elements replaced.
        layout: `layout(layout, *arguments)` gives the view's strides from the base's: see
            `layouts`.
    """
    scopes = dict(function=function, method=method, functional=False)

    def decorate(pure):
        operation = ViewOp(pure, write, grad or f"{_camel(pure.__name__)}Backward0", layout)
        public = _public(operation, pure, autocast)
        _export(public, places_of(pure, None, aliases, **scopes))
        return public

    return decorate


def composite(
    public=None,
    *,
    export=None,
    function=True,
    method=True,
    inplace=False,
    functional=False,
    aliases=(),
    autocast=None,
    exact_out=None,
    out_name=None,
) -> Any:
    """Export a plain Python function on tensors, made of other operations, as `op` would."""
    scopes = dict(function=function, method=method, functional=functional)

    def decorate(public: Any):
        places = places_of(public, export, aliases, **scopes)
        if not hasattr(public, "operation"):  # an operation's face hands names on to it
            name = out_name or _name_in_errors(places, public.__name__)
            public = spelled(public, functools.partial(write_out, exact=exact_out, name=name))
        if autocast is not None:
            inner: Any = public
            public = functools.wraps(inner)(casting(inner, Choices(autocast)))
            inner.public = public
        _export(public, places, inplace)
        return public

    return decorate if public is None else decorate(public)


class CheckedOp(Op):
    """An operation whose arguments are looked at before it is traced or run."""

    def __init__(self, check, *args):
        super().__init__(*args)
        self.check = check

    def flatten(self, arguments):
        """As of every operation, once the arguments have been checked."""
        values, key = super().flatten(arguments)
        self.check(*arguments)
        return values, key


class ViewOp(Op):
    """An operation whose result is a window on its first argument's storage."""

    repeats = False  # whether elements of the window may be the same one: see `inplace`
    may_overlap = False  # whether there are several windows, which may have elements in common
    moves = False  # whether it only chooses elements and puts them into another order

    def __init__(self, pure, write, grad_name, layout: Any = None):
        super().__init__(pure, grad_name, random=False, result=None)
        self.pure_write = write
        self.pure_layout = layout

    def read(self, base, static, numbers):
        """Read the view out of the array it is a window on."""
        return self.unflatten(static)(base, *numbers)

    def write(self, base, part, static, numbers):
        """The array with the view's elements replaced by `part`."""
        return self.pure_write(base, part, *self._arguments(static, numbers))

    def taken(self, array, static, numbers):
        """The view of a NumPy array, where it is one of its memory; None otherwise."""
        return None

    def layout(self, layout, static, numbers):
        """The view's strides and offset, given those of what it is a window on."""
        return self.pure_layout(layout, *self._arguments(static, numbers))

    def _arguments(self, static, numbers):
        arriving = iter(numbers)
        return [
            thaw(p) if kind == STATIC else None if p is None else next(arriving)
            for kind, p in zip(self.kinds[1:], static[1:], strict=True)
        ]

    def __call__(self, *args, **kwargs):
        if ACTIVE and (answer := overriding.ask(self.public, args, kwargs)) is not NOBODY:
            return answer
        if kwargs or len(args) != self.arity or not self.only_positional:
            args = self.bind(args, kwargs)
        try:
            values, key = self.flatten(args)
        except TypeError:
            answer = overriding.discover(self.public, args, {})
            if answer is NOBODY:
                raise
            return answer
        made = run(self, key, lambda: self.first(key), values)
        return window(made, values[0], Step(self, key, tuple(values[1:])))


def _public(operation, pure, autocast=None):
    call = operation.__call__  # bound once, which saves Python a search at every call

    def called(*args, **kwargs):
        try:
            return call(*args, **kwargs)
        except Exception as error:
            refuse_types(error, public, args, kwargs)
            fold(error)
            raise

    public: Any = called if autocast is None else casting(call, Choices(autocast))
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(public, name, getattr(pure, name))
    public.__signature__ = operation.signature
    public.operation = operation
    operation.public = public
    public.pure = pure
    REGISTRY.ops.append(operation)
    return public


def _export(public, places, with_inplace: bool | Callable = False):
    check = with_inplace if callable(with_inplace) else None
    changing = functools.cache(functools.partial(inplace, public, check=check))
    for place in places:
        REGISTRY.export(public, place)
        scope, _, name = place.rpartition(".")
        if with_inplace and scope in ("", "Tensor"):
            REGISTRY.export(changing(f"{name}_"), f"{place}_")

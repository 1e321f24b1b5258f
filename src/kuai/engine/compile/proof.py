"""Proofs: what the code of a function can read, and that it changes nothing but tensors.

The prover goes through the syntax tree of a function as Python would, with what it knows: closures,
globals, modules, optimizers are looked at as they are now, and everything that is looked at is
watched from then on (see `watch`). What operations compute is unknown; it is tensors. Where code
goes must be known: branches and loops over what is known are followed, a branch on a tensor ends
the proof. Functions of the user's that are called are gone through in the same way.

It is a list of what is allowed. Everything else, any statement, object or call that does not stand
here, is refused, which costs nothing but speed. So what is missing here can be slow, never wrong.
"""

import sys
import types

from kuai.engine.compile.abstract_values import (
    Argument,
    Items,
    Known,
    Read,
    Several,
    is_named_tuple,
    is_plain,
    text_of_value,
    watch_named_tuple,
)  # fmt: skip
from kuai.engine.compile.knowledge import Refused, complete, is_pure
from kuai.engine.compile.made_functions import Made
from kuai.engine.compile.source import tree_of
from kuai.engine.compile.statements import Statements
from kuai.engine.compile.watch import Watch
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.overriding import overrides

__all__ = ["Prover"]

_DEEPEST = 40  # calls
_LONGEST = 20_000  # statements
_GENERATORS = 0x20 | 0x80 | 0x200  # flags of generators, coroutines and both
_HARMLESS = {"__doc__", "__init__", "__module__", "__new__", "__dict__", "__weakref__"}
_HOOKS = ("hooks", "pre_hooks", "output_hooks", "post_accumulate")


class Prover:
    """Goes through a function; what it depends on is in `watch` afterwards.

    Args:
        slots: attributes to which the function assigns tensors; see `kept_tensors`.
    """

    def __init__(self, slots=()):
        complete()
        self.watch = Watch()
        self.slots = {(id(slot.mapping), slot.name): slot for slot in slots}
        for slot in slots:
            slot.begin()
            self.watch.loose(slot.mapping, slot.name)
        kept = [*slots, *[each for slot in slots for each in slot.each]]
        self._kept = {id(each.now) for each in kept}
        self.line = None  # (file, number) of where it is
        self.left = _LONGEST
        self.reads = 0  # numbers that are read from tensors
        self.open = 0  # decisions that are not known where it is
        self.knows_shapes = True  # of arguments: nothing may have changed them
        self.changing = []  # (thing, the name of a method that changes plain values)
        self.reached = None  # the outermost function's tree, and the number of a statement
        self.asks = None  # the same where the first number is read, after gradients were taken
        self.has_gradients = not modes.state.grad_enabled  # taken, or not wanted

    def prove(self, function, arguments, keywords):
        """Prove that calls with such arguments do the same again as long as the watch holds.

        Returns:
            What is known of the result.

        Raises:
            Refused: it cannot be proven.
        """
        return self.call(function, arguments, keywords, 0)

    def read(self, convert=None) -> Read:
        """One more number that is read from a tensor; it may be returned, and nothing else."""
        if self.open:
            raise Refused("a number that is read on one way only")
        if not self.reads and self.has_gradients:
            self.asks = self.reached
        self.reads += 1
        return Read(self.reads - 1, convert)

    # Things ---------------------------------------------------------------------------------------

    def found(self, value) -> Known:
        """Something that was found in a place that is watched."""
        if not is_plain(value):
            self._refuse_kept(value)
            self.watch.object(value)
        return Known(value)

    def _refuse_kept(self, value) -> None:
        """What stands in a slot is another tensor at each call: it is read there, nowhere else."""
        if id(value) in self._kept:
            raise Refused("a tensor that is replaced, and read in another way")

    def tensor(self, tensor) -> None:
        """Watch a tensor that is used.

        Raises:
            Refused: it has a history or hooks, or is a view of what may have one.
        """
        self._refuse_kept(tensor)
        if tensor._node is not None:
            raise Refused("a tensor that has a history")
        if tensor._steps is not None or tensor._base is not None:
            self._view(tensor)
        if tensor._hooked is not None:
            self._without_hooks(tensor._hooked)
        if tensor._node_hooked:
            raise Refused("a tensor with hooks at its node")
        if type(tensor) is not Tensor and (overrides(type(tensor)) or _changes_methods(tensor)):
            raise Refused(f"a {type(tensor).__name__}, which says for itself what operations do")
        self.watch.tensor(tensor)

    def _view(self, tensor) -> None:
        """Watch what a view is of: nothing of that may need gradients."""
        base = tensor._base
        gradients = tensor._requires_grad or tensor._grad is not None
        if gradients or base is not None and (base._requires_grad or base._node is not None):
            raise Refused("a tensor that is a view, and needs gradients")
        if base is not None:
            self.tensor(base)

    def _without_hooks(self, node) -> None:
        """Watch the node of a leaf that had hooks, or may get some again."""
        self.watch.entries(vars(node), _HOOKS)
        for there in filter(None, [getattr(node, name) for name in _HOOKS]):
            inner = [hooks for hooks in there.values() if isinstance(hooks, dict)]
            if len(inner) < len(there) or any(inner):
                raise Refused("a tensor with hooks")
            for each in (there, *inner):
                self.watch.whole(each)

    # Functions ------------------------------------------------------------------------------------

    def call(self, function, arguments, keywords, depth):
        """What a function of the user's returns."""
        if type(function) is types.MethodType:
            arguments = [self.found(function.__self__), *arguments]
            function = function.__func__
        if type(function) is not types.FunctionType:
            raise Refused(f"a call of {text_of_value(function)}")
        code, name = function.__code__, function.__qualname__
        tree = tree_of(code)
        if tree is None:
            raise Refused(f"{name}, whose source is not to be had")
        if depth > _DEEPEST or code.co_flags & _GENERATORS:
            raise Refused(f"{name}, which is a generator or goes too deep")
        for attribute in ("__code__", "__defaults__", "__kwdefaults__"):
            self.watch.attribute(function, attribute)
        return self._run(_Frame(self, function, tree, depth), arguments, keywords)

    def call_made(self, function, arguments, keywords, depth):
        """What a function gives that the call has made."""
        if depth > _DEEPEST or function.__code__.co_flags & _GENERATORS:
            raise Refused(f"{function.__qualname__}, which is a generator or goes too deep")
        return self._run(_Frame(self, function, function.tree, depth), arguments, keywords)

    def _run(self, frame, arguments, keywords):
        function, code = frame.function, frame.function.__code__
        frame.variables = self._bound(function, frame.tree.args, arguments, keywords)
        before, self.line = self.line, (code.co_filename, code.co_firstlineno)
        result = frame.result()
        self.line = before
        return result

    def _bound(self, function, wanted, arguments, keywords):
        """The variables that hold a call's arguments."""
        name = function.__qualname__
        if any(isinstance(each, Several) for each in arguments):
            raise Refused(f"a call of {name} with an unknown number of arguments")
        only = [a.arg for a in wanted.posonlyargs]
        ordered = [*only, *[a.arg for a in wanted.args]]
        named = [a.arg for a in wanted.kwonlyargs]
        surplus = {n: keywords[n] for n in keywords if n in only or n not in (*ordered, *named)}
        given = dict(zip(ordered, arguments, strict=False))
        by_name = {n: each for n, each in keywords.items() if n not in surplus}
        if (
            surplus and not wanted.kwarg
            or len(arguments) > len(ordered) and not wanted.vararg
            or not given.keys().isdisjoint(by_name)
        ):  # fmt: skip
            raise Refused(f"a call of {name} with other arguments than it takes")
        given |= by_name
        if wanted.vararg:
            given[wanted.vararg.arg] = Items(tuple, list(arguments[len(ordered) :]))
        if wanted.kwarg:
            given[wanted.kwarg.arg] = Items(dict, surplus)
        if isinstance(function, Made):
            known = function.defaults
        else:
            known = self._defaults(function, ordered, named)
        for each in (*ordered, *named):
            if each not in given:
                if each not in known:
                    raise Refused(f"a call of {name} without {each}")
                default = known[each]
                given[each] = default if isinstance(function, Made) else self.found(default)
        return given

    def _defaults(self, function, ordered, named) -> dict:
        """The defaults of a function's arguments."""
        defaults = function.__defaults__ or ()
        known = dict(zip(ordered[len(ordered) - len(defaults) :], defaults, strict=True))
        if function.__kwdefaults__:
            self.watch.entries(function.__kwdefaults__, named)
            known |= function.__kwdefaults__
        return known


class _Frame(Statements):
    """One function while the prover goes through its statements."""

    def __init__(self, prover, function, tree, depth):
        self.prover, self.watch = prover, prover.watch
        self.function, self.tree, self.depth = function, tree, depth
        self.variables = {}
        self.open, self.loops = 0, []
        self.unsure, self.named, self.returned = 0, {}, []
        code = function.__code__
        self.locals = {*code.co_varnames, *code.co_cellvars}


def _changes_methods(tensor) -> bool:
    """Whether a class that is not Kuai's own has something that tensors have in their own way."""
    kinds = type(tensor).__mro__
    own = [k for k in kinds[: kinds.index(Tensor)] if not k.__module__.startswith("kuai.")]
    return any(hasattr(Tensor, name) for kind in own for name in vars(kind).keys() - _HARMLESS)


def _is_of_its_module(function) -> bool:
    """Whether a function is found in its module by its name."""
    name, there = function.__module__, function.__globals__
    module = sys.modules.get(name) if type(name) is str else None
    is_module = type(module) is types.ModuleType and vars(module) is there
    return is_module and there.get(function.__name__) is function


def abstract(value, watch):
    """What the prover knows of an argument.

    Raises:
        Refused: it is of a kind that cannot be compared at each call.
    """
    if type(value) is Tensor:
        return Argument(value)
    if type(value) in (tuple, list):
        return Items(type(value), [abstract(each, watch) for each in value])
    if type(value) is dict and all(map(is_plain, value)):
        return Items(dict, {key: abstract(each, watch) for key, each in value.items()})
    if is_plain(value) or is_pure(value):
        return Known(value)
    if issubclass(type(value), tuple) and is_named_tuple(type(value)):
        watch_named_tuple(watch, type(value))
        return Items(type(value), [abstract(each, watch) for each in value])
    if type(value) is types.FunctionType and _is_of_its_module(value):
        watch.object(value)  # which the module holds anyway
        return Known(value)
    if issubclass(type(value), (Tensor, types.FunctionType, types.MethodType)):
        raise Refused(f"an argument that is {text_of_value(value)}")
    watch.argument(value)
    return Known(value)

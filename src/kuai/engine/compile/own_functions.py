"""Functions with a backward pass of the user's (`autograd.Function`), as the prover knows them.

`forward` is gone through where `apply` is called, and `backward` there as well, as code that runs
later, perhaps: it may compute, and nothing else. What the context holds is known from one to the
other. The class may have nothing of its own but these.
"""

from kuai.engine.autograd.function import Function, once_differentiable
from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Bound,
    Items,
    Known,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["Context", "OwnFunctions", "is_function"]

_CODE = ("forward", "setup_context", "backward", "vjp", "jvp", "_context_class", "_node_class")
_SAVING = ("save_for_backward", "mark_non_differentiable", "set_materialize_grads")


class Context:
    """The context of one call: what `forward` leaves for `backward`.

    Attributes:
        values: the user's attributes.
        saved: the tensors that were saved.
    """

    def __init__(self, count):
        self.values, self.saved = {}, Items(tuple, [])
        self.needs = Items(tuple, [OUTLINE] * count)


def is_function(thing) -> bool:
    """Whether a thing is a class of such functions."""
    return type(thing) is type and issubclass(thing, Function) and thing is not Function


class OwnFunctions(Frame):
    """Calls of such functions, and what their code does with the context."""

    def apply(self, kind, arguments, keywords):
        """What `kind.apply(…)` gives."""
        self._watch_code(kind)
        if keywords:
            raise Refused("apply with arguments by keyword")
        context, depth = Context(len(arguments)), self.depth + 1
        if kind.setup_context is Function.setup_context:
            result = self.prover.call(kind.forward, [context, *arguments], {}, depth)
        else:
            if kind.forward.__defaults__ or kind.forward.__kwdefaults__:
                raise Refused("a `forward` with defaults")
            result = self.prover.call(kind.forward, list(arguments), {}, depth)
            given = [context, Items(tuple, list(arguments)), result]
            self.prover.call(kind.setup_context, given, {}, depth)
        made = self._outputs(result)
        count = len(made.values) if isinstance(made, Items) else 1
        self.prover.open += 1  # it runs later, once, or never
        backward = self._backward(kind.backward)
        self.prover.call(backward, [context, *[NEST] * count], {}, depth)
        self.prover.open -= 1
        return made

    def _watch_code(self, kind) -> None:
        for each in kind.__mro__[: kind.__mro__.index(Function)]:
            if not is_function(each) or "apply" in vars(each):
                raise Refused(f"{text_of_value(kind)}, which is called in its own way")
        self.watch.attribute(kind, "apply.__func__")
        for name in _CODE:
            self.watch.attribute(kind, name)
        if kind.vjp is not Function.vjp or "apply" in vars(type(kind)):
            raise Refused(f"{text_of_value(kind)}, which has a `vjp`")

    def _backward(self, function):
        """The user's own code, if it may be differentiated once."""
        if getattr(function, "__code__", None) is not _ONCE:
            return function
        self.watch.attribute(function, "__code__")
        cell = function.__closure__[_ONCE.co_freevars.index("backward")]
        self.watch.cell(cell)
        return cell.cell_contents

    def _outputs(self, result):
        """What `apply` gives of what `forward` has returned."""
        if isinstance(result, Items) and result.kind is tuple:
            return Items(tuple, [self._outputs(part) for part in result.values])
        if result is NEST or self.is_tensor(result):
            return NEST
        raise Refused(f"{text_of_value(result)} as a result of `forward`")

    # The context ----------------------------------------------------------------------------------

    def attribute_of_context(self, context, name):
        """What an attribute of the context gives."""
        if name in _SAVING:
            return Bound(context, name)
        if name == "saved_tensors":
            return context.saved
        if name == "needs_input_grad":
            return context.needs
        if name not in context.values:
            raise Refused(f"{name} of a context")
        return context.values[name]

    def set_attribute_of_context(self, context, name, value) -> None:
        """`context.name = value`."""
        if self.prover.open or hasattr(Function, name) or name[:1] == "_" or name in _TAKEN:
            raise Refused(f"an assignment to {name} of a context")
        context.values[name] = value

    def call_context(self, context, name, arguments):
        """A call of one of its methods."""
        if self.prover.open:
            raise Refused(f"{name} of a context on one way only")
        if name == "save_for_backward":
            context.saved = Items(tuple, list(map(self._saved, arguments)))
        elif name == "mark_non_differentiable":
            for each in arguments:
                self.argument(each)
        elif len(arguments) != 1 or type(self.plain(arguments[0])) is not bool:
            raise Refused(f"{name} of a context")
        return Known(None)

    def _saved(self, value):
        if isinstance(value, Known) and value.value is None:
            return value
        if value is NEST:
            return NEST
        if self.is_tensor(value):
            return TENSOR
        raise Refused(f"{text_of_value(value)}, which is saved for the backward pass")


_TAKEN = frozenset(
    "needs_input_grad saved_tensors saved_variables save_for_forward mark_dirty name".split()
) | {*_SAVING}

_ONCE = getattr(once_differentiable(len), "__code__")  # noqa: B009

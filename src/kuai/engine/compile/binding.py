"""Running one equation of a trace again."""

import contextlib

import jax

__all__ = ["bind", "bound", "named", "scope_of"]


def bind(equation, arguments, **changed):
    """The result for other arguments, and perhaps other parameters."""
    parameters = equation.primitive.get_bind_params({**equation.params, **changed})
    if isinstance(parameters, tuple):  # before jax 0.10: functions apart from parameters
        functions, parameters = parameters
        return equation.primitive.bind(*functions, *arguments, **parameters)
    return equation.primitive.bind(*arguments, **parameters)


def bound(equation, arguments) -> list:
    """All results for other arguments."""
    made = bind(equation, arguments)
    return made if equation.primitive.multiple_results else [made]


@contextlib.contextmanager
def scope_of(equation):
    """The context in which it was traced."""
    with equation.ctx.manager, named(str(equation.source_info.name_stack)):
        yield


def named(scope):
    """A place in profiles; no name is none."""
    return jax.named_scope(scope) if scope else contextlib.nullcontext()

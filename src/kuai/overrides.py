"""`kuai.overrides`: types and modes that say what operations on them are.

A class with a `__torch_function__` is asked by every operation that gets an object of it, whether
it is a subclass of Tensor or not; a `TorchFunctionMode` is asked by all operations while it is on.
"""

import functools

import kuai
from kuai.engine.op import REGISTRY
from kuai.engine.op.subclasses import DisableTorchFunctionSubclass
from kuai.engine.tensor import Tensor, modes, overriding
from kuai.engine.tensor.overriding import relevant

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "enable_reentrant_dispatch",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "redispatch_function",
    "resolve_name",
    "wrap_torch_function",
]


def has_torch_function(relevant_args) -> bool:
    """Whether a mode is on, or one of the arguments overrides operations.

    Example:
        >>> kuai.overrides.has_torch_function((kuai.ones(1), 2))
        False
    """
    state = modes.state
    if state.overriding_off == overriding.EVERYTHING or overriding.passes_over():
        return False
    return bool(state.function_modes) or (
        not state.overriding_off and bool(relevant(relevant_args))
    )


def has_torch_function_unary(argument) -> bool:
    """As `has_torch_function((argument,))`."""
    return has_torch_function((argument,))


def has_torch_function_variadic(*arguments) -> bool:
    """As `has_torch_function(arguments)`."""
    return has_torch_function(arguments)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Ask the arguments that override for the result of `public_api(*args, **kwargs)`.

    Raises:
        TypeError: none of them has an answer.
    """
    answer = overriding.ask(public_api, args, kwargs)
    if answer is not overriding.NOBODY:
        return answer
    return overriding.dispatch(public_api, relevant(relevant_args), args, kwargs)


def redispatch_function(func, types, args, kwargs):
    """Call a function from the `__torch_function__` that was asked about it, without asking again.

    An operation runs as usual. A function of one's own that asks (`has_torch_function`) is told no
    once; what it calls asks as ever.

    Example:
        >>> class Printing(kuai.Tensor):
        ...     @classmethod
        ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
        ...         print(func.__name__)
        ...         return kuai.overrides.redispatch_function(func, types, args, kwargs)
        >>> kuai.ones(1).as_subclass(Printing) + 1
        add
        tensor([2.])
    """
    kwargs, state = kwargs or {}, modes.state
    own = resolve_name(func) is not None
    before = state.overriding_off, state.passed_over
    if own:
        state.overriding_off = overriding.EVERYTHING
    else:
        state.passed_over = True
    try:
        return func(*args, **kwargs)
    finally:
        state.overriding_off, state.passed_over = before


def wrap_torch_function(dispatcher):
    """Make a function overridable: `dispatcher` gives, of its arguments, those that are asked.

    Example:
        >>> @kuai.overrides.wrap_torch_function(lambda x: (x,))
        ... def double(x):
        ...     return x * 2
        >>> double(kuai.ones(1))
        tensor([2.])
    """

    def decorate(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            asked = dispatcher(*args, **kwargs)
            if has_torch_function(asked):
                return handle_torch_function(wrapped, asked, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp) -> bool:
    """Whether it is a Tensor, or of a type that overrides operations.

    Example:
        >>> kuai.overrides.is_tensor_like(kuai.ones(1)), kuai.overrides.is_tensor_like([1])
        (True, False)
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


class TorchFunctionMode:
    """A context that is asked by every operation inside; a subclass has `__torch_function__`.

    Inside of its own `__torch_function__` it is off, so that it can call the operation.

    Example:
        >>> class Printing(kuai.overrides.TorchFunctionMode):
        ...     def __torch_function__(self, func, types, args=(), kwargs=None):
        ...         print(func.__name__)
        ...         return func(*args, **(kwargs or {}))
        >>> with Printing():
        ...     y = kuai.ones(2) + 1
        ones
        add
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        modes.state.function_modes = (*modes.state.function_modes, self)
        overriding.ACTIVE.append(type(self).__qualname__)
        return self

    def __exit__(self, *_):
        modes.state.function_modes = modes.state.function_modes[:-1]
        overriding.ACTIVE.remove(type(self).__qualname__)

    @classmethod
    def push(cls, *args, **kwargs):
        """An object of the class; for old code."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def get_overridable_functions() -> dict:
    """Every operation that asks, by the module or class it belongs to.

    Example:
        >>> kuai.sum in kuai.overrides.get_overridable_functions()[kuai]
        True
    """
    from_places = {"torch": REGISTRY.functions, "nn.functional": REGISTRY.functional}
    from_places |= REGISTRY.modules
    found = {_owner(place): list(names.values()) for place, names in from_places.items()}
    return {**found, Tensor: list(REGISTRY.methods.values())}


def _owner(place):
    owner = kuai
    for part in place.split(".") if place != "torch" else ():
        owner = getattr(owner, part)
    return owner


def get_testing_overrides() -> dict:
    """For every operation a function that can be called like it, and gives -1."""
    functions = [f for found in get_overridable_functions().values() for f in found]
    return {function: lambda *args, **kwargs: -1 for function in functions}


def get_ignored_functions() -> set:
    """Functions that never ask; here none that is an operation."""
    return set()


def get_default_nowrap_functions() -> set:
    """Functions whose results `Tensor.__torch_function__` leaves as they are."""
    return set()


def is_tensor_method_or_property(func) -> bool:
    """Whether it is a method of Tensor."""
    return any(func is method for method in REGISTRY.methods.values())


@functools.lru_cache(maxsize=1024)
def resolve_name(f) -> str | None:
    """What an operation is called.

    Example:
        >>> kuai.overrides.resolve_name(kuai.linalg.inv)
        'torch.linalg.inv'
    """
    for place, names in _scopes().items():
        for name, public in names.items():
            if public is f:
                return f"{place}.{name}"
    return None


def _scopes() -> dict:
    """Where operations are found: what the module `kuai` does not show is a method."""
    shown = {name: f for name, f in REGISTRY.functions.items() if hasattr(kuai, name)}
    scopes = {"torch": shown, "torch.nn.functional": REGISTRY.functional}
    scopes |= {f"torch.{name}": names for name, names in REGISTRY.modules.items()}
    return {**scopes, "torch.Tensor": {**REGISTRY.methods, **vars(Tensor)}}


class enable_reentrant_dispatch(DisableTorchFunctionSubclass):
    """Accepted for PyTorch's sake: an operation asks the same inside another one."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

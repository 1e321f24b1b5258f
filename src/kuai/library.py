"""`kuai.library`: operations of a user's own, and `kuai.ops` where they are found.

An operation here is a Python function on tensors. One made by `custom_op` has the gradient that
`register_autograd` says, one of a `Library` that of what it calls. There is no dispatcher: the
function for the device of the tensors is chosen, and the one for abstract tensors is not needed.
"""

import contextlib
import enum
import functools
import inspect
from collections.abc import Callable
from typing import Any

from kuai._ops import defined, packet_of as _packet
from kuai.engine.autograd.function import Function
from kuai.engine.autograd.function_batching import applies, by_rule
from kuai.engine.op.autocast import cast_floating
from kuai.engine.tensor import Tensor, modes, overriding
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.overriding import ACTIVE, NOBODY
from kuai.standin.arguments import check_arguments
from kuai.standin.compiled_operations import OPERATIONS
from kuai.standin.refusing import refused
from kuai.standin.schemas import infer_schema
from kuai.utils import _pytree as pytree

__all__ = [
    "CustomOpDef",
    "Library",
    "Tag",
    "custom_op",
    "define",
    "fallthrough_kernel",
    "get_ctx",
    "impl",
    "impl_abstract",
    "infer_schema",
    "opcheck",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_torch_dispatch",
    "register_vmap",
    "triton_op",
    "wrap_triton",
]

Tag = enum.Enum(
    "Tag",
    "core cudagraph_unsafe data_dependent_output dynamic_output_shape flexible_layout generated "
    "inplace inplace_view maybe_aliasing_or_mutating needs_contiguous_strides needs_exact_strides "
    "needs_fixed_stride_order nondeterministic_bitwise nondeterministic_seeded out out_variant "
    "pointwise pt2_compliant_tag reduction view_copy",
    module=__name__,
)
Tag.__doc__ = "What may be said about an operation; nothing here asks for it."

#: Dispatch keys and kinds of devices that a function may be registered for.
_KEYS = {
    "CPU": "cpu", "CUDA": "cuda", "cpu": "cpu", "cuda": "cuda", "tpu": "tpu",
    "CompositeImplicitAutograd": None, "CompositeExplicitAutograd": None, "default": None,
}  # fmt: skip
_IGNORED = ("Meta", "Autograd", "AutogradCPU", "AutogradCUDA", "Autocast", "AutocastCUDA", "Python")


class CustomOpDef:
    """An operation of a user's own.

    Made by `custom_op` or `Library`; called like the function.
    """

    def __init__(
        self, name: str, function: Callable | None = None, kinds: Any = None, schema: Any = None
    ):
        if "::" not in name:
            raise ValueError(f"the name of an operation is 'namespace::name', not {name!r}")
        self._qualname = name
        self.__name__ = name.rpartition("::")[2]
        self._functions: dict[str | None, Callable] = {}
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self._batched: Callable | None = None
        self._casts: dict[str, Any] = {}  # the dtypes under autocast, by kinds of devices
        #: Of an operation that is one to the tape, whatever it calls.
        self._schema: str | None = schema
        #: What it takes, as a schema, for those who ask; nothing is compared with it.
        self._declared: str | None = schema
        self._init_fn = function
        if function is not None:
            functools.update_wrapper(self, function, updated=())
            self._add(function, kinds)
        defined[name] = self

    @property
    def _opoverload(self) -> Any:
        """The operation as it is found in `kuai.ops`."""
        packet: Any = _packet(self._qualname)
        return packet.default

    def _add(self, function, kinds):
        for kind in [kinds] if kinds is None or isinstance(kinds, str) else kinds:
            if kind not in _IGNORED:
                self._functions[_KEYS.get(kind, kind) if kind else None] = function

    def __call__(self, *args, **kwargs):
        if ACTIVE and (answer := overriding.ask(self, args, kwargs)) is not NOBODY:
            return answer
        if self._casts and modes.state.autocast:
            return self._in_lower_precision(args, kwargs)
        return self._call(*args, **kwargs)

    def _in_lower_precision(self, args, kwargs):
        """The call with floating point arguments cast, and autocast off inside."""
        for kind, _ in modes.state.autocast:
            if kind in self._casts:
                args, kwargs = cast_floating((args, kwargs), self._casts[kind], kind)
        before, modes.state.autocast = modes.state.autocast, None
        try:
            return self(*args, **kwargs)
        finally:
            modes.state.autocast = before

    def _run(self, *args, **kwargs):
        if self._batched is not None and applies(pytree.tree_leaves((args, kwargs))):
            return self._on_slices(args, kwargs)
        return self._run_plainly(*args, **kwargs)

    def _on_slices(self, args, kwargs):
        """The call inside `vmap`, by the rule that was registered."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        batched: Any = self._batched

        def rule(info, in_dims, *values):
            given, named = pytree.tree_unflatten(values, spec)
            dims = pytree.tree_unflatten(in_dims, spec)[0]
            return batched(info, dims, *given, **named)

        def plain(*values):
            given, named = pytree.tree_unflatten(values, spec)
            return self._run_plainly(*given, **named)

        return by_rule(plain, rule, leaves)

    def _call(self, *args, **kwargs):
        if self._backward is None and self._schema is None:
            return self._run(*args, **kwargs)
        if self._schema is not None:
            check_arguments(self._qualname, self._schema, args, kwargs)
        if self._schema is not None and not self._schema.partition("->")[2].strip(" ()"):
            with no_grad():
                return self._run(*args, **kwargs)
        inputs, by_name = self._bound(args, kwargs)
        leaves, spec = pytree.tree_flatten(inputs)
        return self._function.apply(self, spec, by_name, *leaves)

    @functools.cached_property
    def _function(self) -> Any:
        """What the tape records, under PyTorch's name."""
        own = self._qualname.replace("::", "_").replace(".", "_")
        return type(f"GeneratedBackwardFor_{own}_default", (_Recorded,), {})

    def _bound(self, args, kwargs) -> tuple[tuple, dict]:
        """All arguments, with defaults: those by place, and those by name only."""
        signature = inspect.signature(next(iter(self._functions.values())))
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            text = f"{self._qualname}() {error}. Declaration: {self._schema or signature}"
            raise RuntimeError(text) from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _run_plainly(self, *args, **kwargs):
        given = (*args, *kwargs.values())
        kind = next((a.device.type for a in given if isinstance(a, Tensor)), "cpu")
        function = self._functions.get(kind, self._functions.get(None))
        if function is None:
            raise NotImplementedError(
                f"Could not run '{self._qualname}' with arguments from the '{kind.upper()}' "
                "backend: register a function for it with register_kernel"
            )
        return function(*args, **kwargs)

    def register_kernel(self, device_types, func=None, /):
        """The function for some kinds of devices; also a decorator."""
        return _decorating(func, lambda f: self._add(f, device_types))

    def register_fake(self, fn, /):
        """The function itself: shapes are found by running the operation."""
        return fn

    def register_vmap(self, func=None):
        """How `vmap` runs it: `func(info, in_dims, *args)` gives outputs and their `out_dims`.

        Without one `kuai.vmap` looks into the operation.
        """

        def note(function):
            self._batched = function

        if func is not None:
            note(func)
            return None  # as in PyTorch, where only the decorator gives the function back
        return _decorating(func, note)

    def register_autocast(self, device_type, cast_inputs):
        """Under autocast, cast floating point arguments to a dtype, and switch it off inside."""
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"Unknown device type: {device_type}")
        self._casts[device_type] = cast_inputs

    def register_torch_dispatch(self, torch_dispatch_class, fn=None, /):
        """Accepted without effect: nothing is dispatched on classes here."""
        return _decorating(fn, lambda f: None)

    def register_autograd(self, backward, /, *, setup_context=None):
        """The operation's gradient: `backward(ctx, *gradients)`, one result for each argument."""
        if not callable(backward):
            raise TypeError(f"the backward of {self._qualname} has to be a function")
        self._backward, self._setup = backward, setup_context

    def set_kernel_enabled(self, device_type, enabled=True):
        """Accepted without effect."""

    def __repr__(self):
        return f"<CustomOpDef({self._qualname})>"


class _Recorded(Function):
    """One call of an operation: to the tape it is one, and what it calls is not looked at."""

    generate_vmap_rule = True

    @staticmethod
    def forward(operation, spec, by_name, *leaves):
        plain = [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        output = operation._run(*pytree.tree_unflatten(plain, spec), **by_name)
        _refuse_aliases(operation, plain, output)
        return output

    @staticmethod
    def setup_context(ctx, inputs, output):
        operation, spec, by_name, *leaves = inputs
        ctx.operation, ctx.spec = operation, spec
        if operation._setup is not None:
            inputs = pytree.tree_unflatten(list(leaves), spec)
            rest = (by_name, output) if by_name else (output,)
            operation._setup(ctx, inputs, *rest)

    @staticmethod
    def backward(ctx, *gradients):
        operation = ctx.operation
        if operation._backward is None:
            name = operation._qualname.replace("::", ".")
            raise RuntimeError(
                f"Trying to backward through {name}.default but no autograd formula was "
                "registered. Please use register_autograd to add one."
            )
        given = operation._backward(ctx, *gradients)
        given = given if isinstance(given, tuple) else (given,)
        wanted = ctx.spec.children()
        if len(given) != len(wanted):
            raise RuntimeError(
                f"The backward of {operation._qualname} gave {len(given)} gradients for "
                f"{len(wanted)} inputs"
            )
        leaves = [_leaves(g, s) for g, s in zip(given, wanted, strict=True)]
        return None, None, None, *(leaf for part in leaves for leaf in part)


def _leaves(gradient, spec) -> list:
    """The gradients of the leaves of an argument."""
    if spec.is_leaf():
        return [gradient]
    return [None] * spec.num_leaves if gradient is None else spec.flatten_up_to(gradient)


def _refuse_aliases(operation, inputs, output) -> None:
    tensors = [each for each in pytree.tree_leaves(output) if isinstance(each, Tensor)]
    held = [each._storage for each in inputs if isinstance(each, Tensor)]
    for each in tensors:
        before, held = held, [*held, each._storage]
        if any(each._storage is other for other in before):
            raise RuntimeError(
                f"{operation.__name__}: The output of this custom operator (1) must not also be an "
                "input to this custom operator and (2) may not alias any inputs to this custom "
                "operator or other returns. The most common way to trigger this error is if we "
                "have y = custom_op(x) and y and x are the same Tensor. Please instead return a "
                "clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the "
                "custom operator to not return y."
            )


class _Own(CustomOpDef):
    """What packages have compiled, in JAX: nothing that they register for theirs replaces it."""

    def _add(self, function, kinds):
        self._functions.setdefault(None, function)

    def register_autograd(self, backward, /, *, setup_context=None):
        """Not needed: it has a gradient."""


def _decorating(function, note):
    def decorate(function):
        note(function)
        return function

    return decorate if function is None else decorate(function)


def custom_op(name, fn=None, /, *, mutates_args=(), device_types=None, schema=None, tags=None):
    """Make an operation of a function.

    Example:
        >>> @kuai.library.custom_op("mine::double", mutates_args=())
        ... def double(x: kuai.Tensor) -> kuai.Tensor:
        ...     return x * 2
        >>> double(kuai.ones(1)), kuai.ops.mine.double(kuai.ones(1))
        (tensor([2.]), tensor([2.]))

    Raises:
        ValueError: an annotation is missing that the schema needs.
    """

    def make(function):
        short = name.rpartition("::")[2]
        given = schema and f"{short}{schema}"
        found = given or infer_schema(function, mutates_args=mutates_args, op_name=short)
        return CustomOpDef(name, function, device_types, found)

    return make if fn is None else make(fn)


def triton_op(name, fn=None, /, *, mutates_args=(), schema=None):
    """As `custom_op`; a kernel in Triton has to be called through JAX."""
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


def _checked(name: str, op: Any) -> CustomOpDef:
    """The operation that somebody registers something for."""
    if not (isinstance(op, (str, CustomOpDef)) or hasattr(op, "_function")):
        raise ValueError(f"{name}({op}): got unexpected type for op: {type(op)}")
    if isinstance(op, str) and op not in defined:
        library, _, short = op.rpartition("::")
        raise AttributeError(f"'_OpNamespace' '{library}' object has no attribute '{short}'")
    return _operation(op)


def _operation(op) -> CustomOpDef:
    if not isinstance(op, CustomOpDef):
        op = getattr(op, "_function", op)  # of what `kuai.ops` shows
    if isinstance(op, CustomOpDef):
        return op
    if op not in defined:
        raise RuntimeError(f"operator {op} does not exist")
    return defined[op]


def register_fake(op, func=None, /, *, lib=None, _stacklevel=1, allow_override=False):
    """The function itself, also as a decorator: shapes are found by running the operation."""
    return _decorating(func, lambda f: None)


impl_abstract = register_fake


def register_kernel(op, device_types, func=None, /, *, lib=None):
    """The function of an operation for some kinds of devices; also a decorator."""
    return _operation(op).register_kernel(device_types, func)


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    """The gradient of an operation, see `CustomOpDef.register_autograd`."""
    _operation(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op, func=None, /, *, lib=None):
    """How `vmap` runs an operation, see `CustomOpDef.register_vmap`; also a decorator.

    Example:
        >>> @kuai.library.custom_op("mine::twice", mutates_args=())
        ... def twice(x: kuai.Tensor) -> kuai.Tensor:
        ...     return x * 2
        >>> @kuai.library.register_vmap("mine::twice")
        ... def rule(info, in_dims, x):
        ...     return twice(x), in_dims[0]
        >>> kuai.vmap(twice)(kuai.ones(2))
        tensor([2., 2.])
    """
    return _checked("register_vmap", op).register_vmap(func)


def register_autocast(op, device_type, cast_inputs, /, *, lib=None):
    """What arguments are cast to under autocast, see `CustomOpDef.register_autocast`."""
    _checked("register_autocast", op).register_autocast(device_type, cast_inputs)


def register_torch_dispatch(op, torch_dispatch_class, func=None, /, *, lib=None):
    """Accepted without effect: nothing is dispatched on classes here."""
    return _decorating(func, lambda f: None)


def define(qualname, schema, *, lib=None, tags=()):
    """Make an operation whose functions come later, through `impl`."""
    CustomOpDef(qualname)._declared = schema


def impl(qualname, types, func=None, *, lib=None):
    """The function of an operation for dispatch keys or kinds of devices; also a decorator.

    In the older form the arguments are a library, a name and a dispatch key.
    """
    if isinstance(qualname, Library):
        library, key = qualname, func or ""
        return _decorating(None, lambda f: library.impl(types, f, key))
    return _decorating(func, lambda f: _operation(qualname)._add(f, types))


class Library:
    """Operations of one namespace.

    Example:
        >>> mine = kuai.library.Library("tripling", "DEF")
        >>> mine.define("triple(Tensor x) -> Tensor")
        'triple'
        >>> mine.impl("triple", lambda x: x * 3, "CompositeImplicitAutograd")
        >>> kuai.ops.tripling.triple(kuai.ones(1))
        tensor([3.])
    """

    def __init__(self, ns, kind, dispatch_key=""):
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema, alias_analysis="", *, tags=()) -> str:
        """Make an operation from a schema such as `f(Tensor x, int n=1) -> Tensor`."""
        name = schema.partition("(")[0].strip()
        if f"{self.ns}::{name}" in defined:
            raise RuntimeError(
                f"Tried to register an operator ({self.ns}::{schema}) with the same name and "
                "overload name multiple times. Each overload's schema should only be registered "
                "with a single call to def()."
            )
        CustomOpDef(f"{self.ns}::{name}")._declared = schema
        return name

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False, allow_override=False):
        """The function of an operation for a dispatch key."""
        name = op_name if isinstance(op_name, str) else _operation(op_name)._qualname
        full = name if "::" in name else f"{self.ns}::{name}"
        operation = defined.get(full) or CustomOpDef(full)
        operation._add(fn, dispatch_key or self.dispatch_key or None)

    def _register_fake(self, op_name, fn, _stacklevel=1, *, allow_override=False):
        """Accepted: shapes are found by running the operation."""

    def _destroy(self):
        for name in [name for name in defined if name.startswith(f"{self.ns}::")]:
            del defined[name]


@contextlib.contextmanager
def _scoped_library(*args, **kwargs):
    """A library whose operations are gone after the context."""
    library = Library(*args, **kwargs)
    try:
        yield library
    finally:
        library._destroy()


def fallthrough_kernel(*args, **kwargs):
    """Nothing to fall through to: it cannot be called."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def opcheck(op, args, kwargs=None, **options) -> dict:
    """Run an operation; an error of its own comes out."""
    op(*args, **(kwargs or {}))
    return {"test_schema": "SUCCESS"}


def wrap_triton(triton_kernel, /):
    """The kernel itself."""
    return triton_kernel


_WHY = "no function is run on tensors without values", "Leave it out"
get_ctx = refused("torch.library.get_ctx", *_WHY)


for _library, _operations in OPERATIONS.items():
    for _name, _function in _operations.items():
        _Own(f"{_library}::{_name}", _function)

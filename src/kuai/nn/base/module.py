"""Module: the block everything in a network is made of.

What a module is
* Parameters, buffers and children stand in ordered dictionaries (`_parameters`, `_buffers`,
  `_modules`), filled by plain assignment (`self.weight = Parameter(...)`) and found again by
  `__getattr__`. Any other attribute is an ordinary Python attribute.
* A call runs `forward`, surrounded by hooks if there are any; without hooks a call costs one check.
* Everything a compiled program may have depended on reports its changes: assignment here, the
  dictionaries by themselves (`watched`).

This file holds what needs to know the class: attributes, registration, the call and the printed
text. The other methods are functions of one subject each, bound here by name: `registration`,
`traversal`, `conversion`, `state_dict`, `state_loading`, `hooks`. Why not one file, or base
classes: each subject can be read alone, and there is still one class with one list of its methods.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, get_type_hints

from kuai.engine.compile import compiler
from kuai.engine.tensor import Tensor, changes, modes
from kuai.engine.tensor.frames import fold
from kuai.nn.base import (
    conversion,
    hooks,
    pytrees,
    registration,
    state_dict,
    state_loading,
    traversal,
)
from kuai.nn.base.blame import name_block
from kuai.nn.base.hooked_call import HookedCall
from kuai.nn.base.hooks import global_hooks, run_registration_hooks
from kuai.nn.base.registration import wrong_type
from kuai.nn.base.typename import typename
from kuai.nn.base.watched import SlotDict, WatchedDict
from kuai.nn.parameter import Buffer, Parameter

__all__ = ["Module"]

_P = ParamSpec("_P")
_Result = TypeVar("_Result", covariant=True)
_MISSING = object()
_SLOTS = ("_parameters", "_buffers", "_modules")


#: For each compiled module what its `_orig_mod` is.
_ORIGINALS: weakref.WeakKeyDictionary[Module, Module] = weakref.WeakKeyDictionary()


def _original(module: Module, text: str) -> Any:
    """What PyTorch's compiled module wraps: another face of the same module, which has no such
    attribute itself, as programs unwrap until there is none."""
    if module._compiled_call_impl is None or any(module is each for each in _ORIGINALS.values()):
        raise AttributeError(text)
    found = _ORIGINALS.get(module)
    if found is None:
        found = _ORIGINALS[module] = object.__new__(type(module))
        found.__dict__ = module.__dict__
    return found


#: What a name stands for where a module has no such attribute. It is given the module and the text
#: of the AttributeError that it raises for other modules: `kuai.jit` gives traced ones a `save`.
LATE: dict[str, Callable[[Module, str], Any]] = {"_orig_mod": _original}
_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _HasForward(Protocol[_P, _Result]):
    """A block whose `forward` takes and gives this; to a type checker its call does the same."""

    @property
    def forward(self) -> Callable[_P, _Result]: ...


class Module:
    """Base class of all blocks: layers, losses and whole networks.

    A subclass makes its children and parameters in `__init__`, after `super().__init__()`, and
    says in `forward` what it computes. It is called like a function.

    Example:
        >>> class Net(kuai.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = kuai.nn.Parameter(kuai.ones(1))
        ...     def forward(self, x):
        ...         return x * self.scale
        >>> net = Net()
        >>> [name for name, _ in net.named_parameters()]
        ['scale']
        >>> net(kuai.ones(2)).tolist()
        [1.0, 1.0]
    """

    _shown: str = ""  # what `extra_repr` writes, with the layer as `self`
    dump_patches: bool = False
    call_super_init: bool = False
    training: bool
    _version: int = 1
    _compiled_call_impl: Callable | None = None
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _is_full_backward_hook: bool | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            _refuse_arguments(self, args, kwargs)
        state = self.__dict__
        state["training"] = True
        state.update((name, SlotDict()) for name in _SLOTS)
        state["_non_persistent_buffers_set"] = set()
        state["_is_full_backward_hook"] = None
        state.update((name, WatchedDict()) for name in _HOOKS)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        pytrees.register_module(cls)

    # The call -------------------------------------------------------------------------------------

    def forward(self, *input: Any, **kwargs: Any) -> Any:
        """What the block computes; to be overridden. Call the block itself, so that hooks run."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    if TYPE_CHECKING:

        def __call__(
            self: _HasForward[_P, _Result], *args: _P.args, **kwargs: _P.kwargs
        ) -> _Result: ...

    else:

        def __call__(self, *args, **kwargs):
            try:
                recorder = modes.state.recorder
                if self._compiled_call_impl is not None:
                    return self._compiled_call_impl(self, *args, **kwargs)
                if "_call_impl" in self.__dict__ or type(self)._call_impl is not _CALL_IMPL:
                    return self._call_impl(*args, **kwargs)  # somebody's own
                if not (
                    self._backward_hooks
                    or self._backward_pre_hooks
                    or self._forward_hooks
                    or self._forward_pre_hooks
                    or global_hooks
                    or recorder is not None
                    and recorder.names_blocks
                ):
                    return self.forward(*args, **kwargs)
                return HookedCall(self, args, kwargs).run()
            except Exception as error:
                name_block(error, self, args, kwargs)
                fold(error)
                raise

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """The call as it is without `compile()`: hooks and `forward`."""
        return HookedCall(self, args, kwargs).run()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Have calls of this block run as one compiled program; see `kuai.compile`.

        Example:
            >>> net = kuai.nn.Linear(2, 1)
            >>> net.compile()
            >>> net(kuai.ones(3, 2)).shape
            torch.Size([3, 1])
        """

        # not a bound method, which would keep the module alive in a circle
        def call(module, *args, **kwargs):
            return module._call_impl(*args, **kwargs)

        call.__qualname__ = type(self).__name__
        self.__dict__["_compiled_call_impl"] = compiler.compile(call, *args, **kwargs)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Gluon's name for `compile`; `active=False` goes back to running step by step."""
        if active:
            self.compile(**kwargs)
        else:
            self.__dict__.pop("_compiled_call_impl", None)

    # Attributes -----------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        for slots in _SLOTS:
            try:
                return self.__dict__[slots][name]
            except KeyError:
                continue
        text = f"'{type(self).__name__}' object has no attribute '{name}'"
        if name in LATE:
            return LATE[name](self, text)
        raise AttributeError(text)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            self._clear_for(name, "parameters", "_parameters")
            self.register_parameter(name, value)
        elif name in state.get("_parameters", ()):
            if value is not None:
                raise TypeError(wrong_type(value, "as parameter", name, "torch.nn.Parameter"))
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._clear_for(name, "module", "_modules")
            self._modules[name] = run_registration_hooks("module", self, name, value)
        elif name in state.get("_modules", ()):
            if value is not None:
                raise TypeError(wrong_type(value, "as child module", name, "torch.nn.Module"))
            self._modules[name] = run_registration_hooks("module", self, name, value)
        elif isinstance(value, Buffer) or name in state.get("_buffers", ()):
            self._set_buffer(name, value)
        else:
            changed = state.get(name, _MISSING) is not value
            object.__setattr__(self, name, _watched(name, value))
            if changed:
                changes.touch()

    def _clear_for(self, name: str, kind: str, slots: str) -> None:
        """Make room for `name` in the dictionary `slots` by forgetting it everywhere else."""
        if slots not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        self.__dict__.pop(name, None)
        for other in _SLOTS:
            if other != slots:
                self.__dict__[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(wrong_type(value, "as buffer", name, "torch.nn.Buffer, torch.Tensor"))
        if isinstance(value, Buffer):
            persistent = value.persistent
        else:
            persistent = name not in self._non_persistent_buffers_set
        own = type(self).register_buffer is not Module.register_buffer
        if not own or "persistent" in inspect.signature(self.register_buffer).parameters:
            self.register_buffer(name, value, persistent)
        elif persistent:
            self.register_buffer(name, value)
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements "
                "register_buffer() without the persistent argument is not allowed."
            )

    def __delattr__(self, name: str) -> None:
        for slots in _SLOTS:
            if name in self.__dict__[slots]:
                del self.__dict__[slots][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)
        changes.touch()

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__]
        for slots in _SLOTS:
            names += self.__dict__[slots]
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update((name, _watched(name, value)) for name, value in state.items())
        missing: dict[str, Any] = {name: WatchedDict() for name in _HOOKS}
        missing |= {"_non_persistent_buffers_set": set(), "_is_full_backward_hook": None}
        for name, value in missing.items():
            self.__dict__.setdefault(name, value)

    # Registration ---------------------------------------------------------------------------------

    register_parameter = registration.register_parameter
    register_buffer = registration.register_buffer

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under `name`.

        Example:
            >>> block = kuai.nn.Module()
            >>> block.add_module("act", kuai.nn.ReLU())
            >>> block
            Module(
              (act): ReLU()
            )
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {typename(name)}")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        self._modules[name] = run_registration_hooks("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name for `add_module`."""
        self.add_module(name, module)

    # By dotted name -------------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module with the dotted name `target`; '' is this module itself.

        Example:
            >>> net = kuai.nn.Sequential(kuai.nn.Sequential(kuai.nn.ReLU()))
            >>> net.get_submodule("0.0")
            ReLU()
        """
        module = self
        for name in target.split(".") if target else ():
            module = _member(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` in the place with the dotted name `target`.

        Args:
            strict: raise unless there is a module in that place already.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or hasattr(parent, name):
            if not isinstance(_member(parent, name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name `target`."""
        path, _, name = target.rpartition(".")
        parameter = _member(self.get_submodule(path), name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the dotted name `target`."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        buffer = _member(module, name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # Mode and text --------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]):
        """Call `fn` with every module, children first, then this one; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True):
        """Set training mode here and below; dropout and batch norm look at it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        if self.__dict__.get("training") is not mode:
            self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode here and below: `train(False)`."""
        return self.train(False)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the brackets when the block is printed; to be overridden."""
        return self._shown.format(self=self)

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {indented(repr(m))}" for name, m in self._modules.items()]
        if not lines:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"

    # One subject a file ---------------------------------------------------------------------------

    children = traversal.children
    named_children = traversal.named_children
    modules = traversal.modules
    named_modules = traversal.named_modules
    parameters = traversal.parameters
    named_parameters = traversal.named_parameters
    buffers = traversal.buffers
    named_buffers = traversal.named_buffers
    _named_members = traversal._named_members

    get_extra_state = state_dict.get_extra_state
    set_extra_state = state_dict.set_extra_state
    load_state_dict = state_loading.load_state_dict
    register_state_dict_pre_hook = state_dict.register_state_dict_pre_hook
    register_state_dict_post_hook = state_dict.register_state_dict_post_hook
    register_load_state_dict_pre_hook = state_dict.register_load_state_dict_pre_hook
    register_load_state_dict_post_hook = state_dict.register_load_state_dict_post_hook
    _register_state_dict_hook = state_dict._register_state_dict_hook
    _register_load_state_dict_pre_hook = state_dict._register_load_state_dict_pre_hook
    _save_to_state_dict = state_dict._save_to_state_dict
    _load_from_state_dict = state_loading._load_from_state_dict
    state_dict = state_dict.state_dict

    register_forward_pre_hook = hooks.register_forward_pre_hook
    register_forward_hook = hooks.register_forward_hook
    register_full_backward_pre_hook = hooks.register_full_backward_pre_hook
    register_full_backward_hook = hooks.register_full_backward_hook
    register_backward_hook = hooks.register_backward_hook

    to = conversion.to
    to_empty = conversion.to_empty
    cuda = conversion.cuda
    cpu = conversion.cpu
    double = conversion.double
    half = conversion.half
    bfloat16 = conversion.bfloat16
    share_memory = conversion.share_memory
    requires_grad_ = conversion.requires_grad_
    zero_grad = conversion.zero_grad
    _apply = conversion._apply
    type = conversion.to_type
    float = conversion.to_float


pytrees.register_module(Module)
# Packages evaluate a layer's annotations among their own names, so these are not texts.
Module.__annotations__ = get_type_hints(Module, localns={"Parameter": Tensor})


def indented(text: str, spaces: int = 2) -> str:
    """`text` with every line but the first moved right; blank lines stay empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if line.strip() else "" for line in rest)])


def _refuse_arguments(module: Module, args: tuple, kwargs: dict) -> None:
    start = f"{module._get_name()}.__init__()"
    if kwargs:
        raise TypeError(f"{start} got an unexpected keyword argument '{next(iter(kwargs))}'")
    if args:
        raise TypeError(f"{start} takes 1 positional argument but {len(args) + 1} were given")


def _member(module: Module, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)


def _watched(name: str, value: Any) -> Any:
    """A plain dictionary assigned in place of one of a module's own, made to report changes."""
    if name in _SLOTS and not isinstance(value, WatchedDict):
        return SlotDict(value)
    if name in _HOOKS and not isinstance(value, WatchedDict):
        return WatchedDict(value)
    return value


_CALL_IMPL = Module._call_impl

"""Parametrizations: a module's tensor computed from others each time it is read.

The module gets a class of its own with a property in the place of the tensor; what it is computed
from, and the modules that compute it, stand in `module.parametrizations`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.nn.base.module import Module
from kuai.nn.modules.container import ModuleDict, ModuleList
from kuai.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Tensor] = {}
_cache_users: list[None] = []  # one for each `cached()` that is active


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor only once while this is active.

    Example:
        >>> net = kuai.nn.utils.parametrizations.weight_norm(kuai.nn.Linear(2, 2))
        >>> with kuai.nn.utils.parametrize.cached():
        ...     net.weight is net.weight
        True
    """
    _cache_users.append(None)
    try:
        yield
    finally:
        _cache_users.pop()
        if not _cache_users:
            _cache.clear()


def _put(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set(destination: Tensor, source: Tensor) -> None:
    """Other values in the same tensor, also of another shape."""
    destination.data = source.detach()


def _right_inverse(modules, value):
    """What the parametrizations would have made the value of, as far as they know."""
    with no_grad():
        for module in reversed(list(modules)):
            if hasattr(module, "right_inverse"):
                with contextlib.suppress(NotImplementedError):
                    value = module.right_inverse(value)
    return value


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, one after the other, and what the first is computed from.

    That is `original`, or `original0`, `original1`, … where `right_inverse` gives several tensors.

    Example:
        >>> net = kuai.nn.utils.parametrizations.weight_norm(kuai.nn.Linear(2, 2))
        >>> net.parametrizations.weight.original0.shape
        torch.Size([2, 1])
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new = _right_inverse(self, original)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            self._keep_one(original, new)
        else:
            self._keep_several(original, new)
        if not unsafe:
            _check_made(self(), shape, dtype)

    def _numbered(self) -> list[Module]:
        """The parametrizations, without those of the original, if it has some itself."""
        return [module for name, module in self._modules.items() if module and name.isdecimal()]

    def _keep_one(self, original, new):
        for what in ("dtype", "device"):
            ours, theirs = getattr(original, what), getattr(new, what)
            if ours != theirs:
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {ours}\n"
                    f"right_inverse(original).{what}: {theirs}"
                )
        _set(original, new)
        _put(self, "original", original)

    def _keep_several(self, original, new):
        for number, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {number} of the sequence with type "
                    f"{type(part).__name__}."
                )
            kept = part.detach()
            if isinstance(original, Parameter):
                kept = Parameter(kept, original.requires_grad)
            _put(self, f"original{number}", kept.requires_grad_(original.requires_grad))

    def right_inverse(self, value: Tensor) -> None:
        """Have the parametrizations give `value` from now on, if all of them can say how."""
        made: Any = value
        with no_grad():
            for module in reversed(self._numbered()):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                made = module.right_inverse(made)
        if self.is_tensor:
            self._replace_one(made)
        else:
            self._replace_several(made)

    def _replace_one(self, made):
        if not isinstance(made, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(made).__name__}")
        if made.dtype != self.original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {made.dtype} while `original` "
                f"has dtype {self.original.dtype}"
            )
        _set(self.original, made)

    def _replace_several(self, made):
        if not isinstance(made, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(made).__name__}."
            )
        if len(made) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(made)}."
            )
        for number, part in enumerate(made):
            kept = getattr(self, f"original{number}")
            if part.dtype != kept.dtype:
                raise ValueError(
                    f"Tensor {number} returned by `right_inverse` has dtype {part.dtype} while "
                    f"`original{number}` has dtype {kept.dtype}"
                )
            _set(kept, part)

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        first, *rest = self._numbered()
        if self.is_tensor:
            made = first(self.original)
        else:
            made = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            made = module(made)
        return made


_MAY_NOT = "Registering a parametrization may not change the {} of the tensor, unless "


def _check_made(made, shape, dtype):
    if not isinstance(made, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
    for what, before, now in (("dtype", dtype, made.dtype), ("shape", shape, made.shape)):
        if before != now:
            raise ValueError(
                f"{_MAY_NOT.format(what)}`unsafe` flag is enabled.\n"
                f"unparametrized {what}: {before}\n"
                f"parametrized {what}: {now}"
            )


# The module's class -------------------------------------------------------------------------------


def _copy_parametrized(self, memo):
    found = memo.get(id(self))
    if found is None:
        found = memo[id(self)] = self.__new__(type(self))
        found.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return found


def _refuse_state(self):
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _give_own_class(module: Module) -> None:
    kind = type(module)
    members: dict[str, Any] = {"__reduce_ex__": lambda self, protocol: _refuse_state(self)}
    if not hasattr(kind, "__deepcopy__"):
        members["__deepcopy__"] = _copy_parametrized
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), members)


def _give_property(module: Module, name: str) -> None:
    def read(self):
        made = self.parametrizations[name]
        if not _cache_users:
            return made()
        key = id(self), name
        if key not in _cache:
            _cache[key] = made()
        return _cache[key]

    def write(self, value):
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


# Registering --------------------------------------------------------------------------------------


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have a module's parameter or buffer computed by a module from what it was so far.

    Args:
        parametrization: its `forward` gives the tensor; its `right_inverse`, if there is one,
            what the tensor's present value is made of: a tensor, or several.
        unsafe: allow another shape or dtype; nothing is checked.

    Example:
        >>> class Symmetric(kuai.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> net = kuai.nn.Linear(3, 3)
        >>> _ = kuai.nn.utils.parametrize.register_parametrization(net, "weight", Symmetric())
        >>> bool((net.weight == net.weight.T).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_another(module, tensor_name, parametrization)
        made: Any = module.parametrizations[tensor_name]
        made.append(parametrization)
        made.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_own_class(module)
            module.parametrizations = ModuleDict()
        _give_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_another(module, name, parametrization):
    """Whether one more parametrization keeps dtype and shape, both ways."""
    before = getattr(module, name)
    now = parametrization(before)
    if not isinstance(now, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(now).__name__}.")
    for what in ("dtype", "shape"):
        ours, theirs = getattr(before, what), getattr(now, what)
        if ours != theirs:
            raise ValueError(
                f"{_MAY_NOT.format(what)}the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {ours}\n"
                f"parametrization(module.{name}).{what}: {theirs}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(now)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    for what in ("dtype", "shape"):
        ours, theirs = getattr(before, what), getattr(back, what)
        if ours != theirs:
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} "
                f"as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {ours}\n"
                f"returned {what}: {theirs}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, of one tensor if it is named.

    Example:
        >>> kuai.nn.utils.parametrize.is_parametrized(kuai.nn.Linear(2, 2))
        False
    """
    made = getattr(module, "parametrizations", None)
    if not isinstance(made, ModuleDict):
        return False
    return len(made) > 0 if tensor_name is None else tensor_name in made


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor a plain one.

    Args:
        leave_parametrized: it keeps its present value, and otherwise gets that of `original`.

    Example:
        >>> net = kuai.nn.utils.parametrizations.weight_norm(kuai.nn.Linear(2, 2))
        >>> kuai.nn.utils.parametrize.remove_parametrizations(net, "weight")
        Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    made: Any = module.parametrizations[tensor_name]
    if made.is_tensor:
        original = made.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    _put(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class, without what parametrizations have made of it.

    Example:
        >>> net = kuai.nn.utils.parametrizations.weight_norm(kuai.nn.Linear(2, 2))
        >>> kuai.nn.utils.parametrize.type_before_parametrizations(net) is kuai.nn.Linear
        True
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give another module the parametrizations of one, and what they are computed from.

    Args:
        tensor_name: only those of this tensor.
    """
    if not is_parametrized(from_module):
        return to_module
    theirs: Any = from_module.parametrizations
    for name in list(theirs) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in theirs[name]:
            register_parametrization(to_module, name, parametrization)
        ours: Any = to_module.parametrizations[name]
        for key, tensor in [*theirs[name]._parameters.items(), *theirs[name]._buffers.items()]:
            setattr(ours, key, tensor)
    return to_module

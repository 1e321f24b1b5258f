"""Optimizer: the base of all optimizers - parameter groups, state, hooks, saving.

A subclass says how one group is updated: which tensors it writes, which it reads, and a pure
function of their arrays (see `stepping`).
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.frames import fold
from kuai.engine.tensor.modes import enable_grad
from kuai.nn.base.hooks import RemovableHandle
from kuai.nn.base.typename import typename
from kuai.optim import saved_state

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]


class _Required:
    """Stands for an option that every parameter group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_hooks: dict[str, OrderedDict] = {"pre": OrderedDict(), "post": OrderedDict()}


class Optimizer:
    """Base class for all optimizers.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with `params` and the group's options.
        defaults: the options of groups that do not give their own.

    Example:
        >>> class Descent(kuai.optim.Optimizer):
        ...     @kuai.no_grad()
        ...     def step(self, closure=None):
        ...         for group in self.param_groups:
        ...             for p in group["params"]:
        ...                 p.sub_(group["lr"] * p.grad)
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = Descent([w], {"lr": 0.5})
        >>> w.sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, 0.5]
    """

    _optimizer_step_pre_hooks: OrderedDict
    _optimizer_step_post_hooks: OrderedDict
    _optimizer_state_dict_pre_hooks: OrderedDict
    _optimizer_state_dict_post_hooks: OrderedDict
    _optimizer_load_state_dict_pre_hooks: OrderedDict
    _optimizer_load_state_dict_post_hooks: OrderedDict
    _opt_called = False  # a learning rate scheduler asks whether `step` has been called
    _scheduled_step: Callable | None = None  # the optimizer's own `step` when it last was made

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = _with_hooks(vars(cls)["step"])

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hook_slots()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be "
                f"an iterable of Tensors or dicts, but got {typename(params)}"
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hook_slots(self) -> None:
        for slot in (name for name in Optimizer.__annotations__ if name.endswith("_hooks")):
            self.__dict__.setdefault(slot, OrderedDict())

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hook_slots()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            text += f"\nParameter Group {number}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"

    # What a run does ------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once; `closure` computes the loss anew and returns it."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros under `set_to_none=False`."""
        for param in self._all_params():
            grad = param.grad
            if grad is None:
                continue
            if set_to_none:
                param.grad = None
                continue
            if grad.grad_fn is None:
                grad.requires_grad_(False)
            else:
                grad.detach_()
            grad.zero_()

    def _all_params(self) -> list[Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    def _evaluate(self, closure: Callable[[], Any] | None) -> Any:
        """The loss that the closure returns."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    # Parameter groups -----------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _take_params(param_group)
        for param in param_group["params"]:
            self._check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required "
                    f"optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        self._check_against_others(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, param: Any) -> None:
        if not isinstance(param, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {typename(param)}"
            )
        differentiable = self.defaults.get("differentiable", None)
        if not differentiable and not (param.is_leaf or param._retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_against_others(self, param_group: dict[str, Any]) -> None:
        params = param_group["params"]
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=4,
            )
        named = "param_names" in param_group
        if any(named != ("param_names" in group) for group in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with names' if named else 'without names'} to the optimizer"
            )
        if not set(params).isdisjoint(self._all_params()):
            raise ValueError("some parameters appear in more than one parameter group")

    # Saving ---------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options as plain dicts, with a number for each parameter.

        Example:
            >>> optimizer = kuai.optim.SGD([kuai.nn.Parameter(kuai.ones(2))], lr=0.1)
            >>> optimizer.state_dict()["param_groups"][0]["params"]
            [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        packed = saved_state.pack(self.param_groups, self.state)
        for hook in self._optimizer_state_dict_post_hooks.values():
            packed = _or_else(hook(self, packed), packed)
        return packed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` of an optimizer of the same kind and layout returned."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = _or_else(hook(self, state_dict), state_dict)
        self.__setstate__(saved_state.unpack(self.param_groups, state_dict))
        self._opt_called = True  # by whoever saved it: a scheduler's step may come next
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # Hooks ----------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new ones."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(optimizer)` before `state_dict`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; it may return another."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(optimizer)` after `load_state_dict`."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # What copied steps call --------------------------------------------------------------------

    def _cuda_graph_capture_health_check(self) -> None:
        """Nothing can be wrong: there are no graphs by hand."""

    _accelerator_graph_capture_health_check = _cuda_graph_capture_health_check


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every optimizer's steps."""
    return _register(_global_hooks["pre"], hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every optimizer's steps."""
    return _register(_global_hooks["post"], hook)


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _or_else(value: Any, default: Any) -> Any:
    return default if value is None else value


def _with_hooks(function: Callable) -> Callable:
    """A class's `step`, with what has to happen before and after it."""

    @functools.wraps(function)
    def step(self, *args, **kwargs):
        if type(self).step is not step:
            return function(self, *args, **kwargs)  # called by a subclass's own step
        self._opt_called = True
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            return function(self, *args, **kwargs)  # of a wrapper that has made no optimizer itself
        try:
            return _between_hooks(self, function, args, kwargs)
        except Exception as error:
            fold(error)
            raise

    return step


def _between_hooks(optimizer, function, args, kwargs):
    args, kwargs = _run_pre_hooks(optimizer, args, kwargs)
    result = function(optimizer, *args, **kwargs)
    if modes.state.recorder is not None:
        modes.state.recorder.step_ended()
    own = optimizer._optimizer_step_post_hooks
    for hook in chain(own.values(), _global_hooks["post"].values()):
        hook(optimizer, (optimizer, *args), kwargs)
    return result


def _run_pre_hooks(optimizer: Optimizer, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    own = optimizer._optimizer_step_pre_hooks
    for hook in chain(_global_hooks["pre"].values(), own.values()):
        result = hook(optimizer, (optimizer, *args), kwargs)
        if result is None:
            continue
        if not (isinstance(result, tuple) and len(result) == 2):
            raise RuntimeError(
                f"{type(optimizer).step} must return None or a tuple of "
                f"(new_args, new_kwargs), but got {result}."
            )
        (_, *rest), kwargs = result
        args = tuple(rest)
    return args, kwargs


def _take_params(param_group: dict[str, Any]) -> None:
    """Make `params` of a group a list, and put names, where given, beside it."""
    params = param_group["params"]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but "
            "the ordering of tensors in sets will change between runs. "
            "Please use a list instead."
        )
    given = [params] if isinstance(params, Tensor) else list(params)
    names = [item[0] for item in given if isinstance(item, tuple)]
    param_group["params"] = [item[1] if isinstance(item, tuple) else item for item in given]
    if names and len(names) != len(given):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    if names:
        param_group["param_names"] = names


# Names that other packages' optimizers import from here.
_COPIED = """
    DeviceDict ParamsT StateDict _capturable_doc
    _default_to_fused_or_foreach _differentiable_doc _disable_dynamo_if_unsupported _foreach_doc
    _fused_doc _get_capturable_supported_devices _get_scalar_dtype _get_value
    _maximize_doc _params_doc _params_t _stack_if_compiling
    _to_scalar _use_grad_for_differentiable _view_as_real
"""
__getattr__ = elsewhere(__name__, "kuai.optim.copied_steps", _COPIED.split())

"""What can be proven of modules: which code their calls run, and what it depends on.

A layer of Kuai's depends on its attributes, parameters, buffers and children, and on there being no
hooks. A class of the user's has a `forward` of its own, whose code is gone through (see
`engine.compile.proof`); one that overrides more than that is not known.
"""

from kuai.engine.compile.abstract_values import is_plain, text_of_value
from kuai.engine.compile.knowledge import Description, Refused, describes, is_pure, pure
from kuai.engine.compile.own_code import is_own, watch_classes, watch_names, watch_own
from kuai.engine.tensor import Tensor
from kuai.nn import modules
from kuai.nn.base.hooks import global_hooks, registration_hooks
from kuai.nn.base.module import Module
from kuai.nn.base.watched import WatchedDict
from kuai.nn.modules.container import ModuleDict, ModuleList, Sequential
from kuai.nn.modules.parameter_containers import ParameterDict, ParameterList
from kuai.nn.parameter import Parameter
from kuai.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_

__all__ = ["describe_modules"]

_SLOTS = ("_parameters", "_buffers", "_modules")
_HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")
_OF_A_TREE = ("parameters", "named_parameters", "_named_members", "zero_grad", "modules")
_OF_A_TREE += ("named_modules",)
_MEMBERS = ("buffers", "named_buffers", "children", "named_children")
_ASSIGNING = ("__setattr__", "register_parameter", "register_buffer", "_clear_for", "_set_buffer")
_HARMLESS = frozenset(
    "__module__ __doc__ __init__ __qualname__ __annotations__ __parameters__ __orig_bases__ "
    "__static_attributes__ __firstlineno__ __annotations_cache__ __annotate_func__".split()
)


def describe_modules() -> None:
    """Make modules, and functions of modules' parameters, known to the prover."""
    tree = {"parameters": _watch_tree, "zero_grad": _watch_tree}
    tree |= {"train": _watch_training, "eval": _watch_evaluation}
    calls = {"_call_impl": _call_without_compiling}
    rest = (_call, calls, _slots, _members, {}, _watch_assigning, _tables)
    describes(Module, Description(tree, *rest))
    for containers, watch in (
        ((Sequential, ModuleList, ModuleDict), _watch_parts),
        ((ParameterList, ParameterDict), _watch_parameters),
    ):
        for container in containers:
            parts = {"__iter__": watch, "__getitem__": watch}
            describes(container, Description(tree | parts, *rest))
    for function in (clip_grad_norm_, clip_grad_value_):
        pure(function)


def _is_layer(kind) -> bool:
    """Whether a class is one of Kuai's own layers."""
    return getattr(modules, kind.__name__, None) is kind and kind is not Module


def _code(module):
    """The function of the user's, or Sequential's, that a call runs; None for other layers."""
    for kind in type(module).__mro__:
        forward = vars(kind).get("forward")
        if kind is Sequential and any(map(_code, module.children())):
            return forward
        if _is_layer(kind) and (forward is None or is_own(forward)):
            return None
        if forward is not None:
            return forward
    return None


def _call_without_compiling(prover, module):
    """What the call of a module is that has been compiled itself."""
    watch_own(prover, type(module), ["_call_impl"])
    if type(module)._call_impl is not Module._call_impl or "_call_impl" in vars(module):
        raise Refused(f"{text_of_value(module)}, which is called in its own way")
    prover.watch.entries(vars(module), ["_call_impl"])
    return _call(prover, module, compiled=True)


def _call(prover, module, compiled=False):
    if "parametrizations" in module._modules:
        raise Refused("a parametrized module, whose tensors are computed when they are read")
    _watch(prover, module, compiled)
    code = _code(module)
    if code is None:
        _watch_layer(prover, module)
    return code


def _slots(prover, module):
    watch_own(prover, type(module), ["__getattr__"])
    if type(module).__getattr__ is not Module.__getattr__:
        raise Refused(f"{text_of_value(module)}, which finds attributes in its own way")
    prover.watch.entries(vars(module), _SLOTS)
    return [vars(module)[name] for name in _SLOTS]


def _watch(prover, module, compiled=False) -> None:
    """What every call depends on: how it is called, hooks, parameters, children."""
    kind, state = type(module), vars(module)
    prover.watch.attribute(kind, "forward")
    watch_own(prover, kind, ["__call__", "_call_impl"])
    prover.watch.object(module)
    is_compiled = module._compiled_call_impl is not None and not compiled
    as_usual = kind.__call__ is Module.__call__ and kind._call_impl is Module._call_impl
    if not as_usual or is_compiled or "_call_impl" in state:
        raise Refused(f"{text_of_value(module)}, which is called in its own way")
    if "forward" in state:
        raise Refused(f"{text_of_value(module)} with a `forward` of its own")
    prover.watch.entries(state, ["_call_impl", "_compiled_call_impl", "forward"])
    for hooks in (global_hooks, *[state[name] for name in _HOOKS]):
        if hooks:
            raise Refused(f"hooks of {text_of_value(module)}")
        prover.watch.whole(hooks)
    for name in _HOOKS:
        prover.watch.entries(state, [name])
    parameters, buffers, children = _slots(prover, module)
    for there in (parameters, buffers, children):
        prover.watch.whole(there, ordered=True)
    kept = [tensor for name, tensor in buffers.items() if not prover.watch.is_loose(buffers, name)]
    for tensor in (*parameters.values(), *kept):
        if tensor is not None:
            prover.tensor(tensor)
    for child in children.values():
        prover.watch.object(child)


def _watch_layer(prover, module) -> None:
    """A layer of Kuai's, or a class that only builds one in its own way, with what it contains."""
    kinds = type(module).__mro__
    layer = next(number for number, kind in enumerate(kinds) if _is_layer(kind))
    if not all(vars(kind).keys() <= _HARMLESS for kind in kinds[:layer]):
        raise Refused(f"{text_of_value(module)}, which overrides more than `forward`")
    watch_classes(prover, kinds[: kinds.index(Module)])
    watch_names(prover, type(module), "forward")
    options = {n: v for n, v in vars(module).items() if not isinstance(v, WatchedDict)}
    for name in ("_non_persistent_buffers_set", "_compiled_call_impl"):  # `_watch` has seen to it
        options.pop(name, None)
    prover.watch.entries(vars(module), options)
    prover.watch.size(vars(module))  # another attribute may hide a method
    for value in options.values():
        _watch_option(prover, value)
    for child in vars(module)["_modules"].values():
        if child is not None and _call(prover, child) is not None:
            raise Refused(f"{text_of_value(child)} in a layer")


def _watch_option(prover, value) -> None:
    if type(value) is list:
        prover.watch.list(value)
        for part in value:
            _watch_option(prover, part)
    elif isinstance(value, Tensor) or not (is_plain(value) or is_pure(value)):
        raise Refused(f"a layer with {text_of_value(value)} as an option")


def _watch_parts(prover, container) -> None:
    """What is found in a container of modules."""
    kind = type(container)
    own = next(each for each in kind.__mro__ if _is_layer(each))
    names = ("__iter__", "__getitem__", "__len__")
    watch_own(prover, kind, names)
    for name in names:
        if getattr(kind, name) is not getattr(own, name):
            raise Refused(f"{name} of {text_of_value(container)}")
    prover.watch.attribute(kind, "__reversed__")
    if hasattr(kind, "__reversed__"):
        raise Refused(f"__reversed__ of {text_of_value(container)}")
    _watch(prover, container)


def _watch_parameters(prover, container) -> None:
    """What is found in a container of parameters."""
    kind, state = type(container), vars(container)
    if kind not in (ParameterList, ParameterDict):
        raise Refused(f"{text_of_value(container)}, which finds parameters in its own way")
    watch_classes(prover, [kind])
    for name in ("__iter__", "__getitem__"):
        watch_names(prover, kind, name)
    prover.watch.object(container)
    parameters, _, _ = _slots(prover, container)
    prover.watch.whole(parameters, ordered=True)
    prover.watch.entries(state, ["_size", "_keys"])
    if kind is ParameterDict:
        prover.watch.whole(state["_keys"], ordered=True)
        names = list(state["_keys"])
    else:
        names = list(map(str, range(state["_size"])))
    prover.watch.entries(state, names)
    for name in names:
        if name in state or type(parameters.get(name)) is not Parameter:
            raise Refused(f"{text_of_value(container)} of something else than parameters")


def _watch_tree(prover, module) -> None:
    """All parameters below."""
    for each in module.modules():
        _check_ordinary(prover, each, _OF_A_TREE)
        _watch(prover, each)


def _members_called(name):
    def members(prover, module):
        """What an iterator over members of a module gives."""
        _watch_tree(prover, module)
        for each in module.modules():
            _check_ordinary(prover, each, _MEMBERS)
        return list(getattr(module, name)())

    return members


_ITERATING = ("parameters", "named_parameters", "modules", "named_modules", *_MEMBERS)
_members = {name: _members_called(name) for name in _ITERATING}


def _watch_state(prover, module) -> list:
    """The keys of `state_dict()`, whose values are parameters and buffers without their history."""
    _watch_tree(prover, module)
    found = []
    for prefix, each in module.named_modules(remove_duplicate=False):
        _check_ordinary(prover, each, _OF_A_STATE)
        state = vars(each)
        prover.watch.entries(state, (*_HOOKS_OF_STATES, "_non_persistent_buffers_set"))
        for hooks in [state[name] for name in _HOOKS_OF_STATES]:
            if hooks:
                raise Refused(f"hooks of the state of {text_of_value(each)}")
            prover.watch.whole(hooks)
        prover.watch.set(state["_non_persistent_buffers_set"])
        own: dict = {}
        each._save_to_state_dict(own, f"{prefix}." if prefix else "", True)
        for tensor in own.values():
            prover.tensor(tensor)
            if not type(tensor).__module__.startswith("kuai."):
                raise Refused(f"a state with {text_of_value(tensor)}")
        found += own
    return found


_OF_A_STATE = ("state_dict", "_save_to_state_dict", "get_extra_state")
_HOOKS_OF_STATES = ("_state_dict_hooks", "_state_dict_pre_hooks")
_tables = {"state_dict": _watch_state}


def _check_ordinary(prover, module, names) -> None:
    """That a module does not override some methods."""
    prover.watch.entries(vars(module), names)
    watch_own(prover, type(module), names)
    for name in names:
        if getattr(type(module), name) is not getattr(Module, name) or name in vars(module):
            raise Refused(f"{name} of {text_of_value(module)}")


def _watch_assigning(prover, module) -> None:
    """That an attribute is set as it is in every module, with no hooks."""
    kind = type(module)
    watch_own(prover, kind, _ASSIGNING)
    if any(getattr(kind, name) is not getattr(Module, name) for name in _ASSIGNING):
        raise Refused(f"{text_of_value(module)}, which sets attributes in its own way")
    prover.watch.entries(vars(module), _ASSIGNING)
    for hooks in registration_hooks.values():
        if hooks:
            raise Refused("hooks of what is registered")
        prover.watch.whole(hooks)


def _watch_training(prover, module) -> None:
    _watch_mode(prover, module, True)


def _watch_evaluation(prover, module) -> None:
    _watch_mode(prover, module, False)


def _watch_mode(prover, module, mode) -> None:
    """That the mode is the one that is set: setting it changes nothing."""
    _watch_tree(prover, module)
    for each in module.modules():
        _check_ordinary(prover, each, ("train", "eval", "children"))
        if each.training is not mode:
            raise Refused(f"a change of the mode of {text_of_value(module)}")
        prover.watch.entries(vars(each), ["training"])

"""One optimizer of PyTorch's table (`optim_db`) through both, step by step.

The same parameters get the same gradients, and after every step the parameters are compared, at the
end the state and the printed text. A check is a name such as `float32`, `groups` or `errors`; what
it finds is a text, the first fault of its kind.
"""

import copy
import importlib
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum

import kuai
from tests.conformance import translating
from tests.conformance.comparing import difference

DTYPES = ("float32", "float64", "complex64", "complex128", "bfloat16", "float16")
STEPS = 10
SHAPES = [(3, 4), (5,), (), (1,), (0, 3)]
#: Muon is for matrices; of empty parameters PyTorch's Adafactor divides by zero.
SHAPES_OF = {
    "Adafactor": [(3, 4), (5,), (), (1, 4), (2, 3, 2)],
    "LBFGS": [(2, 3), (2,)],
    "Muon": [(3, 4), (4, 3), (5, 5)],
}
#: LBFGS divides by differences of nearly equal gradients, of which 16 bits leave nothing.
DTYPES_OF = {"LBFGS": ("float32", "float64", "complex64", "complex128")}
#: A step of LBFGS is up to twenty evaluations.
STEPS_OF = {"LBFGS": 3}
FLAGS = ("maximize", "foreach", "fused", "differentiable")
#: Muon rounds to bfloat16 inside; LBFGS's steps depend on differences of nearly equal numbers.
LOOSER = {
    ("Muon", "float32"): 5e3,
    ("Muon", "float64"): 2e6,
    ("LBFGS", "float32"): 500,
    ("LBFGS", "complex64"): 500,
}


def faults(entry: Any, inputs: int | None = None, dtypes=DTYPES) -> dict[str, str]:
    """The first fault of each check of an optimizer; empty if everything agrees.

    Args:
        entry: an `OptimizerInfo`.
        inputs: how many of its sets of options to run; None runs them all.
    """
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for check, fault in _all_checks(entry, inputs, dtypes):
            if fault is not None:
                found.setdefault(check, fault[:300])
    return found


def _all_checks(entry, inputs, dtypes) -> Iterator[tuple[str, str | None]]:
    sets = [each.kwargs for each in entry.optim_inputs_func("cpu")][:inputs]
    for options in sets:
        for dtype in (each for each in dtypes if each in DTYPES_OF.get(entry.name, DTYPES)):
            yield dtype, _told(options, lambda o=options, d=dtype: _trajectory(entry, o, d))
        yield "saving", _told(options, lambda o=options: _saving(entry, o))
    for options in _with_flags(entry, sets):
        yield "switches", _told(options, lambda o=options: _trajectory(entry, o, "float32"))
    for check, function in _OTHERS.items():
        yield check, _guarded(lambda f=function: f(entry))


def _told(options, check) -> str | None:
    fault = _guarded(check)
    return None if fault is None else f"{options}: {fault}"


def _guarded(check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the fault)
        return f"{type(error).__name__}: {error}"


def _with_flags(entry, sets) -> Iterator[dict[str, Any]]:
    """Each option set with each switch that the class has, and pairs of switches once."""
    known = inspect.signature(entry.optim_cls).parameters
    flags = [flag for flag in FLAGS if flag in known]
    for options in sets:
        for flag in flags:
            yield {**options, flag: True}
    for first in flags:
        for second in flags:
            if first < second:
                yield {first: True, second: True}


# Two optimizers ----------------------------------------------------------------------------------


class Pair:
    """The same parameters for both, and an optimizer of each."""

    def __init__(self, entry, options, dtype="float32", groups: Callable | None = None):
        self.entry, self.dtype = entry, dtype
        self.rng = np.random.default_rng(0)
        self.values = [self.draw(shape) for shape in SHAPES_OF.get(entry.name, SHAPES)]
        self.sides = [self._side(t, groups) for t in (torch, kuai)]
        theirs = _outcome(lambda: self._make(torch, self.sides[0], options))
        ours = _outcome(lambda: self._make(kuai, self.sides[1], options))
        self.optimizers = [theirs, ours]

    def _side(self, t, groups):
        params = [self._parameter(t, value) for value in self.values]
        return params, (groups(params) if groups else params)

    def _parameter(self, t, value):
        return t.nn.Parameter(_tensor(t, value, self.dtype))

    def _make(self, t, side, options):
        given = options if t is torch else translating.to_kuai(options)
        # one's own, because a scheduler, or a step, may write to a tensor among the options
        return getattr(t.optim, self.entry.name)(side[1], **copy.deepcopy(given))

    def draw(self, shape):
        numbers = np.asarray(self.rng.standard_normal(shape))
        if self.dtype.startswith("complex"):
            numbers = numbers + 1j * self.rng.standard_normal(shape)
        return numbers

    def step(self, number: int) -> str | None:
        """One step of both, with the same gradients; in one step a parameter has none, or zeros."""
        drawn: list[Any] = [self.draw(value.shape) for value in self.values]
        if number == 4:
            drawn[0] = drawn[0] * 0
            drawn[1] = None
        results = [_outcome(lambda side=side: self._step(side, drawn)) for side in (0, 1)]
        if results == [None, None]:
            return None
        if isinstance(results[0], AssertionError):
            raise _BothRefuse  # what PyTorch's operations on lists cannot do, Kuai may
        fault = same_errors(results[1], results[0])
        if fault is None:
            raise _BothRefuse
        return fault

    def _step(self, side, drawn):
        t, params, optimizer = (torch, kuai)[side], self.sides[side][0], self.optimizers[side]
        if self.entry.step_requires_closure:
            optimizer.step(_closure(t, params, optimizer, self.dtype))
            return
        for param, value in zip(params, drawn, strict=True):
            grad = None if value is None else _tensor(t, value, self.dtype)
            if t is torch and grad is not None and self.entry.only_supports_sparse_grads:
                grad = _as_sparse(grad)
            param.grad = grad
        optimizer.step()

    def compare(self) -> str | None:
        """What differs among the parameters."""
        looser = LOOSER.get((self.entry.name, self.dtype), 1) * (
            1 if self.dtype.endswith("16") else 0.1
        )
        pairs = zip(self.sides[1][0], self.sides[0][0], strict=True)
        found = (difference(ours, theirs, looser=looser) for ours, theirs in pairs)
        return next((each for each in found if each), None)


def _tensor(t, value, dtype):
    return t.tensor(value).to(getattr(t, dtype))


def _as_sparse(grad):
    """A sparse gradient of the rows that are not zero, as an embedding's would be."""
    return grad.to_sparse(1) if grad.ndim else grad.to_sparse()


def _closure(t, params, optimizer, dtype):
    wide = "complex128" if dtype.startswith("complex") else "float64"

    def closure():
        optimizer.zero_grad()
        loss = t.tensor(0.0, dtype=t.float64)
        for index, param in enumerate(params):
            away = param.to(getattr(t, wide)) - (index + 1)
            loss = loss + (away.abs() ** 2).sum() * (index + 0.5) + (away.abs() ** 4).sum() * 0.1
        loss.backward()
        return loss

    return closure


def _outcome(call):
    try:
        return call()
    except Exception as error:  # noqa: BLE001 (it is compared)
        return error


def _same_outcome(pair: Pair) -> str | None:
    """A fault if only one could be made, or both failed in different words."""
    theirs, ours = pair.optimizers
    if not isinstance(theirs, Exception) and not isinstance(ours, Exception):
        return None
    return same_errors(ours, theirs)


def same_errors(ours: Any, theirs: Any) -> str | None:
    """A fault if not both failed alike."""
    if type(ours).__name__ == type(theirs).__name__ and _text(ours) == _text(theirs):
        return None
    return f"{_short(ours)} instead of {_short(theirs)}"


def _text(error: Exception) -> str:
    return str(error).replace("torch.", "").replace("kuai.", "")


def _short(result: Any) -> str:
    if isinstance(result, Exception):
        return f"{type(result).__name__}: {result}"
    return "no error"


# Trajectories -------------------------------------------------------------------------------------


def _trajectory(entry, options, dtype, groups=None) -> str | None:
    pair = Pair(entry, options, dtype, groups)
    if any(isinstance(each, Exception) for each in pair.optimizers):
        return _same_outcome(pair)
    try:
        return _run(pair, STEPS_OF.get(entry.name, STEPS)) or _same_text(pair) or _same_state(pair)
    except _BothRefuse:
        return None


class _BothRefuse(Exception):
    """PyTorch failed, and Kuai in the same words: there is nothing more to compare."""


def _run(pair: Pair, steps: int, first: int = 0) -> str | None:
    for number in range(first, first + steps):
        fault = pair.step(number) or pair.compare()
        if fault:
            return f"step {number}: {fault}"
    return None


def _same_text(pair: Pair) -> str | None:
    theirs, ours = map(repr, pair.optimizers)
    return None if ours == theirs else f"prints {ours!r} instead of {theirs!r}"


def _same_state(pair: Pair) -> str | None:
    theirs, ours = (optimizer.state_dict() for optimizer in pair.optimizers)
    if list(ours) != list(theirs):
        return f"state dict of {list(ours)}"
    for mine, yours in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        if list(mine) != list(yours):
            return f"group of {list(mine)} instead of {list(yours)}"
    return _same_states((pair.entry.name, pair.dtype), ours["state"], theirs["state"])


def _same_states(which, ours, theirs) -> str | None:
    if sorted(ours) != sorted(theirs):
        return f"state of {sorted(ours)} instead of {sorted(theirs)}"
    for number, state in theirs.items():
        if sorted(ours[number]) != sorted(state):
            return f"state {sorted(ours[number])} instead of {sorted(state)}"
        for key, value in state.items():
            fault = _same_value(ours[number][key], value, LOOSER.get(which, 1))
            if fault:
                return f"{key} of {number}: {fault}"
    return None


def _same_value(ours, theirs, looser) -> str | None:
    if hasattr(ours, "dtype") != hasattr(theirs, "dtype"):  # one keeps a plain number
        ours, theirs = (float(each) for each in (ours, theirs))
    return difference(ours, theirs, looser=looser)


# Saving ------------------------------------------------------------------------------------------


def _saving(entry, options) -> str | None:
    """After three steps each goes on with the other's state, then with a copy and a pickle."""
    pair = Pair(entry, options)
    if any(isinstance(each, Exception) for each in pair.optimizers):
        return None
    fault = _run(pair, 3)
    exchanges = (_swapped, _swapped, _copied, _pickled)
    if entry.name == "LBFGS":
        exchanges = exchanges[:2]  # PyTorch's copies have no parameters
    for number, exchange in enumerate(exchanges):
        fault = fault or exchange(pair) or _run(pair, 2, 10 * number + 10)
    return fault


def _swapped(pair: Pair) -> None:
    theirs, ours = (optimizer.state_dict() for optimizer in pair.optimizers)
    pair.optimizers = [type(o)(o.param_groups[0]["params"]) for o in pair.optimizers]
    pair.optimizers[0].load_state_dict(to_torch(ours))
    pair.optimizers[1].load_state_dict(translating.to_kuai(theirs))


def _copied(pair: Pair) -> None:
    """`deepcopy` of parameters and optimizer together."""
    made = [copy.deepcopy(each) for each in zip(pair.sides, pair.optimizers, strict=True)]
    pair.sides = [side for side, _ in made]
    pair.optimizers = [optimizer for _, optimizer in made]


def _pickled(pair: Pair) -> None:
    both = zip(pair.sides, pair.optimizers, strict=True)
    made = [pickle.loads(pickle.dumps(each)) for each in both]
    pair.sides = [side for side, _ in made]
    pair.optimizers = [optimizer for _, optimizer in made]


def to_torch(value: Any) -> Any:
    """The same with torch's tensors."""
    if isinstance(value, kuai.Tensor):
        return torch.tensor(np.array(value.numpy()))
    if isinstance(value, dict):
        return {key: to_torch(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_torch(item) for item in value)
    return value


# Groups, rates as tensors, closures, gradients ----------------------------------------------------


def _groups(entry) -> str | None:
    if not entry.supports_param_groups:
        return _refused_groups(entry)
    for more in ({"lr": 0.02}, {"weight_decay": 0.2}, {"lr": 0.02, "maximize": True}):
        if not set(more) <= set(inspect.signature(entry.optim_cls).parameters):
            continue

        def divided(params, more=more):
            return [{"params": params[:1]}, {"params": params[1:], **more}]

        fault = _trajectory(entry, {}, "float32", divided)
        if fault:
            return f"{more}: {fault}"
    return _added(entry) or _named(entry)


def _refused_groups(entry) -> str | None:
    pair = Pair(entry, {}, groups=lambda params: [{"params": params[:1]}, {"params": params[1:]}])
    return _same_outcome(pair)


def _added(entry) -> str | None:
    pair = Pair(entry, {}, groups=lambda params: params[:1])
    fault = _run(pair, 3)
    for (params, _), optimizer in zip(pair.sides, pair.optimizers, strict=True):
        optimizer.add_param_group({"params": params[1:], "lr": 0.02})
    return fault or _run(pair, 5, 3) or _same_text(pair) or _same_state(pair)


def _named(entry) -> str | None:
    pair = Pair(entry, {}, groups=lambda params: [(f"p{i}", p) for i, p in enumerate(params)])
    return _run(pair, 2) or _same_text(pair) or _same_state(pair)


def _rate_as_tensor(entry) -> str | None:
    for rate in (torch.tensor(0.01), torch.tensor([0.01]), torch.tensor(0.01, dtype=torch.float64)):
        fault = _trajectory(entry, {"lr": rate}, "float32")
        if fault:
            return f"{rate!r}: {fault}"
    return None


def _closures(entry) -> str | None:
    """`step(closure)` returns its loss, and gradients are recorded inside it."""
    seen = []
    for t in (torch, kuai):
        param = t.nn.Parameter(t.ones(2, 2))
        optimizer = getattr(t.optim, entry.name)([param])

        def closure(t=t, param=param):
            seen.append(t.is_grad_enabled())
            param.grad = t.ones(2, 2)
            if t is torch and entry.only_supports_sparse_grads:
                param.grad = _as_sparse(param.grad)
            return t.tensor(3.5)

        with t.no_grad():
            seen.append(float(optimizer.step(closure)))
    half = len(seen) // 2
    return None if seen[:half] == seen[half:] else f"{seen[half:]} instead of {seen[:half]}"


def _zero_grad(entry) -> str | None:
    found = []
    for t in (torch, kuai):
        params = [t.nn.Parameter(t.ones(2, 2)) for _ in range(2)]
        optimizer = getattr(t.optim, entry.name)(params)
        params[0].grad = kept = t.ones(2, 2)
        optimizer.zero_grad(set_to_none=False)
        seen = [params[0].grad is kept, kept.tolist(), params[1].grad]
        optimizer.zero_grad()
        found.append([*seen, params[0].grad])
    return None if found[0] == found[1] else f"{found[1]} instead of {found[0]}"


def _no_gradients(entry) -> str | None:
    """Where no parameter has a gradient, a step changes nothing and makes no state."""
    if entry.step_requires_closure:
        return None
    pair = Pair(entry, {})
    for optimizer in pair.optimizers:
        optimizer.step()
    return pair.compare() or _same_state(pair)


# Hooks --------------------------------------------------------------------------------------------


def _hooks(entry) -> str | None:
    found = [_hook_calls(t, entry) for t in (torch, kuai)]
    return None if found[0] == found[1] else f"{found[1]} instead of {found[0]}"


def _hook_calls(t, entry) -> list[Any]:
    seen: list[Any] = []

    def hook(name):
        return lambda optimizer, *more: seen.append((name, len(more), type(optimizer).__name__))

    optimizer = _small(t, entry)
    module = importlib.import_module(f"{t.__name__}.optim.optimizer")
    handles = [
        optimizer.register_step_pre_hook(hook("pre")),
        optimizer.register_step_post_hook(hook("post")),
        optimizer.register_state_dict_pre_hook(hook("saving")),
        optimizer.register_state_dict_post_hook(hook("saved")),
        optimizer.register_state_dict_post_hook(hook("saved first"), prepend=True),
        optimizer.register_load_state_dict_pre_hook(hook("loading")),
        optimizer.register_load_state_dict_pre_hook(hook("loading first"), prepend=True),
        optimizer.register_load_state_dict_post_hook(hook("loaded")),
        module.register_optimizer_step_pre_hook(hook("all pre")),
        module.register_optimizer_step_post_hook(hook("all post")),
    ]
    for _ in range(2):
        optimizer.step(lambda: t.tensor(0.0, requires_grad=True))
        optimizer.load_state_dict(optimizer.state_dict())
        seen.append("removed")
        for handle in handles:
            handle.remove()
    return seen


def _changing_hooks(entry) -> str | None:
    """Hooks that return another state dict."""
    found = []
    for t in (torch, kuai):
        optimizer = getattr(t.optim, entry.name)([t.nn.Parameter(t.ones(2, 2))])
        optimizer.register_state_dict_post_hook(lambda _, saved: {**saved, "more": 1})
        saved = optimizer.state_dict()
        saved["param_groups"][0]["lr"] = 7.0
        optimizer.register_load_state_dict_pre_hook(lambda _, d: {**d, "state": {}})
        optimizer.load_state_dict(saved)
        found.append([sorted(saved), optimizer.param_groups[0]["lr"], dict(optimizer.state)])
    return None if found[0] == found[1] else f"{found[1]} instead of {found[0]}"


# Errors -------------------------------------------------------------------------------------------


def _errors(entry) -> str | None:
    for wrong in entry.optim_error_inputs_func("cpu", torch.float32):
        given = wrong.optimizer_error_input
        params = given.params
        if params is None:
            params = [torch.nn.Parameter(torch.randn(2, 3)) for _ in range(2)]
        if _has_sparse(params):
            continue
        memo: dict = {}
        results = [
            _wrong(torch, entry, params, given.kwargs, wrong.error_on),
            _wrong(
                kuai,
                entry,
                translating.to_kuai(params, memo),
                translating.to_kuai(given.kwargs, memo),
                wrong.error_on,
            ),
        ]
        fault = same_errors(results[1], results[0])
        if fault:
            return f"{given.desc}: {fault}"
    return _wrong_states(entry)


def _has_sparse(params) -> bool:
    if isinstance(params, torch.Tensor):
        return params.is_sparse
    if isinstance(params, dict):
        return any(map(_has_sparse, params.values()))
    return isinstance(params, (list, tuple)) and any(map(_has_sparse, params))


def _wrong(t, entry, params, options, error_on):
    def attempt():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer = getattr(t.optim, entry.name)(params, **options)
        if error_on == OptimizerErrorEnum.STEP_ERROR:
            for param in optimizer.param_groups[0]["params"]:
                param.grad = t.ones_like(param)
            optimizer.step()

    return _outcome(attempt)


def _wrong_states(entry) -> str | None:
    for name, attempt in _WRONG_CALLS.items():
        results = [_outcome(lambda t=t, a=attempt: a(t, entry)) for t in (torch, kuai)]
        fault = same_errors(results[1], results[0])
        if fault:
            return f"{name}: {fault}"
    return None


def _small(t, entry, count=1):
    return getattr(t.optim, entry.name)([t.nn.Parameter(t.ones(2, 2)) for _ in range(count)])


def _load_another_size(t, entry):
    _small(t, entry).load_state_dict(_small(t, entry, 2).state_dict())


def _load_more_groups(t, entry):
    saved = _small(t, entry).state_dict()
    saved["param_groups"] *= 2
    _small(t, entry).load_state_dict(saved)


def _with_params(params: Callable) -> Callable:
    return lambda t, entry: getattr(t.optim, entry.name)(params(t))


def _adding(group: Callable) -> Callable:
    return lambda t, entry: _small(t, entry).add_param_group(group(t))


_WRONG_CALLS = {
    "another size": _load_another_size,
    "more groups": _load_more_groups,
    "no parameters": _with_params(lambda t: []),
    "a set": _with_params(lambda t: [{"params": {t.ones(1)}}]),
    "numbers": _with_params(lambda t: [1.0]),
    "no leaf": _with_params(lambda t: [t.ones(2, 2, requires_grad=True) * 2]),
    "no group": _adding(lambda t: [t.ones(2)]),
    "no params": _adding(lambda t: {"lr": 1.0}),
    "a group of a set": _adding(lambda t: {"params": {t.ones(1)}}),
}

_OTHERS: dict[str, Callable[[Any], str | None]] = {
    "groups": _groups,
    "rate as a tensor": _rate_as_tensor,
    "closures": _closures,
    "zero_grad": _zero_grad,
    "no gradients": _no_gradients,
    "hooks": _hooks,
    "hooks that change": _changing_hooks,
    "errors": _errors,
}

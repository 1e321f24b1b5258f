"""Every learning rate scheduler through both, epoch by epoch.

A case makes a scheduler of an optimizer with two groups; both libraries make the same steps, and
after each one rates, momenta, `get_last_lr()` and warnings are compared, at the end the state.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import kuai

EPOCHS = 25

Case = Callable[[Any, Any], Any]

#: How to make a scheduler, from the module of schedulers and an optimizer of two groups.
CASES: dict[str, Case] = {
    "StepLR": lambda s, o: s.StepLR(o, step_size=3, gamma=0.5),
    "StepLR (every epoch)": lambda s, o: s.StepLR(o, 1),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    "MultiStepLR (at the start)": lambda s, o: s.MultiStepLR(o, [0, 3], gamma=0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, gamma=0.9),
    "ConstantLR": lambda s, o: s.ConstantLR(o),
    "ConstantLR (factor)": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=4),
    "ConstantLR (no epochs)": lambda s, o: s.ConstantLR(o, factor=0.5, total_iters=0),
    "LinearLR": lambda s, o: s.LinearLR(o),
    "LinearLR (to an end)": lambda s, o: s.LinearLR(o, 0.2, end_factor=0.8, total_iters=6),
    "LinearLR (falling)": lambda s, o: s.LinearLR(o, 1.0, end_factor=0.0, total_iters=6),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o),
    "PolynomialLR (power)": lambda s, o: s.PolynomialLR(o, total_iters=7, power=2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=5, eta_min=0.01),
    "CosineAnnealingLR (one epoch)": lambda s, o: s.CosineAnnealingLR(o, T_max=1),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4),
    "CosineAnnealingWarmRestarts (longer)": lambda s, o: s.CosineAnnealingWarmRestarts(
        o, T_0=3, T_mult=2, eta_min=0.01
    ),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "LambdaLR (each)": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, Inverse(2)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e),
    "MultiplicativeLR (each)": lambda s, o: s.MultiplicativeLR(o, (Inverse(1), Inverse(2))),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=[0.5, 1.0], total_steps=30),
    "OneCycleLR (three phases)": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=5, steps_per_epoch=6, three_phase=True, anneal_strategy="linear"
    ),
    "OneCycleLR (rates only)": lambda s, o: s.OneCycleLR(
        o, 0.5, 30, pct_start=0.5, cycle_momentum=False, div_factor=10.0, final_div_factor=100.0
    ),
    "OneCycleLR (momenta)": lambda s, o: s.OneCycleLR(
        o, 0.5, 30, base_momentum=[0.7, 0.6], max_momentum=0.99
    ),
    "OneCycleLR (too short)": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=5),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.1, [0.5, 0.4], step_size_up=3),
    "CyclicLR (triangular2)": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, 5, mode="triangular2"),
    "CyclicLR (exp_range)": lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, mode="exp_range", gamma=0.9),
    "CyclicLR (scale of its own)": lambda s, o: s.CyclicLR(
        o, 0.1, 0.5, 3, scale_fn=lambda x: 1 / (5 ** (x * 0.01)), scale_mode="iterations"
    ),
    "CyclicLR (scale as an object)": lambda s, o: s.CyclicLR(
        o, [0.1, 0.2], 0.5, 3, scale_fn=Inverse(1), cycle_momentum=False
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, total_iters=4), s.ConstantLR(o, 0.5, 2), s.CosineAnnealingLR(o, 6)],
        milestones=[4, 8],
    ),
    "SequentialLR (of restarts)": lambda s, o: s.SequentialLR(
        o, [s.ExponentialLR(o, 0.5), s.CosineAnnealingWarmRestarts(o, 3)], [3]
    ),
    "SequentialLR (nested)": lambda s, o: s.SequentialLR(
        o,
        [
            s.SequentialLR(o, [s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)], [2]),
            s.StepLR(o, 2),
        ],
        [6],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.LinearLR(o), s.ExponentialLR(o, 0.8)]),
    "ChainedScheduler (of a sequence)": lambda s, o: s.ChainedScheduler(
        [s.SequentialLR(o, [s.ConstantLR(o, 0.5, 2), s.StepLR(o, 4)], [3]), s.LinearLR(o)], o
    ),
    "SWALR": lambda s, o: s.swa_utils.SWALR(o, 0.05, anneal_epochs=6),
    "SWALR (linear, each)": lambda s, o: s.swa_utils.SWALR(o, [0.05, 0.5], 4, "linear"),
    "SWALR (at once)": lambda s, o: s.swa_utils.SWALR(o, 0.05, anneal_epochs=0),
    **{
        f"ReduceLROnPlateau ({mode}, {threshold_mode}, cooldown {cooldown})": (
            lambda s, o, m=mode, t=threshold_mode, c=cooldown: s.ReduceLROnPlateau(
                o, m, 0.5, 2, threshold=0.1, threshold_mode=t, cooldown=c, min_lr=[0.01, 0.1]
            )
        )
        for mode in ("min", "max")
        for threshold_mode in ("rel", "abs")
        for cooldown in (0, 2)
    },
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=0, eps=0.02),
}

#: Those that take no epoch, and those that need the number that they wait for.
NO_EPOCH = ("SequentialLR", "ChainedScheduler")
PLATEAU = "ReduceLROnPlateau"
#: What is wrong, and how to write it.
ERRORS: dict[str, Case] = {
    "no optimizer": lambda s, o: s.StepLR(3, 1),
    "no optimizer, cyclic": lambda s, o: s.CyclicLR(None, 0.1, 0.5),
    "no optimizer, plateau": lambda s, o: s.ReduceLROnPlateau([o]),
    "no optimizer, one cycle": lambda s, o: s.OneCycleLR("o", 0.1, 3),
    "constant factor": lambda s, o: s.ConstantLR(o, factor=2),
    "start factor": lambda s, o: s.LinearLR(o, start_factor=0),
    "end factor": lambda s, o: s.LinearLR(o, end_factor=2),
    "functions": lambda s, o: s.LambdaLR(o, [abs]),
    "functions that multiply": lambda s, o: s.MultiplicativeLR(o, [abs] * 3),
    "not a function": lambda s, o: s.MultiplicativeLR(o, 3),
    "period": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=0),
    "part of a period": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=1.5),
    "multiple": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=1, T_mult=0),
    "lowest": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=1, eta_min="0"),
    "negative epoch": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=1).step(-2),
    "no steps": lambda s, o: s.OneCycleLR(o, max_lr=1.0),
    "negative steps": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=-1),
    "half steps": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=2.5),
    "epochs": lambda s, o: s.OneCycleLR(o, max_lr=1.0, epochs=-1, steps_per_epoch=2),
    "steps of an epoch": lambda s, o: s.OneCycleLR(o, max_lr=1.0, epochs=1, steps_per_epoch=0),
    "part": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=5, pct_start=2.0),
    "whole part": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=5, pct_start=1),
    "strategy": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=5, anneal_strategy="round"),
    "rates": lambda s, o: s.OneCycleLR(o, max_lr=[1.0, 2.0, 3.0], total_steps=5),
    "momenta": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=5, base_momentum=[1.0]),
    "lowest rates": lambda s, o: s.CyclicLR(o, [0.1], 0.5),
    "highest rates": lambda s, o: s.CyclicLR(o, 0.1, [0.5] * 3),
    "unknown mode": lambda s, o: s.CyclicLR(o, 0.1, 0.5, mode="square"),
    "factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "mode": lambda s, o: s.ReduceLROnPlateau(o, mode="best"),
    "threshold": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="best"),
    "least rates": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1, 2, 3]),
    "no metric": lambda s, o: s.ReduceLROnPlateau(o).step("bad"),
    "no schedulers": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
    "no part": lambda s, o: s.SequentialLR(o, [3], []),
    "plateau in a sequence": lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
    "plateau in a chain": lambda s, o: s.ChainedScheduler([s.ReduceLROnPlateau(o)]),
    "no parts": lambda s, o: s.ChainedScheduler([]),
    "averaged rates": lambda s, o: s.swa_utils.SWALR(o, [0.1]),
    "averaging strategy": lambda s, o: s.swa_utils.SWALR(o, 0.1, anneal_strategy="round"),
    "averaging epochs": lambda s, o: s.swa_utils.SWALR(o, 0.1, anneal_epochs=-1),
    "resumed without rates": lambda s, o: s.StepLR(o, 1, last_epoch=3),
    "no formula": lambda s, o: s.LRScheduler(o),
    "decay of an average": lambda s, o: s.swa_utils.get_ema_avg_fn(1.5),
    "decay of averages": lambda s, o: s.swa_utils.get_ema_multi_avg_fn(-0.5),
}


class Inverse:
    """A function with state, which a scheduler saves."""

    def __init__(self, start: float):
        self.start = start

    def __call__(self, epoch: float) -> float:
        return self.start / (self.start + epoch)


class _Schedulers:
    """The schedulers of a library, and `swa_utils`, as attributes of one thing."""

    def __init__(self, t: Any):
        self.swa_utils = t.optim.swa_utils
        self._module = t.optim.lr_scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def faults(name: str) -> dict[str, str]:
    """The first fault of each check of a case; empty if everything agrees."""
    case = CASES[name]
    checks = {
        "SGD": lambda: _run(name, case, "SGD"),
        "Adam": lambda: _run(name, case, "Adam"),
        "rate as a tensor": lambda: _run(name, case, "SGD", tensors=True),
        "given epochs": lambda: _given_epochs(name, case),
        "going on": lambda: _going_on(name, case),
        "saving": lambda: _saving(name, case),
        "order": lambda: _compared([_orders(t, name, case) for t in (torch, kuai)]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where they count they are recorded
        found = {check: _guarded(run) for check, run in checks.items()}
    return {check: fault[:300] for check, fault in found.items() if fault}


def errors() -> dict[str, str]:
    """What differs in the words of errors."""
    found = {}
    for name, case in ERRORS.items():
        results = [_failed(t, case) for t in (torch, kuai)]
        if results[0] != results[1]:
            found[name] = f"{results[1]} instead of {results[0]}"
    return found


def _failed(t, case) -> str:
    optimizer = make_optimizer(t, "SGD")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case(_Schedulers(t), optimizer)
    except Exception as error:  # noqa: BLE001 (it is compared)
        return f"{type(error).__name__}: {error}"
    return "no error"


def _guarded(check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the fault)
        return f"{type(error).__name__}: {error}"


def make_optimizer(t: Any, kind: str, tensors: bool = False) -> Any:
    """An optimizer of two groups with rates of their own."""
    rates = [t.tensor(0.1), t.tensor(0.3)] if tensors else [0.1, 0.3]
    groups = [{"params": [t.nn.Parameter(t.ones(1))], "lr": rate} for rate in rates]
    return getattr(t.optim, kind)(groups, lr=0.1, **({"momentum": 0.9} if kind == "SGD" else {}))


# Trajectories -------------------------------------------------------------------------------------


def _run(name, case, kind, tensors=False) -> str | None:
    return _compared([_trajectory(t, name, case, kind, tensors) for t in (torch, kuai)])


def _trajectory(t, name, case, kind, tensors) -> list[Any]:
    optimizer = make_optimizer(t, kind, tensors)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scheduler = case(_Schedulers(t), optimizer)
        seen = [seen_of(optimizer, scheduler)]
        for epoch in range(EPOCHS):
            optimizer.step()
            seen.append(_step(t, name, scheduler, epoch) or seen_of(optimizer, scheduler))
        if not isinstance(scheduler, t.optim.lr_scheduler.ReduceLROnPlateau):
            seen.append(_outcome(lambda: scheduler.get_lr()))
    return [*seen, described(scheduler.state_dict()), _words(told)]


def _step(t, name, scheduler, epoch, *more) -> str | None:
    if name.startswith(PLATEAU):
        loss = math.cos(epoch) + 5 / (epoch + 1)
        more = (t.tensor(loss) if epoch % 2 else loss, *more)
    return _outcome(lambda: scheduler.step(*more))


def _outcome(call) -> Any:
    try:
        return described(call())
    except Exception as error:  # noqa: BLE001 (it is compared)
        return f"{type(error).__name__}: {error}"


def seen_of(optimizer: Any, scheduler: Any) -> list[Any]:
    """The groups' options that a scheduler changes, and what it says of them."""
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    last = scheduler.get_last_lr() if hasattr(scheduler, "_last_lr") else None
    return described([groups, last, getattr(scheduler, "last_epoch", None)])


def described(value: Any) -> Any:
    """The same for both libraries: tensors by dtype and numbers."""
    if hasattr(value, "requires_grad"):
        return ["tensor", str(value.dtype).rpartition(".")[2], value.tolist()]
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    return value if isinstance(value, (int, float, str, type(None))) else type(value).__name__


def _words(told) -> list[str]:
    return [
        f"{each.category.__name__}: {each.message}"
        for each in told
        if "scheduler" in str(each.message) or "learning rate" in str(each.message)
    ]


def _compared(results) -> str | None:
    return _difference(results[1], results[0], "")


def _difference(ours, theirs, place) -> str | None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if list(ours) != list(theirs):
            return f"{place}: keys {list(ours)} instead of {list(theirs)}"
        found = (_difference(ours[key], theirs[key], f"{place}.{key}") for key in theirs)
        return next((each for each in found if each), None)
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        found = (_difference(mine, yours, f"{place}[{i}]") for i, (mine, yours) in pairs)
        return next((each for each in found if each), None)
    return None if _equal(ours, theirs) else f"{place}: {ours!r} instead of {theirs!r}"


def _equal(ours, theirs) -> bool:
    if type(ours) is float and type(theirs) is float:
        # PyTorch's tensors of rates are of single precision
        return bool(np.isclose(ours, theirs, rtol=1e-6, atol=1e-9, equal_nan=True))
    return type(ours) is type(theirs) and ours == theirs


# Epochs that are given, states, order -------------------------------------------------------------


def _given_epochs(name, case) -> str | None:
    if name.startswith(NO_EPOCH):
        return None
    return _compared([_jumps(t, name, case) for t in (torch, kuai)])


def _jumps(t, name, case) -> list[Any]:
    optimizer = make_optimizer(t, "SGD")
    seen = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scheduler = case(_Schedulers(t), optimizer)
        for epoch in (1, 2, 7, 4, 0, 11):
            optimizer.step()
            seen.append(_step(t, name, scheduler, epoch, epoch) or seen_of(optimizer, scheduler))
            seen.append(_step(t, name, scheduler, epoch) or seen_of(optimizer, scheduler))
    return [*seen, _words(told)]


def _going_on(name, case) -> str | None:
    """A new scheduler with the epoch that an old one had come to (`last_epoch=`)."""
    if "last_epoch" not in _parameters(name):
        return None
    return _compared([_resumed(t, name, case) for t in (torch, kuai)])


def _parameters(name) -> set[str]:
    module = _Schedulers(torch)
    plain = name.partition(" ")[0]
    kind = module.swa_utils.SWALR if plain == "SWALR" else getattr(module, plain)
    return set(kind.__init__.__code__.co_varnames)


def _resumed(t, name, case) -> list[Any]:
    class Resuming(_Schedulers):
        def __getattr__(self, kind):
            made = getattr(self._module, kind)
            return lambda *args, **options: made(*args, **options, last_epoch=4)

    optimizer = make_optimizer(t, "SGD")
    first = case(_Schedulers(t), optimizer)
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch in range(5):
            optimizer.step()
            _step(t, name, first, epoch)
        if name.startswith("SWALR"):
            return []
        scheduler = case(Resuming(t), optimizer)
        for epoch in range(6):
            seen.append(seen_of(optimizer, scheduler))
            optimizer.step()
            _step(t, name, scheduler, epoch)
    return seen


def _saving(name, case) -> str | None:
    """Each goes on with the other's state."""
    both = []
    for t in (torch, kuai):
        optimizer = make_optimizer(t, "SGD")
        both.append((t, optimizer, case(_Schedulers(t), optimizer)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch in range(4):
            for t, optimizer, scheduler in both:
                optimizer.step()
                _step(t, name, scheduler, epoch)
        saved = [(o.state_dict(), s.state_dict()) for _, o, s in both]
        results = [_loaded(t, name, case, *saved[1 - i]) for i, (t, _, _) in enumerate(both)]
    return _compared(results)


def _loaded(t, name, case, of_optimizer, of_scheduler) -> list[Any]:
    optimizer = make_optimizer(t, "SGD")
    scheduler = case(_Schedulers(t), optimizer)
    options = [
        {k: v for k, v in group.items() if k != "params"} for group in of_optimizer["param_groups"]
    ]
    for group, more in zip(optimizer.param_groups, options, strict=True):
        group.update(more)
    scheduler.load_state_dict(of_scheduler)
    seen = []
    for epoch in range(4, 10):
        seen.append(seen_of(optimizer, scheduler))
        optimizer.step()
        seen.append(_step(t, name, scheduler, epoch))
    return [*seen, described(scheduler.state_dict())]


def _orders(t, name, case) -> list[Any]:
    """What is said where the scheduler is stepped first, and where `step` is replaced."""
    said = []
    for replaced in (False, True):
        optimizer = make_optimizer(t, "SGD")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            scheduler = case(_Schedulers(t), optimizer)
            if replaced:
                optimizer.step = lambda: None
            for epoch in range(3):
                _step(t, name, scheduler, epoch)
        said.append(_words(told))
    return said

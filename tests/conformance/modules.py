"""One class of PyTorch's table of modules through both: outputs, gradients, state, text and errors.

A check is a name such as `float32`, `gradients float32`, `state_dict`, `text`, `copies` or
`errors`; what it finds is a text, the first fault of its kind.
"""

import copy
import itertools
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.testing._internal.common_modules import ModuleErrorEnum

import kuai
from tests.conformance import translating
from tests.conformance.comparing import difference
from tests.rowkit import is_inexact, is_tensor, leaves

DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64")
#: Classes whose results are random.
RANDOM = ("nn.FractionalMaxPool2d", "nn.FractionalMaxPool3d")
#: Classes whose gradient in PyTorch is not that of what they compute, and why.
OTHER_GRADIENTS = {
    "nn.CrossMapLRN2d": "PyTorch's backward pass has another window than its forward pass",
}


def faults(
    info: Any, samples: int | None = None, dtypes=DTYPES, modes=(True, False)
) -> dict[str, str]:
    """The first fault of each check of a module; empty if everything agrees.

    Args:
        info: a `ModuleInfo`.
        samples: how many samples of a dtype and mode to run; None runs them all.
        modes: training, evaluation or both.
    """
    found: dict[str, str] = {}
    listed = {str(dtype).removeprefix("torch.") for dtype in info.supported_dtypes("cpu")}
    chosen = [dtype for dtype in dtypes if dtype in listed]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype, training in itertools.product(chosen, modes):
            for number, sample in enumerate(_samples(info, dtype, training, samples)):
                for check, fault in _of_sample(info, sample, dtype, training):
                    found.setdefault(check, f"sample {number}, training={training}: {fault}")
        found.update(_of_errors(info))
    return found


def _samples(info, dtype, training, count) -> list[Any]:
    torch.manual_seed(0)
    made = info.module_inputs_func(
        info, device="cpu", dtype=getattr(torch, dtype), requires_grad=True, training=training
    )
    return list(made)[:count]


def _of_sample(info, sample, dtype, training) -> Iterator[tuple[str, str]]:
    try:
        theirs = _theirs(info, sample, dtype, training)
    except Exception:  # noqa: BLE001 (PyTorch has no kernel for some of its samples)
        return
    ours = _guarded(lambda: _ours(info, sample, theirs, dtype, training))
    if isinstance(ours, str):
        yield dtype, ours
        return
    for check, look in (
        ("text", lambda: None if repr(ours) == repr(theirs) else f"{ours!r} not {theirs!r}"),
        (dtype, lambda: _values(info, sample, ours, theirs)),
        ("state_dict", lambda: _state(ours, theirs)),
        (f"gradients {dtype}", lambda: _gradients(info, sample, ours, theirs)),
        ("copies", lambda: _copies(info, sample, ours, theirs)),
    ):
        fault = _guarded(look)
        if fault is not None:
            yield check, fault


def _guarded(look) -> Any:
    """What it finds; an exception of Kuai's is a fault."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the fault)
        text = str(error).splitlines()[0] if str(error) else ""
        return f"{type(error).__name__}: {text}"[:200]


# The same module and arguments on both sides ------------------------------------------------------


def _theirs(info, sample, dtype, training):
    made, given = sample.constructor_input, sample.forward_input
    module = info.module_cls(*made.args, **made.kwargs).to(getattr(torch, dtype)).train(training)
    if info.is_lazy:
        module(*given.args, **given.kwargs)
    copy.deepcopy(module)(*given.args, **given.kwargs)
    return module


def _ours(info, sample, theirs, dtype, training):
    module = _constructed(info, sample.constructor_input)
    module = module.to(getattr(kuai, dtype)).train(training)
    if info.is_lazy:
        args, keywords = arguments(sample.forward_input)
        module(*args, **keywords)
    translating.load(module, theirs)
    return module


def _constructed(info, made):
    args, keywords = arguments(made)
    return getattr(kuai.nn, info.name.removeprefix("nn."))(*args, **keywords)


def arguments(given: Any) -> tuple[tuple, dict]:
    """The arguments of a call, for Kuai."""
    return translating.to_kuai(tuple(given.args)), translating.to_kuai(dict(given.kwargs))


# What is compared ---------------------------------------------------------------------------------


def _values(info, sample, ours, theirs) -> str | None:
    """Outputs; running statistics change, so a copy is called."""
    args, keywords = arguments(sample.forward_input)
    given = sample.forward_input
    mine = copy.deepcopy(ours)(*args, **keywords)
    yours = copy.deepcopy(theirs)(*given.args, **given.kwargs)
    return difference(mine, yours, info.name in RANDOM)


def _state(ours, theirs) -> str | None:
    mine, yours = ours.state_dict(), theirs.state_dict()
    if list(mine) != list(yours):
        return f"{list(mine)} instead of {list(yours)}"
    named = [name for name, _ in theirs.named_parameters()]
    if [name for name, _ in ours.named_parameters()] != named:
        return f"parameters other than {named}"
    return difference(list(mine.values()), list(yours.values()))


def _gradients(info, sample, ours, theirs) -> str | None:
    """Of the inputs and the parameters, and the state after the call."""
    if info.name in RANDOM or info.name in OTHER_GRADIENTS:
        return None
    args, keywords = arguments(sample.forward_input)
    given = sample.forward_input
    yours = _differentiated(theirs, given.args, given.kwargs)
    mine = _differentiated(ours, args, keywords)
    for name, (one, other) in enumerate(zip(mine, yours, strict=True)):
        if one is None or other is None:
            rest = other if one is None else one
            fault = "missing" if rest is not None and bool((rest != 0).any()) else None
        else:
            fault = difference(one, other, looser=10)
        if fault:
            return f"of tensor {name}: {fault}"
    return _state(ours, theirs)


def _differentiated(module, args, keywords) -> list[Any]:
    inputs = [each for each in leaves([list(args), list(keywords.values())]) if is_tensor(each)]
    inputs = [each for each in inputs if each.requires_grad]
    for each in inputs:
        each.retain_grad()
    total = 0
    for output in leaves(module(*args, **keywords)):
        if is_tensor(output) and is_inexact(output.dtype) and output.requires_grad:
            total = total + (output * output).sum().abs()
    if is_tensor(total):
        total.backward()
    return [each.grad for each in [*inputs, *module.parameters()]]


def _copies(info, sample, ours, theirs) -> str | None:
    """A deep copy and an unpickled one have the same state and attributes' text."""
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        if repr(copied) != repr(ours) or copied.training != ours.training:
            return f"{copied!r}"
        fault = _state(copied, theirs)
        if fault:
            return fault
    return None


# Errors -------------------------------------------------------------------------------------------


def _of_errors(info) -> dict[str, str]:
    if info.module_error_inputs_func is None:
        return {}
    for training in (True, False):
        wrongs = info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=training
        )
        for number, wrong in enumerate(wrongs):
            fault = _of_error(info, wrong)
            if fault is not None:
                return {"errors": f"error {number}: {fault}"}
    return {}


def _of_error(info, wrong) -> str | None:
    sample = wrong.module_error_input
    try:
        module = _constructed(info, sample.constructor_input)
        if wrong.error_on == ModuleErrorEnum.FORWARD_ERROR:
            args, keywords = arguments(sample.forward_input)
            module(*args, **keywords)
    except Exception as error:  # noqa: BLE001 (it is compared)
        if not isinstance(error, wrong.error_type):
            return f"{type(error).__name__} instead of {wrong.error_type.__name__}: {error}"[:200]
        fits = re.search(wrong.error_regex, str(error))
        return None if fits else f"{str(error)!r} instead of {wrong.error_regex!r}"[:300]
    return f"no {wrong.error_type.__name__}: {wrong.error_regex}"[:200]

"""Kuai's derivatives of one entry of PyTorch's table against finite differences, in float64.

Each differentiable input x is moved by a number t along a random direction, and the outputs are
summed with random weights, so what is differentiated is a function of as many numbers as there are
inputs; a wrong element of the Jacobian is seen with probability 1. Then `gradcheck` compares the
first derivative in reverse mode, in forward mode where the table says that there is one, and
`gradgradcheck` the second derivative where the table says so. Where PyTorch's own check
of PyTorch's derivative fails as well (a kink, huge numbers), nothing is said.
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch.autograd.gradcheck import GradcheckError

import kuai
from tests.conformance import left_out, running, translating

DTYPES = ("float64", "complex128")

#: How far a derivative may be off, relatively and in units of 1.
TOLERANCES = {"rtol": 1e-4, "atol": 2e-5}

#: What the checks of the two libraries raise when a derivative is wrong.
ERRORS = (kuai.autograd.GradcheckError, GradcheckError)


def faults(entry: Any, samples: int, dtypes=DTYPES) -> tuple[dict[str, str], int]:
    """The first fault of each check, and how many checks there were."""
    found: dict[str, str] = {}
    count = 0
    if not entry.supports_autograd:
        return found, count
    for dtype, number, sample in running.spread(entry, dtypes, samples, True, _is_usable):
        function = _along_lines(kuai, entry, sample)
        if function is None:
            continue
        for check, verify in _checks(entry):
            count += 1
            fault = running.guarded(lambda v=verify, f=function: _outcome(kuai, v, *f))
            if fault is not None and _is_right_in_torch(verify, entry, sample):
                found.setdefault(f"{check} {dtype}", f"sample {number}: {fault}")
    name = running.name_of(entry)
    return {c: fault for c, fault in found.items() if left_out.meant(name, c) is None}, count


def _is_right_in_torch(verify, entry, sample) -> bool:
    function = _along_lines(torch, entry, sample)
    return running.guarded(lambda: _outcome(torch, verify, *function)) is None


def _is_usable(sample) -> bool:
    """Whether there is something to differentiate by, not too much, and not too large numbers."""
    given = running.tensors((sample.input, sample.args, sample.kwargs))
    moved = [tensor for tensor in given if tensor.requires_grad]
    is_near = all(bool((tensor.abs() < 1e5).all()) for tensor in moved)
    return is_near and 0 < sum(tensor.numel() for tensor in moved) < 1000


def _checks(entry):
    """What the table says about derivatives: a name, and how it is verified."""
    yield "first", lambda t, f, x: t.autograd.gradcheck(f, x, **TOLERANCES)
    if entry.supports_forward_ad:
        yield "forward", _forward
    if entry.supports_gradgrad:
        yield "second", lambda t, f, x: t.autograd.gradgradcheck(f, x, **TOLERANCES)


def _forward(t, function, places):
    t.autograd.gradcheck(
        function,
        places,
        check_forward_ad=True,
        check_backward_ad=False,
        check_undefined_grad=False,
        **TOLERANCES,
    )


def _outcome(t, verify, function, places):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            verify(t, function, places)
        except ERRORS as error:
            return " ".join(str(error).split())[:160]
    return None


def _along_lines(t, entry, sample):
    """The sample as a function of how far each differentiable input is moved, and where it is."""
    parts = (sample.input, sample.args, sample.kwargs)
    given = [each for each in running.tensors(parts) if each.requires_grad and each.numel()]
    given = list({id(each): each for each in given}.values())
    if not given:
        return None
    rng = np.random.default_rng(3)
    starts = _moved(t, parts, {})[1]
    lines = [(id(x), starts[id(x)], _random(t, rng, starts[id(x)])) for x in given]
    total = running.total_of(entry, sample, t)

    def function(*distances):
        t.manual_seed(0)
        moved = {
            key: start + distance * direction
            for distance, (key, start, direction) in zip(distances, lines, strict=True)
        }
        return total(*_moved(t, parts, moved)[0])

    places = [t.zeros((), dtype=t.float64, requires_grad=True) for _ in lines]
    total_there = function(*places)
    is_exact = total_there is not None and total_there.dtype == t.float64
    return (function, places) if is_exact else None


def _moved(t, parts, memo):
    """The parts of a sample for a library, some tensors replaced, and all its tensors by id."""
    memo = dict(memo)
    translate = translating.to_kuai if t is kuai else _replaced
    return [translate(part, memo) for part in parts], memo


def _replaced(value, memo):
    """A part of a sample with other tensors of PyTorch's in it."""
    if isinstance(value, torch.Tensor):
        return memo.setdefault(id(value), value)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [_replaced(part, memo) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: _replaced(part, memo) for key, part in value.items()}
    return value


def _random(t, rng, like):
    numbers = rng.uniform(-1, 1, tuple(like.shape))
    if like.dtype.is_complex:
        numbers = numbers + 1j * rng.uniform(-1, 1, tuple(like.shape))
    return t.tensor(numbers, dtype=like.dtype)

"""Kuai's derivatives of one entry of PyTorch's table against finite differences, in float64.

Each differentiable input x is moved by a number t along a random direction, and the outputs are
summed with random weights, so what is differentiated is a function of as many numbers as there are
inputs; a wrong element of the Jacobian is seen with probability 1. Then `gradcheck` compares the
first derivative in reverse mode, in forward mode where the table says that there is one, and
`gradgradcheck` the second derivative where the table says so.
"""

import warnings
from typing import Any

import numpy as np

import kuai
from tests.conformance import running, translating

DTYPES = ("float64", "complex128")

#: How far a derivative may be off, relatively and in units of 1.
TOLERANCES = {"rtol": 1e-4, "atol": 2e-5}


def faults(entry: Any, samples: int, dtypes=DTYPES) -> tuple[dict[str, str], int]:
    """The first fault of each check, and how many checks there were."""
    found: dict[str, str] = {}
    count = 0
    if not entry.supports_autograd:
        return found, count
    for dtype, number, sample in running.spread(entry, dtypes, samples, True, _is_usable):
        function = _along_lines(entry, sample)
        if function is None:
            continue
        for check, verify in _checks(entry):
            count += 1
            fault = running.guarded(lambda v=verify, f=function: _outcome(v, *f))
            if fault is not None:
                found.setdefault(f"{check} {dtype}", f"sample {number}: {fault}")
    return found, count


def _is_usable(sample) -> bool:
    """Whether there is something to differentiate by, and not so much that it takes long."""
    given = running.tensors((sample.input, sample.args, sample.kwargs))
    return 0 < sum(tensor.numel() for tensor in given if tensor.requires_grad) < 1000


def _checks(entry):
    """What the table says about derivatives: a name, and how it is verified."""
    yield "first", lambda f, x: kuai.autograd.gradcheck(f, x, **TOLERANCES)
    if entry.supports_forward_ad:
        yield (
            "forward",
            lambda f, x: kuai.autograd.gradcheck(
                f,
                x,
                check_forward_ad=True,
                check_backward_ad=False,
                check_undefined_grad=False,
                **TOLERANCES,
            ),
        )
    if entry.supports_gradgrad:
        yield "second", lambda f, x: kuai.autograd.gradgradcheck(f, x, **TOLERANCES)


def _outcome(verify, function, places):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            verify(function, places)
        except kuai.autograd.GradcheckError as error:
            return " ".join(str(error).split())[:160]
    return None


def _along_lines(entry, sample):
    """The sample as a function of how far each differentiable input is moved, and where it is."""
    _, memo = running.arguments(sample)
    given = [
        t
        for t in running.tensors((sample.input, sample.args, sample.kwargs))
        if t.requires_grad and t.numel()
    ]
    given = list({id(t): t for t in given}.values())
    if not given:
        return None
    rng = np.random.default_rng(3)
    lines = [(id(t), memo[id(t)].detach(), _random(rng, memo[id(t)])) for t in given]
    total = running.total_of(entry, sample)

    def function(*distances):
        kuai.manual_seed(0)
        memo = {
            key: start + distance * direction
            for distance, (key, start, direction) in zip(distances, lines, strict=True)
        }
        arguments = [
            translating.to_kuai(p, memo) for p in (sample.input, sample.args, sample.kwargs)
        ]
        return total(*arguments)

    places = [kuai.zeros((), dtype=kuai.float64, requires_grad=True) for _ in lines]
    return None if function(*places) is None else (function, places)


def _random(rng, like):
    numbers = rng.uniform(-1, 1, tuple(like.shape))
    if like.dtype.is_complex:
        numbers = numbers + 1j * rng.uniform(-1, 1, tuple(like.shape))
    return kuai.tensor(numbers, dtype=like.dtype)

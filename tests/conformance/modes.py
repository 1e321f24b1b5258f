"""One entry of PyTorch's table in Kuai's three ways: eagerly, recorded and replayed.

A sample is called eagerly and by `kuai.compile`, several times: first its Python runs and is
recorded, later calls are replayed where that was proven to be right. Two calls have the same
numbers and one has others, so that a number that was baked into a program shows. Values and
gradients, random numbers too, have to agree with those of the eager calls in the same order.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

import kuai
from tests.conformance import running, translating
from tests.conformance.comparing import wide

DTYPES = ("float32", "bfloat16", "int64", "complex64")

#: What each call's numbers are multiplied by.
CALLS = (1.0, 1.0, 1.0, 0.75, 1.0)

#: (relative, absolute) tolerance; the absolute one counts in units of the largest number.
TOLERANCES = {
    "float64": (1e-12, 1e-12),
    "float32": (2e-5, 2e-6),
    "complex64": (2e-5, 2e-6),
    "float16": (2e-3, 2e-3),
    "bfloat16": (1.6e-2, 1.6e-2),
}

#: How many times as far as an eager result moves when its inputs move by a rounding each: softmax
#: of scores of some hundreds has four digits in float32, whoever computes it. And how many times
#: the tolerance that may be at most.
SENSITIVE, MOST = 4, 10

#: What has no one result, by patterns of names: memory that nobody has written to.
OPEN = r"(new_)?empty.*"


def faults(entry: Any, samples: int, dtypes=DTYPES) -> tuple[dict[str, str], int, int]:
    """The first fault of each check, how many functions were compiled, how many replayed."""
    found: dict[str, str] = {}
    compiled = replayed = 0
    if re.fullmatch(OPEN, entry.name):
        return found, compiled, replayed
    for dtype, number, sample in running.spread(entry, dtypes, samples, True):
        for check, sequence in _checks(entry, sample, dtype):
            fault = _in_three_ways(sequence)
            compiled, replayed = compiled + 1, replayed + (sequence.replays > 0)
            if fault is not None:
                found.setdefault(f"{check} {dtype}", f"sample {number}: {fault}")
    return found, compiled, replayed


def _checks(entry, sample, dtype) -> Iterator[tuple[str, "_Sequence"]]:
    function = translating.function(entry.op)
    yield "values", _Sequence(function, sample, False)
    if dtype != "int64" and entry.supports_autograd:
        given = running.tensors((sample.input, sample.args, sample.kwargs))
        if any(tensor.requires_grad for tensor in given):
            yield "gradients", _Sequence(function, sample, True)


class _Sequence:
    """The same calls, in one way or another: `CALLS` says with which numbers.

    They get the same tensors, filled anew, because a function is replayed for tensors it knows.
    """

    def __init__(self, function, sample, gradients):
        self.function, self.sample, self.gradients = function, sample, gradients
        self.replays, self.reason = 0, None

    def results(self, compiled: bool, nudged: bool = False) -> list[Any]:
        arguments, memo = running.arguments(self.sample)
        step = _step(self.function, self.sample, arguments, self.gradients)
        way = kuai.compile(step) if compiled else step
        kuai.manual_seed(1)
        try:
            with kuai.set_grad_enabled(self.gradients):
                return [self._result(way, memo, scale, nudged) for scale in CALLS]
        finally:
            if compiled:
                self.replays, self.reason = way.replays.calls, way.replays.reason

    def _result(self, way, memo, scale, nudged):
        for given in running.tensors((self.sample.input, self.sample.args, self.sample.kwargs)):
            _fill(memo[id(given)], translating.tensor(given), scale, nudged)
        result = way()
        changed = [t.detach() for t in memo.values()]  # by a function that writes to them
        return list(_leaves((result, changed, [t.grad for t in memo.values()])))


def _step(function, sample, arguments, gradients):
    """A function without arguments: values, or a backward pass with a weight for each element."""
    first, rest, keywords = arguments
    if not gradients:
        return lambda: function(first, *rest, **keywords)
    trial, _ = running.arguments(sample)
    result = function(trial[0], *trial[1], **trial[2])
    if isinstance(result, kuai.Tensor):
        weights = weighting(result)
        return lambda: function(first, *rest, **keywords).backward(weights)

    def step():
        every = running.tensors(function(first, *rest, **keywords))
        outputs = [output for output in every if output.requires_grad]
        kuai.autograd.backward(outputs, [weighting(output) for output in outputs])

    return step


def weighting(output):
    """A weight of its own for each element."""
    numbers = kuai.arange(output.numel(), dtype=kuai.float32)
    return ((numbers * 0.37) % 1 + 0.5).to(output.dtype).reshape(output.shape).detach().clone()


def _fill(tensor, given, scale, nudged):
    """The numbers of a sample, or others that fit as well: a positive matrix stays one."""
    if given.dtype.is_floating_point or given.dtype.is_complex:
        given = given.detach() * scale
        if nudged:  # each to one side or the other by a rounding
            sides = kuai.arange(given.numel()).reshape(given.shape) % 2 * 2 - 1
            given = given * (1 + sides * kuai.finfo(given.dtype).eps).to(given.dtype)
    tensor.grad = None
    with kuai.no_grad():
        if tensor.shape != given.shape:  # after `squeeze_` and the like
            tensor.data = given
        elif given.numel():
            tensor.data.copy_(given)


def _leaves(value) -> Iterator[Any]:
    if isinstance(value, kuai.Tensor):
        yield (value.dtype, tuple(value.shape), value.requires_grad, value.detach().numpy())
    elif isinstance(value, (list, tuple)):
        yield type(value).__name__
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, dict):
        yield from _leaves(list(value.items()))
    else:
        yield value


def _in_three_ways(sequence) -> str | None:
    """The first difference from the eager calls."""
    wanted, found = _outcome(sequence, False), _outcome(sequence, True)
    if isinstance(wanted, str) or isinstance(found, str):
        same = str(wanted) == str(found)
        return None if same else f"{found} instead of {wanted}"[:160]
    fault = _first_difference(found, wanted, wanted)
    if fault is None or not any(map(_is_wide, wanted[0])):
        return fault
    nudged = _outcome(sequence, False, nudged=True)
    return fault if isinstance(nudged, str) else _first_difference(found, wanted, nudged)


def _is_wide(part) -> bool:
    return isinstance(part, tuple) and str(part[3].dtype) in ("float32", "float64", "complex64")


def _first_difference(found, wanted, nudged) -> str | None:
    for call, (one, other, near) in enumerate(zip(found, wanted, nudged, strict=True)):
        fault = _difference(one, other, near)
        if fault is not None:
            return f"call {call}: {fault}"
    return None


def _outcome(sequence, compiled, nudged=False):
    """The results of the calls, or the error."""
    try:
        return sequence.results(compiled, nudged)
    except Exception as error:  # noqa: BLE001 (it has to be the same in every way)
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _difference(found, wanted, nudged) -> str | None:
    if len(found) != len(wanted):
        return f"{len(found)} parts instead of {len(wanted)}"
    near = nudged if len(nudged) == len(wanted) else wanted
    for one, other, beside in zip(found, wanted, near, strict=True):
        if not isinstance(other, tuple):
            if one != other and one == one:
                return f"{one!r} instead of {other!r}"
        elif one[:3] != other[:3]:
            return f"{one[:3]} instead of {other[:3]}"
        elif fault := _of_numbers(one[3], other[3], _numbers_near(other, beside)):
            return fault
    return None


def _numbers_near(part, beside):
    """What an array has become when the inputs moved, where a rounding of them is a small step."""
    return beside[3] if _is_wide(part) and isinstance(beside, tuple) else part[3]


def _of_numbers(found, wanted, nudged) -> str | None:
    mine, yours = wide(found), wide(wanted)
    relative, absolute = TOLERANCES.get(str(wanted.dtype), (0, 0))
    absolute *= max(1.0, float(np.abs(yours[np.isfinite(yours)]).max(initial=0.0)))
    absolute += min(SENSITIVE * _distance(wide(nudged), yours), MOST * absolute)
    with np.errstate(all="ignore"):
        close = np.isclose(mine, yours, rtol=relative, atol=absolute, equal_nan=True)
    if close.all():
        return None
    place = tuple(int(i) for i in np.argwhere(~close)[0])
    return f"{mine[place]} instead of {yours[place]} at {place}"


def _distance(one, other) -> float:
    """How far apart two arrays are where both have finite numbers."""
    if one.shape != other.shape:
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.abs(one - other)
    return float(apart[np.isfinite(apart)].max(initial=0.0))

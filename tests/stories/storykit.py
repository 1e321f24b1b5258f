"""The kit of the stories: what a story is, how it is run, how two runs are compared.

A story is a generator that takes the library, torch or kuai, and a decorator. Everything it yields
is written down at once and must be the same in PyTorch, in eager Kuai and compiled:

    @story
    def weights_edited(t, compiled):
        net = fill(t, t.nn.Linear(3, 2))
        run = compiled(net.forward)
        for _ in range(3):
            yield run(t.ones(4, 3))
            net.weight.data.mul_(2)

The decorator is `kuai.compile` in the compiled run and does nothing in the others.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import random
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import kuai
from tests.compilations import compilations
from tests.rowkit import TOLERANCES

STORIES: dict[str, "Story"] = {}


@dataclasses.dataclass(frozen=True)
class Story:
    """One small program.

    Args:
        draws: it draws random numbers, which cannot agree with torch; shapes and types must.
        recompiles: False if nothing may be compiled after the second thing it yields.
        tolerance: (rtol, atol) of its float32 numbers, where the usual one is too strict.
    """

    name: str
    program: Callable[..., Iterator[Any]]
    draws: bool = False
    recompiles: bool = True
    tolerance: tuple[float, float] = TOLERANCES["float32"]


def story(program: Callable | None = None, **options: Any) -> Callable:
    """Register a story under the name of its file and its own."""
    if program is None:
        return functools.partial(story, **options)
    name = f"{program.__module__.rpartition('.')[2]}.{program.__name__}"
    if name in STORIES:
        raise ValueError(f"there are two stories named {name}")
    STORIES[name] = Story(name, program, **options)
    return program


# What stories are made of -------------------------------------------------------------------------


def numbers(t: Any, *shape: int, seed: int = 0, **options: Any) -> Any:
    """A tensor of the same normal float32 numbers in both libraries, in the default dtype."""
    drawn = np.random.RandomState(seed).standard_normal(shape)
    options.setdefault("dtype", t.get_default_dtype())
    return t.tensor(np.asarray(drawn, np.float32), **options)


def fill(t: Any, net: Any) -> Any:
    """Give a module the same weights in both libraries: they depend on name and shape alone."""
    with t.no_grad():
        for name, parameter in net.named_parameters():
            seed = zlib.crc32(f"{name}{tuple(parameter.shape)}".encode())
            parameter.copy_(numbers(t, *parameter.shape, seed=seed) * 0.5)
    return net


def mlp(t: Any) -> Any:
    """A small network from 3 to 2 features."""
    nn = t.nn
    return fill(t, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))


def mlp_with_momentum(t: Any) -> tuple[Any, Any]:
    """The same network, and its optimizer."""
    net = mlp(t)
    return net, t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


def linear(t: Any) -> Any:
    """One layer from 3 to 2 features."""
    return fill(t, t.nn.Linear(3, 2))


def batch(t: Any, seed: int = 0, size: int = 4) -> tuple[Any, Any]:
    """Inputs of 3 features and targets of 2."""
    return numbers(t, size, 3, seed=seed), numbers(t, size, 2, seed=seed + 100)


def mse(t: Any, found: Any, wanted: Any) -> Any:
    """The mean squared error, as a function that a step calls."""
    return t.nn.functional.mse_loss(found, wanted)


def train_step(t: Any, compiled: Callable, net: Any, optimizer: Any) -> Callable:
    """The usual step."""

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def everything(net: Any, *optimizers: Any) -> dict[str, Any]:
    """All the state of a network and its optimizers, by name."""
    found = dict(net.state_dict())
    for name, parameter in net.named_parameters():
        found[f"{name}.grad"] = parameter.grad
        for index, optimizer in enumerate(optimizers):
            state = optimizer.state.get(parameter, {})
            for key in sorted(state):
                found[f"{name}.{key} of optimizer {index}"] = state[key]
    for index, optimizer in enumerate(optimizers):
        found[f"lr of optimizer {index}"] = [group["lr"] for group in optimizer.param_groups]
    return found


def attempt(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """The result of a call, or the error that it raised."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error


def attempt_type(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """The same where the two libraries say the error in words of their own."""
    result = attempt(function, *args, **kwargs)
    return type(result).__name__ if isinstance(result, Exception) else result


def in_threads(*functions: Callable) -> list[Any]:
    """Run functions at the same time, each in a thread of its own; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        started = [pool.submit(function) for function in functions]
        return [future.result() for future in started]


def changed_and_back(call: Callable, change: Callable, back: Callable) -> Iterator[Any]:
    """What calls give that are replayed before something changes, after it, and when it is back."""
    for step, count in ((None, 5), (change, 3), (back, 3)):
        if step is not None:
            step()
        for _ in range(count):
            yield call()


# Running ------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Step:
    """What a story yielded, what it had printed, what was compiled."""

    yielded: Any
    printed: str
    programs: list[str]


def as_it_is(function: Callable | None = None, **options: Any) -> Callable:
    """The decorator of the runs that are not compiled."""
    return as_it_is if function is None else function


@functools.cache
def transcript(name: str, mode: str) -> list[Step]:
    """Run a story: mode is torch, eager, compiled or fused."""
    t = torch if mode == "torch" else kuai
    random.seed(0)
    np.random.seed(0)
    t.manual_seed(0)
    program = STORIES[name].program(t, kuai.compile if mode == "compiled" else as_it_is)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a story about warnings catches them itself
            with kuai.fused() if mode == "fused" else contextlib.nullcontext():
                return list(_steps(program))
    finally:
        t.set_default_dtype(t.float32)
        t.set_grad_enabled(True)


def _steps(program: Iterator[Any]) -> Iterator[Step]:
    while True:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), compilations() as programs:
            try:
                yielded = next(program)
            except StopIteration:
                return
        yield Step(written_down(yielded, {}), printed.getvalue(), programs)


# Writing down -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The numbers of a tensor or array, and all that is to be compared with them."""

    kind: str
    dtype: str
    shape: tuple[int, ...]
    values: np.ndarray = dataclasses.field(compare=False, repr=False)


def written_down(value: Any, known: dict[int, int]) -> Any:
    """A copy that later changes do not reach; a tensor that comes again is told as such."""
    if isinstance(value, (torch.Tensor, kuai.Tensor)):
        if id(value) in known:
            return f"tensor {known[id(value)]} again"
        known[id(value)] = len(known)
        return _tensor_written_down(value)
    if isinstance(value, np.ndarray):
        return Numbers("array", str(value.dtype), value.shape, np.array(value))
    if isinstance(value, BaseException):
        return (type(value).__name__, str(value).partition("\n")[0])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {"dataclass": type(value).__name__, **vars(value)}
    if isinstance(value, dict):
        pairs = [[written_down(part, known) for part in pair] for pair in value.items()]
        return (type(value).__name__, pairs)
    if isinstance(value, (list, tuple, collections.deque)):
        return (type(value).__name__, [written_down(part, known) for part in value])
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return value
    if type(value).__name__ in ("dtype", "device"):
        return str(value)
    raise TypeError(f"a story yields what can be compared, not {type(value).__name__}")


def _tensor_written_down(tensor: Any) -> Numbers:
    kind = type(tensor).__name__.replace("Buffer", "Tensor")  # a documented difference
    kind += " that requires grad" * tensor.requires_grad + ", a leaf" * tensor.is_leaf
    plain = tensor.detach().cpu()
    if str(plain.dtype) == "torch.bfloat16":
        plain = plain.float()
    # A plain tensor, because an own subclass may change what `numpy` does.
    values = np.array(plain.numpy())
    return Numbers(kind, str(tensor.dtype), tuple(tensor.shape), values)


# Comparing ----------------------------------------------------------------------------------------


def compare(name: str, found: list[Step], expected: list[Step], values: bool = True) -> None:
    """Assert that two runs of a story went the same way."""
    tolerance = STORIES[name].tolerance
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        where = f"{name}, yield {index}"
        _compare(ours.yielded, theirs.yielded, where, tolerance if values else None)
        if values:
            assert ours.printed == theirs.printed, f"{where}: printed"


def _compare(ours: Any, theirs: Any, where: str, tolerance: tuple[float, float] | None) -> None:
    assert type(ours) is type(theirs), f"{where}: {ours!r} instead of {theirs!r}"
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), f"{where}: {ours!r} instead of {theirs!r}"
        for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            _compare(our, their, f"{where}[{index}]", tolerance)
    elif isinstance(theirs, Numbers):
        assert ours == theirs, f"{where}: {ours!r} instead of {theirs!r}"
        _close(ours.values, theirs.values, where, tolerance)
    elif isinstance(theirs, (float, complex, np.inexact)):
        _close(ours, theirs, where, tolerance)
    elif tolerance is not None or isinstance(theirs, str):
        assert ours == theirs, f"{where}: {ours!r} instead of {theirs!r}"


def _close(ours: Any, theirs: Any, where: str, tolerance: tuple[float, float] | None) -> None:
    if tolerance is None:
        return
    rtol, atol = tolerance
    if np.asarray(theirs).dtype == np.float16:
        rtol, atol = TOLERANCES["float16"]
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True, err_msg=where)

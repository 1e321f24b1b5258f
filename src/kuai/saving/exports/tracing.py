"""A module as a pure function of its weights and inputs: what an exported program is traced from.

The module runs as it stands, in evaluation mode, with traced arrays in place of what its storages
hold. Nothing of it changes: storages are never written, and attributes that `forward` has set are
put back afterwards. What a program without state cannot do (draw random numbers, write to a buffer,
look at a value) is an error that names the line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from kuai.engine.autograd.tape import Node
from kuai.engine.autograd.tracing import Capture
from kuai.engine.compile.calling import line_of_error
from kuai.engine.tensor import Tensor, changes, modes, wrap
from kuai.engine.tensor.acceleration import accelerated
from kuai.engine.tensor.devices import device_of
from kuai.engine.tensor.portable import portable
from kuai.engine.tensor.randomness import generator_of
from kuai.engine.tensor.storage import Lost, Storage
from kuai.engine.tensor.views import value
from kuai.errors import (
    DataDependentError,
    ExportError,
    LeakedTensorError,
    drop_jax_note,
)
from kuai.nn.base.module import Module
from kuai.nn.parameter import is_lazy
from kuai.saving.exports.inputs import Inputs

__all__ = ["pure_function", "weights_of", "without_note"]

_VALUE_ERRORS = (
    DataDependentError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)


# The weights --------------------------------------------------------------------------------------


def weights_of(net: Module) -> dict[str, Storage]:
    """The storages of parameters and buffers, each under the first of its names."""
    tensors: dict[str, Tensor] = dict(net.named_parameters(remove_duplicate=False))
    tensors |= net.named_buffers(remove_duplicate=False)
    for name, tensor in tensors.items():
        if is_lazy(tensor):
            raise ExportError(
                f"{name!r} has no shape yet, because a lazy layer was never called. "
                "Call the net once on the example, then export it."
            )
    whole = {n: t._storage for n, t in tensors.items() if t._steps is None}
    views = {n: t._storage for n, t in tensors.items() if t._steps is not None}
    first = {storage: name for name, storage in reversed([*whole.items(), *views.items()])}
    return {name: s for name, s in (whole | views).items() if first[s] == name}


@contextlib.contextmanager
def without_note() -> Iterator[None]:
    """Errors pass without JAX's remark on its own frames."""
    try:
        yield
    except Exception as error:
        drop_jax_note(error)
        raise


# Tracing ------------------------------------------------------------------------------------------


class _Tracing(Capture):
    """A capture in which the weights are given and nothing outside may be written."""

    def __init__(self, device, given: dict[Storage, Any], names: dict[Storage, str]):
        super().__init__(device, Node("export", ()).sequence)
        self.given, self.names = given, names

    def shadow(self, storage: Storage) -> Storage:
        double = self.doubles.get(storage)
        if double is None:
            if isinstance(storage.held, Lost) or storage.home is not None:
                raise LeakedTensorError
            double = self.doubles[storage] = Storage(self.given.get(storage, storage.array), self)
        return double

    def write(self, storage: Storage, array) -> None:
        if storage is generator_of(self.device)._offset:
            raise ExportError(
                "A random number is drawn. An exported program has no random state: call dropout "
                "with training=self.training, or pass the random numbers as an input."
            )
        raise ExportError(
            f"{self.names.get(storage, 'A tensor from outside')} is written to. An exported "
            "program has no state: return the new value instead."
        )


def pure_function(net: Module, weights: dict[str, Storage], inputs: Inputs) -> Callable:
    """`net` as a function of a dict of its weights and of its own arguments, all of them arrays."""
    names = {storage: repr(name) for name, storage in weights.items()}

    def function(arrays: dict[str, Any], *args: Any, **kwargs: Any):
        given = {storage: arrays[name] for name, storage in weights.items()}
        device = device_of(next(iter(weights.values())).array if weights else None)
        capture = _Tracing(device, given, names)
        with _kept(net), modes.no_grad(), _for_any_machine(), _capturing(capture):
            tensors = map(wrap, jax.tree.leaves((args, kwargs)))
            args, kwargs = inputs.arranged(tensors, with_constants=True)
            with _explained():
                result = net(*args, **kwargs)
            return _plain(result)

    function.__name__ = function.__qualname__ = type(net).__name__
    return function


@contextlib.contextmanager
def _for_any_machine() -> Iterator[None]:
    with portable(), accelerated(False):
        yield


@contextlib.contextmanager
def _capturing(capture) -> Iterator[None]:
    before, modes.state.capture = modes.state.capture, capture
    try:
        yield
    finally:
        modes.state.capture = before
        capture.close()


@contextlib.contextmanager
def _kept(net: Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards every attribute of every module is what it was."""
    before = [(holder, dict(holder)) for module in net.modules() for holder in _holders(module)]
    for module in net.modules():
        vars(module)["training"] = False
    changes.touch()
    try:
        yield
    finally:
        for holder, contents in before:
            holder.clear()
            holder.update(contents)
        changes.touch()


def _holders(module: Module) -> list[dict]:
    own = vars(module)
    return [own, own["_parameters"], own["_buffers"], own["_modules"]]


def _plain(result: Any) -> Any:
    """Nested results as the tuples, lists and dicts of arrays that every program can return."""
    if isinstance(result, Tensor):
        return value(result)
    if isinstance(result, dict):
        return {key: _plain(part) for key, part in result.items()}
    if isinstance(result, (list, tuple)):
        return (list if isinstance(result, list) else tuple)(map(_plain, result))
    if result is None or isinstance(result, (bool, int, float, complex, jax.Array)):
        return result
    raise ExportError(
        f"The net returns a {type(result).__name__}. An exported program returns tensors, and "
        "tuples, lists and dicts of them."
    )


# Errors -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ExportError as error:
        error.args = (f"{error} It happens at {line_of_error(error)}.",)
        raise
    except _VALUE_ERRORS as error:
        drop_jax_note(error)
        raise ExportError(
            f"The net needs the value of a tensor at {line_of_error(error)}; an exported program "
            "is the same for all inputs. Keep the decision in the program: kuai.where, kuai.cond."
        ) from error
    except (jax.errors.InconclusiveDimensionOperation, TypeError) as error:
        drop_jax_note(error)
        if "_DimExpr" not in str(error) and isinstance(error, TypeError):
            raise
        raise ExportError(
            f"The net needs the number for a size that is left open, at {line_of_error(error)} "
            f"({str(error).splitlines()[0]}). Export it for the example's sizes with "
            "dynamic_batch=False, or name the sizes to leave open with dynamic_shapes."
        ) from error

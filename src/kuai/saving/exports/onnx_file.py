"""ONNX files, through jax2onnx.

The net is traced by Kuai and all calls in the trace are inlined, so the exporter sees nothing but
JAX's own primitives: while it works it replaces functions of `jax.numpy` by its own, and none of
those may get into Kuai's traces. The weights are inputs of the trace and become initialisers with
their `state_dict` names afterwards, so each is in the file once.

The exporter switches JAX's 64-bit mode off for its time, for the whole process: do not compute in
another thread meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from kuai.errors import ExportError
from kuai.nn.base.module import Module
from kuai.saving.atomic import write_atomically
from kuai.saving.exports.inputs import Input, Inputs
from kuai.saving.exports.onnx_graph import tidy
from kuai.saving.exports.tracing import pure_function, weights_of, without_note

__all__ = ["OPSET", "write_onnx"]

OPSET = 23
_LARGEST = 2**31 - 2**20  # what a protobuf message can hold, with some room for the graph
_KNOWN = frozenset("float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())


def write_onnx(net: Module, inputs: Inputs, path, output_names, opset: int) -> None:
    """Trace a net, convert the trace, and write the model to a file."""
    storages = weights_of(net)
    arrays = {name: np.asarray(storage.array) for name, storage in sorted(storages.items())}
    _check(arrays, inputs, path)
    exporter = _exporter()
    avals = {name: jax.ShapeDtypeStruct(a.shape, a.dtype) for name, a in arrays.items()}
    args, kwargs = inputs.arranged(inputs.avals(), with_constants=False)
    function = pure_function(net, storages, inputs)
    with without_note():
        trace, results = jax.make_jaxpr(function, return_shape=True)(avals, *args, **kwargs)
    every = [*(Input(n, a.shape, a.dtype) for n, a in arrays.items()), *inputs.inputs]
    names = _checked_names(output_names, results)
    try:
        model = _converted(exporter, trace, every, names, type(net).__name__, opset)
    except NotImplementedError as error:
        raise ExportError(
            f"jax2onnx cannot express the net: {error}. The other format, .zip, has no such limits."
        ) from error
    _finish(model, arrays, inputs)
    write_atomically(path, model.SerializeToString(deterministic=True))


def _exporter():
    try:
        import jax2onnx
        import onnx  # noqa: F401 (the exporter's own import of it may come late)
    except ImportError as error:
        raise ExportError(
            f"An .onnx file needs jax2onnx and onnx ({error}): pip install 'kuai-nn[onnx]'"
        ) from error
    return jax2onnx


def _check(arrays, inputs: Inputs, path) -> None:
    for name, dtype in [(n, a.dtype) for n, a in arrays.items()] + [
        (i.name, i.dtype) for i in inputs.inputs
    ]:
        if dtype.name not in _KNOWN:
            raise ExportError(
                f"{name!r} is {dtype.name}, which the ONNX exporter does not keep. Export "
                "net.float(), or use the other format, .zip."
            )
    if sum(array.nbytes for array in arrays.values()) > _LARGEST:
        raise ExportError(
            f"{os.fspath(path)!r} would be larger than 2 GB, which no .onnx file can be. Use the "
            "other format, .zip."
        )


# Conversion ---------------------------------------------------------------------------------------


def _converted(exporter, trace, every: Sequence[Input], output_names, name: str, opset: int):
    doubles = any(i.dtype == np.float64 for i in every)
    if doubles and any(i.dtype == np.float32 for i in every):
        raise ExportError("float32 and float64 in one net: the ONNX exporter keeps one of the two.")

    def function(*given):
        with jax.enable_x64(True):
            arrays = [
                jax.lax.convert_element_type(a, i.dtype)  # without 64 bits, int64 came as int32
                for a, i in zip(given, every, strict=True)
            ]
            return tuple(_evaluate(trace.jaxpr, trace.consts, arrays))

    specification = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in trace.in_avals]
    with _quiet("onnx_ir"):
        return exporter.to_onnx(
            function,
            specification,
            model_name=name,
            opset=opset,
            enable_double_precision=doubles,
            input_names=[i.name for i in every],
            output_names=list(output_names),
        )


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """No warnings in a library's log: it remarks on every value whose type it infers later."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _evaluate(jaxpr, constants, arguments) -> list[Any]:
    """The results of a trace, equation by equation, with the calls in it opened up."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))

    def read(atom):
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        inner = _called(equation)
        if inner is not None:
            made = _evaluate(inner.jaxpr, inner.consts, given)
        elif equation.primitive.name == "scan" and equation.params["reverse"]:
            made = _scanned_forward(equation, given)
        elif equation.primitive.name == "dot_general":
            made = [_dot(equation, *given)]
        else:
            parameters = equation.primitive.get_bind_params(equation.params)
            made = equation.primitive.bind(*given, **parameters)
            made = made if equation.primitive.multiple_results else [made]
        values.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _scanned_forward(equation, given):
    """A scan from the end to the start as one over reversed arrays, which ONNX has."""
    parameters = {**equation.primitive.get_bind_params(equation.params), "reverse": False}
    first = parameters["num_consts"] + parameters["num_carry"]
    given = [*given[:first], *(jax.lax.rev(array, (0,)) for array in given[first:])]
    made = equation.primitive.bind(*given, **parameters)
    carried = parameters["num_carry"]
    return [*made[:carried], *(jax.lax.rev(array, (0,)) for array in made[carried:])]


def _dot(equation, left, right):
    """A product; one that sums over nothing sums over a dimension of size one instead.

    jax2onnx 0.17 writes a wrong equation for it otherwise.
    """
    parameters = equation.primitive.get_bind_params(equation.params)
    contracted, batched = parameters["dimension_numbers"]
    if not contracted[0]:
        parameters["dimension_numbers"] = ((left.ndim,), (right.ndim,)), batched
        left = jax.lax.expand_dims(left, (left.ndim,))
        right = jax.lax.expand_dims(right, (right.ndim,))
    return equation.primitive.bind(left, right, **parameters)


def _called(equation):
    """The trace that an equation calls, if calling is all that it does."""
    name, parameters = equation.primitive.name, equation.params
    if name in ("jit", "pjit", "closed_call"):
        return parameters.get("jaxpr") or parameters.get("call_jaxpr")
    if name in ("custom_jvp_call", "custom_vjp_call"):
        return parameters["call_jaxpr"]
    return None


# The finished model -------------------------------------------------------------------------------


def _finish(model, arrays, inputs: Inputs) -> None:
    """Weights as initialisers, 64-bit inputs as such, a tidy graph, and a last check."""
    import onnx

    graph = model.graph
    kept = [i for i in graph.input if i.name not in arrays]
    del graph.input[:]
    graph.input.extend(kept)
    dtypes = {i.name: i.dtype for i in inputs.inputs}
    for found in graph.input:
        kind = onnx.helper.np_dtype_to_tensor_dtype(dtypes[found.name])
        found.type.tensor_type.elem_type = kind
    graph.initializer.extend(onnx.numpy_helper.from_array(a, name) for name, a in arrays.items())
    tidy(graph)
    model.producer_name, model.producer_version = "kuai", "jax2onnx"
    onnx.checker.check_model(model, full_check=True)


def _checked_names(given: Sequence[str] | None, results: Any) -> list[str]:
    """The results' names: `output`, or `output_1` and `output_logits` inside tuples and dicts."""
    paths, _ = jax.tree.flatten_with_path(results)
    if given is None:
        return ["_".join(["output", *(str(_key(key)) for key in path)]) for path, _ in paths]
    if len(given) != len(paths) or len(set(given)) != len(given):
        raise ValueError(
            f"{len(paths)} results need {len(paths)} different names, but output_names is "
            f"{list(given)}"
        )
    return list(given)


def _key(key):
    return getattr(key, "key", getattr(key, "idx", None))

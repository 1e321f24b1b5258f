"""Exported programs: a zip file with a StableHLO program, its weights, and what they are.

    manifest.json        the format's version, names, shapes and dtypes of inputs and weights
    program.jax          what `jax.export` serialises: StableHLO, and shapes of inputs and results
    weights.safetensors  the weights by their `state_dict` names, tied ones once

The program takes the dict of weights first, so they can be read lazily, replaced and shared.
Entries are stored as they are, in a fixed order and without a date: the same net gives the same
bytes.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy
from jax import export

from kuai.engine.tensor import Tensor, wrap
from kuai.engine.tensor.views import value
from kuai.errors import ExportError, printable
from kuai.nn.base.module import Module
from kuai.saving.archive import zip_into
from kuai.saving.atomic import replacing
from kuai.saving.exports.inputs import Inputs
from kuai.saving.exports.tracing import pure_function, weights_of, without_note

__all__ = [
    "FORMAT",
    "MANIFEST",
    "PROGRAM",
    "VERSION",
    "WEIGHTS",
    "ExportedProgram",
    "write_program",
]

MANIFEST, PROGRAM, WEIGHTS = "manifest.json", "program.jax", "weights.safetensors"
FORMAT = "kuai.export"
VERSION = 1
_LONGEST = 2000  # characters of what is printed


# Writing ------------------------------------------------------------------------------------------


def write_program(net: Module, inputs: Inputs, path, platforms) -> None:
    """Trace a net, lower it for the platforms, and write program and weights to a file."""
    storages = weights_of(net)
    arrays = {name: np.asarray(storage.array) for name, storage in storages.items()}
    avals = {name: jax.ShapeDtypeStruct(a.shape, a.dtype) for name, a in arrays.items()}
    args, kwargs = inputs.arranged(inputs.avals(), with_constants=False)
    function = jax.jit(pure_function(net, storages, inputs))
    try:
        with without_note(), _without_places():
            program = export.export(function, platforms=platforms)(avals, *args, **kwargs)
    except NotImplementedError as error:
        raise ExportError(
            f"The net does not lower for all of {', '.join(platforms)}: {error} "
            "Name those it is for with platforms=('cpu',)."
        ) from error
    entries = {
        MANIFEST: json.dumps(_manifest(net, inputs, arrays, program)).encode(),
        PROGRAM: bytes(program.serialize()),
        WEIGHTS: _packed(arrays),
    }
    with replacing(path) as file, zip_into(file) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """No file names and lines in the program: they differ from call to call, and are private."""
    before = jax.config.values["jax_traceback_in_locations_limit"]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    try:
        return safetensors.numpy.save(arrays)
    except safetensors.SafetensorError as error:
        raise ExportError(f"The weights do not fit into a safetensors file: {error}") from error


def _manifest(net, inputs, arrays, program) -> dict:
    parameters = {name for name, _ in net.named_parameters(remove_duplicate=False)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "net": type(net).__name__,
        "platforms": list(program.platforms),
        "inputs": [_described(i.name, i.shape, i.dtype) for i in inputs.inputs],
        "constants": {name: repr(constant) for name, constant in inputs.constants},
        "outputs": [_described(None, a.shape, a.dtype) for a in program.out_avals],
        "weights": [
            {**_described(name, a.shape, a.dtype), "parameter": name in parameters}
            for name, a in arrays.items()
        ],
    }


def _described(name, shape, dtype) -> dict:
    sizes = [size if isinstance(size, int) else str(size) for size in shape]
    return {**({"name": name} if name else {}), "shape": sizes, "dtype": str(dtype)}


# Calling ------------------------------------------------------------------------------------------


class ExportedProgram:
    """A program that `kuai.export` wrote: call it as the net, with tensors or arrays.

    Attributes:
        weights: the weights by name, as tensors; others of the same shapes may take their place.
        manifest: what the file says of its inputs, results, weights and platforms.
    """

    def __init__(self, program: export.Exported, weights: dict[str, Tensor], manifest: dict):
        self.weights = weights
        self.manifest = manifest
        self._call = jax.jit(program.call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        weights = {name: value(tensor) for name, tensor in self.weights.items()}
        args, kwargs = jax.tree.map(
            _array_of, (args, kwargs), is_leaf=lambda leaf: isinstance(leaf, Tensor)
        )
        return jax.tree.map(wrap, self._call(weights, *args, **kwargs))

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{i['name']} {i['dtype']}[{', '.join(map(str, i['shape']))}]"
            for i in self.manifest["inputs"]
        )
        return printable(f"ExportedProgram({self.manifest['net']}: {inputs})", _LONGEST)


def _array_of(leaf):
    if isinstance(leaf, Tensor):
        return value(leaf)
    # Plain Python values are part of the program, where it has None.
    return leaf if isinstance(leaf, (jax.Array, np.ndarray)) else None

"""Exported programs that nobody should write: refused before anything of them is used."""

import dataclasses
import io
import json
import os
import random
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from jax import export
from jax._src.export import serialization, serialization_generated as flat
from jax.extend import mlir

import kuai
from kuai import nn
from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.exports import checks, surveying
from tests.saving import mutations

COUNT = int(os.environ.get("KUAI_MUTATIONS", "100"))
PLAIN = export.export(jax.jit(lambda weights, x: x + 1), platforms=["cpu"])(
    {}, jax.ShapeDtypeStruct((2,), jnp.float32)
)
TYPE = "tensor<2xf32>"
MAIN = f"func.func public @main(%a: {TYPE}) -> {TYPE} "
MANIFEST = {
    "format": "kuai.export",
    "version": 1,
    "net": "Net",
    "platforms": ["cpu"],
    "inputs": [{"name": "x", "shape": [2], "dtype": "float32"}],
    "constants": {},
    "outputs": [{"shape": [2], "dtype": "float32"}],
    "weights": [],
}


def program_of(text: str, **changes) -> bytes:
    """A program of this StableHLO text, with which JAX is told what `PLAIN` has."""
    code = mlir.serialize_portable_artifact(f"module {{ {text} }}", "1.8.0")
    changed = dataclasses.replace(PLAIN, mlir_module_serialized=code, **changes)
    return bytes(changed.serialize())


def written(folder, program: bytes, arrays=None, **manifest):
    path = folder / "net.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("manifest.json", json.dumps({**MANIFEST, **manifest}))
        made.writestr("program.jax", program)
        made.writestr("weights.safetensors", safetensors.numpy.save(arrays or {}))
    return path


@pytest.fixture
def same_process(monkeypatch):
    """What is in a program is found out here: a process for each test would take a minute."""
    monkeypatch.setattr(checks, "_surveyed", surveying.survey)


def calling(target: str) -> str:
    call = f'stablehlo.custom_call @"{target}"(%a) {{api_version = 4 : i32}} : ({TYPE}) -> {TYPE}'
    return MAIN + f"{{ %0 = {call} return %0 : {TYPE} }}"


def chain(count: int, calls: int) -> str:
    """Functions that call the next one `calls` times each."""
    functions = []
    for number in range(count):
        lines = [
            f"%{k} = call @f{number + 1}({f'%{k - 1}' if k else '%a'}) : ({TYPE}) -> {TYPE}"
            for k in range(calls)
        ]
        body = " ".join([*lines, f"return %{calls - 1} : {TYPE}"])
        functions.append(f"func.func private @f{number}(%a: {TYPE}) -> {TYPE} {{ {body} }}")
    functions.append(f"func.func private @f{count}(%a: {TYPE}) -> {TYPE} {{ return %a : {TYPE} }}")
    main = MAIN + f"{{ %0 = call @f0(%a) : ({TYPE}) -> {TYPE} return %0 : {TYPE} }}"
    return " ".join([main, *functions])


def test_the_kit_makes_honest_programs_too(tmp_path):
    program = program_of(MAIN + f"{{ %0 = stablehlo.add %a, %a : {TYPE} return %0 : {TYPE} }}")
    loaded = kuai.load_exported(written(tmp_path, program))
    assert loaded(kuai.ones(2)).tolist() == [2, 2]


CALLBACKS = ["xla_ffi_python_cpu_callback", "xla_python_cpu_callback", "lapack_spotrf_ffi"]


@pytest.mark.parametrize("target", CALLBACKS)
def test_compiled_code_is_not_called(target, tmp_path, same_process):
    path = written(tmp_path, program_of(calling(target)))
    with pytest.raises(UnsafeFileError, match=rf"net\.zip was not loaded: .*calls '{target}'"):
        kuai.load_exported(path)


def test_compiled_code_that_the_caller_allows(tmp_path, same_process):
    path = tmp_path / "net.zip"

    class Cholesky(nn.Module):
        def forward(self, x):
            return kuai.linalg.cholesky(x)

    kuai.export(Cholesky(), kuai.eye(3), path, dynamic_batch=False)
    with pytest.raises(UnsafeFileError, match=r"calls '.*custom_calls=\["):
        kuai.load_exported(path)
    found = kuai.load_exported(path, custom_calls=["lapack_spotrf_ffi", "cusolver_potrf_ffi"])
    assert found(4 * kuai.eye(3)).tolist() == (2 * kuai.eye(3)).tolist()


def test_what_the_list_of_calls_has():
    """Nothing that is registered as code in this process."""
    assert all(name.startswith(("stablehlo.", "shape_")) for name in checks.CUSTOM_CALLS)
    assert not any("callback" in name for name in checks.CUSTOM_CALLS)


UNVERIFIED = {
    "a function that calls itself": MAIN
    + f"{{ %0 = call @main(%a) : ({TYPE}) -> {TYPE} return %0 : {TYPE} }}",
    "calls too deep": chain(200, 1),
    "no main": f"func.func public @other(%a: {TYPE}) -> {TYPE} {{ return %a : {TYPE} }}",
    "a result of another size": f"func.func public @main(%a: {TYPE}) -> tensor<3xf32> "
    "{ %0 = stablehlo.constant dense<1.0> : tensor<3xf32> return %0 : tensor<3xf32> }",
    "an argument of another type": "func.func public @main(%a: tensor<2xi32>) -> tensor<2xf32> "
    "{ %0 = stablehlo.convert %a : (tensor<2xi32>) -> tensor<2xf32> return %0 : tensor<2xf32> }",
    "an argument too many": f"func.func public @main(%a: {TYPE}, %b: {TYPE}) -> {TYPE} "
    f"{{ return %a : {TYPE} }}",
    "an enormous tensor": MAIN
    + "{ %0 = stablehlo.iota dim = 0 : tensor<4611686018427387904x4xf32> "
    + "%1 = stablehlo.slice %0 [0:2, 0:1] : (tensor<4611686018427387904x4xf32>) -> tensor<2x1xf32> "
    + f"%2 = stablehlo.reshape %1 : (tensor<2x1xf32>) -> {TYPE} return %2 : {TYPE} }}",
}


@pytest.mark.parametrize("kind", UNVERIFIED)
def test_programs_that_cannot_be_verified(kind, tmp_path, same_process):
    path = written(tmp_path, program_of(UNVERIFIED[kind]))
    with pytest.raises(BrokenFileError, match=r"net\.zip is not a program that kuai\.export wrote"):
        kuai.load_exported(path)


UNSAFE = {
    "more than 1000000 operations": chain(30, 3),
    "stablehlo.partition_id": MAIN
    + '{ %0 = "stablehlo.partition_id"() : () -> tensor<ui32> '
    + "%1 = stablehlo.convert %0 : (tensor<ui32>) -> tensor<f32> "
    + f"%2 = stablehlo.broadcast_in_dim %1, dims = [] : (tensor<f32>) -> {TYPE} "
    + f"return %2 : {TYPE} }}",
}


@pytest.mark.parametrize("reason", UNSAFE)
def test_programs_that_do_more_than_compute(reason, tmp_path, same_process):
    path = written(tmp_path, program_of(UNSAFE[reason]))
    with pytest.raises(UnsafeFileError, match=rf"net\.zip was not loaded: .*{reason}"):
        kuai.load_exported(path)


def test_what_stands_beside_a_program(tmp_path, same_process):
    text = MAIN + f"{{ return %a : {TYPE} }}"
    check = export.DisabledSafetyCheck.custom_call("xla_python_cpu_callback")
    path = written(tmp_path, program_of(text, nr_devices=2, disabled_safety_checks=(check,)))
    with pytest.raises(UnsafeFileError, match="has several devices, switched-off checks"):
        kuai.load_exported(path)


def laughing(builder, _) -> int:
    """Arguments in tuples in tuples, ten times the tuple before."""
    flat.PyTreeDefStart(builder)
    flat.PyTreeDefAddKind(builder, flat.PyTreeDefKind.none)
    tree = flat.PyTreeDefEnd(builder)
    for _ in range(30):
        flat.PyTreeDefStartChildrenVector(builder, 10)
        for _ in range(10):
            builder.PrependUOffsetTRelative(tree)
        children = builder.EndVector()
        flat.PyTreeDefStart(builder)
        flat.PyTreeDefAddKind(builder, flat.PyTreeDefKind.tuple)
        flat.PyTreeDefAddChildren(builder, children)
        tree = flat.PyTreeDefEnd(builder)
    return tree


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are Linux's")
def test_a_billion_laughs_in_the_arguments(tmp_path, monkeypatch):
    """The process that reads them may not go on for ever, nor take more than it is given."""
    with monkeypatch.context() as patched:
        patched.setattr(serialization, "_serialize_pytreedef", laughing)
        program = bytes(PLAIN.serialize())
    with pytest.raises(BrokenFileError, match="reading it ends the process, or takes too long"):
        kuai.load_exported(written(tmp_path, program))


def test_a_program_that_ends_its_reader_is_refused(tmp_path, monkeypatch):
    """Whatever ends the process that tries it: this one goes on."""
    surveyor = tmp_path / "surveyor.py"
    monkeypatch.setattr(checks, "_SURVEYOR", surveyor)
    path = written(tmp_path, program_of(MAIN + f"{{ return %a : {TYPE} }}"))
    for code in (
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
    ):
        surveyor.write_text(code)
        with pytest.raises(BrokenFileError, match="reading it ends the process, or takes too long"):
            kuai.load_exported(path)


def test_where_nothing_can_be_verified_nothing_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "")
    with pytest.raises(UnsafeFileError, match="no Python interpreter here that could verify it"):
        kuai.load_exported(written(tmp_path, bytes(PLAIN.serialize())))


# The rest of the file -----------------------------------------------------------------------------

ARRAY = {"name": "w", "shape": [2], "dtype": "float32"}
MANIFESTS = {
    "another format": {"format": "zip"},
    "a later version": {"version": 2},
    "a version that is none": {"version": "1"},
    "inputs that are no list": {"inputs": 3},
    "inputs without a name": {"inputs": [{"shape": [], "dtype": "float32"}]},
    "inputs without a shape": {"inputs": [{"name": "x", "dtype": "float32"}]},
    "a shape of lists": {"inputs": [{"name": "x", "shape": [[]], "dtype": "float32"}]},
    "a net that is no name": {"net": ["Net"]},
    "weights that are not there": {"weights": [ARRAY]},
    "no outputs": {"outputs": None},
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_manifests_that_make_no_sense(kind, tmp_path, same_process):
    path = written(tmp_path, bytes(PLAIN.serialize()), **MANIFESTS[kind])
    with pytest.raises(BrokenFileError, match=r"net\.zip is not a program"):
        kuai.load_exported(path)


@pytest.mark.parametrize("kind", ["O", "S4", "M8[s]", "f4,f4", "float64", "float"])
def test_weights_of_other_types(kind, tmp_path, same_process):
    described = [{**ARRAY, "dtype": kind}]
    weights = {"w": np.ones(2, np.float32)}
    path = written(tmp_path, bytes(PLAIN.serialize()), weights, weights=described)
    with pytest.raises(BrokenFileError, match=r"net\.zip is not a program"):
        kuai.load_exported(path)


def test_weights_that_the_program_does_not_take(tmp_path, same_process):
    weights = {"w": np.ones(2, np.float32)}
    path = written(tmp_path, bytes(PLAIN.serialize()), weights, weights=[ARRAY])
    with pytest.raises(BrokenFileError, match="takes other weights than there are"):
        kuai.load_exported(path)


def test_names_of_a_file_are_printed_escaped_and_cut(tmp_path, same_process):
    named = [{"name": "\x1b[31m" * 1000, "shape": [2], "dtype": "float32"}]
    path = written(tmp_path, bytes(PLAIN.serialize()), net="N\u202e\n" * 1000, inputs=named)
    shown = repr(kuai.load_exported(path))
    assert shown.isprintable() and len(shown) < 20_000


def test_entries_that_are_missing(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as made:
        made.writestr("manifest.json", json.dumps(MANIFEST))
    with pytest.raises(BrokenFileError, match="an entry is missing"):
        kuai.load_exported(tmp_path / "net.zip")


# Mutations ----------------------------------------------------------------------------------------


def honest(folder) -> dict[str, bytes]:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    kuai.export(net, kuai.ones(2, 3), folder / "net.zip")
    with zipfile.ZipFile(folder / "net.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load_or_refuse(path, content: bytes) -> bool:
    """Whether it was refused, with the file's name."""
    path.write_bytes(content)
    try:
        repr(kuai.load_exported(path))
    except FileFormatError as error:
        assert path.name in str(error) and str(error).isprintable()
        return True
    return False


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def mutant(entries: dict[str, bytes], chance: random.Random) -> bytes:
    """The archive, the manifest or the weights with something changed."""
    whole = zipped(entries)
    kind = chance.randrange(4)
    if kind == 0:
        return mutations.any_bytes(whole, chance)
    if kind == 1:
        return mutations.zip_fields(whole, chance)
    if kind == 2:
        text = mutations.json_text(json.loads(entries["manifest.json"]), chance)
        return zipped({**entries, "manifest.json": text})
    weights = mutations.with_header(entries["weights.safetensors"], chance)
    return zipped({**entries, "weights.safetensors": weights})


def test_mutated_exports(tmp_path, monkeypatch):
    """The program stays as it is, and was found to be right, which takes most of the time."""
    entries = honest(tmp_path)
    found = checks._surveyed(entries["program.jax"])
    program = entries["program.jax"]

    def surveyed(content):
        assert content == program  # its checksum says so
        return found

    monkeypatch.setattr(checks, "_surveyed", surveyed)
    refused = sum(
        load_or_refuse(tmp_path / "net.zip", mutant(entries, random.Random(seed)))
        for seed in range(COUNT)
    )
    assert refused > COUNT // 4


def test_mutated_programs(tmp_path):
    entries = honest(tmp_path)
    for seed in range(1, 1 + COUNT // 30):
        program = mutations.any_bytes(entries["program.jax"], random.Random(seed))
        load_or_refuse(tmp_path / "net.zip", zipped({**entries, "program.jax": program}))


def test_the_survey_of_a_program(tmp_path):
    found = surveying.survey(honest(tmp_path)["program.jax"])
    assert found["custom_calls"] == ["shape_assertion"] and found["extras"] == []
    assert {"func.call", "stablehlo.dot_general"} <= set(found["operations"])
    assert found["arguments"][-1] == "tensor<?x3xf32>" and found["results"] == ["tensor<?x2xf32>"]

"""A public operation, layer, loss, optimizer or scheduler that no row calls fails here.

A row calls what its name says, and what its function asks a module or a tensor for; a word that
stands in a file for another reason is no test. An operation may have several names (a function, a
method, aliases); one of them has to be called.
"""

import ast
import pathlib
import re
import types

import torch

import kuai
from kuai import nn, optim
from kuai.engine.op import REGISTRY
from tests.optim import test_lr_scheduler, test_trajectories
from tests.test_rows import ROWS

TESTS = pathlib.Path(__file__).parent

#: What no row can say, for it takes functions, gives no tensors or is a frame for others; and the
#: file that tests it.
ELSEWHERE = {
    "scan": "ops/test_control_flow.py",
    "while_loop": "ops/test_control_flow.py",
    "LinAlgError": "ops/test_matrix_checks.py",
    "from_dlpack": "ops/test_creation.py",
    "record_stream": "engine/test_devices.py",
    "from_numpy": "ops/test_creation.py",
    "numpy": "ops/test_creation.py",
    "cuda": "engine/test_devices.py",
    "upsample": "nn/test_vision.py",
    "upsample_bilinear": "nn/test_vision.py",
    "upsample_nearest": "nn/test_vision.py",
    "grouped_mm": "ops/test_grouped.py",
    "Container": "nn/test_deprecated.py",
    "NLLLoss2d": "nn/test_deprecated.py",
    "Module": "nn/test_module.py",
    "ModuleDict": "nn/test_containers.py",
    "ModuleList": "nn/test_containers.py",
    "Sequential": "nn/test_containers.py",
    "ParameterDict": "nn/test_parameter_containers.py",
    "ParameterList": "nn/test_parameter_containers.py",
    "FunctionalOptimizer": "optim/test_optimizer.py",
    "Adafactor": "optim/test_adafactor.py",
    "LBFGS": "optim/test_lbfgs.py",
    "Muon": "optim/test_muon.py",
    "SparseAdam": "optim/test_sparse_adam.py",
    "Optimizer": "optim/test_optimizer.py",
    "ReduceLROnPlateau": "optim/test_lr_scheduler.py",
}
BASES = {"RNNBase", "RNNCellBase", "LRScheduler", "_LRScheduler"}


def asked_for(code):
    """The names that a function, and those inside it, take from modules and objects."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from asked_for(constant)


def called(function):
    """As `asked_for`; where the function gets a name from the one around it, that too."""
    yield from asked_for(function.__code__)
    for cell in function.__closure__ or ():
        value = cell.cell_contents
        if isinstance(value, str):
            yield from value.split(".")
        elif isinstance(value, types.FunctionType):
            yield from called(value)


def named(row):
    yield from re.findall(r"\w+", row.name)
    yield from called(row.call)


CALLED = {name for row in ROWS for name in named(row)}
STEPPED = {name for name, _ in test_trajectories.CASES}
SCHEDULED = {name for case in test_lr_scheduler.CASES.values() for name in called(case)}


def names_of_operations():
    scopes = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
    groups = {}
    for scope in scopes:
        for name, public in scope.items():
            groups.setdefault(id(public), set()).add(name)
    return groups.values()


def classes_of(module, kind):
    things = {name: getattr(module, name) for name in dir(module)}  # loaded late or not
    return {n for n, c in things.items() if isinstance(c, type) and issubclass(c, kind)}


def test_every_operation_is_called_by_a_row():
    def has_row(names):
        plain = {name.rstrip("_") for name in names} if all(map(in_place, names)) else set()
        return (names | plain) & (CALLED | set(ELSEWHERE))

    def in_place(name):
        return name.endswith("_")

    missing = [sorted(names) for names in names_of_operations() if not has_row(names)]
    assert not missing, f"no row calls {sorted(missing)}"


def test_every_layer_is_called_by_a_row():
    assert not classes_of(nn, nn.Module) - CALLED - BASES - set(ELSEWHERE)


def test_every_optimizer_has_a_trajectory():
    assert not classes_of(optim, optim.Optimizer) - STEPPED - set(ELSEWHERE)


def test_every_scheduler_has_a_case():
    scheduler = optim.lr_scheduler
    assert not classes_of(scheduler, scheduler.LRScheduler) - SCHEDULED - BASES - set(ELSEWHERE)


def test_what_is_tested_elsewhere_is_and_needs_to_be():
    for name, file in ELSEWHERE.items():
        assert name in names_in(TESTS / file), f"{file} does not use {name}"
    assert not set(ELSEWHERE) & (CALLED | STEPPED | SCHEDULED)


def names_in(path):
    """The names that a file's code uses, or has as a text of their own; not what comments say."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for part in ("id", "attr", "value"):
            yield getattr(node, part, None)


def test_every_name_is_pytorchs_or_documented():
    text = (TESTS.parent / "docs" / "differences.md").read_text()
    scopes = {
        torch: (REGISTRY.functions, kuai.__all__),
        torch.Tensor: (REGISTRY.methods,),
        torch.nn.functional: (REGISTRY.functional,),
    }
    for theirs, ours in scopes.items():
        for name in {name for scope in ours for name in scope}:
            is_module = isinstance(getattr(kuai, name, None), types.ModuleType)
            known = hasattr(theirs, name) or is_module or name.endswith("_")
            assert known or name in text, f"{name} is no name of {theirs}, and not documented"

"""A public operation, layer, loss or optimizer that no row or test names fails here.

An operation may have several names (a function, a method, aliases); one of them has to be named.
"""

import pathlib
import re
import types

import torch

import kuai
from kuai import nn, optim
from kuai.engine.op import REGISTRY
from tests.test_rows import ROWS

TESTS = pathlib.Path(__file__).parent
PATHS = [*TESTS.glob("rows/*.py"), *TESTS.glob("*/test_*.py")]
TEXTS = [path.read_text() for path in PATHS] + [row.name for row in ROWS]
WORDS = set(re.findall(r"\w+", " ".join(TEXTS)))
BASES = {"RNNBase", "RNNCellBase", "LRScheduler"}


def names_of_operations():
    scopes = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
    groups = {}
    for scope in scopes:
        for name, public in scope.items():
            groups.setdefault(id(public), set()).add(name)
    return groups.values()


def test_every_operation_is_named():
    missing = [names for names in names_of_operations() if not names & WORDS]
    in_place = [names for names in missing if all(name.endswith("_") for name in names)]
    unnamed = [n for n in in_place if not {name.rstrip("_") for name in n} & WORDS]
    missing = [names for names in missing if names not in in_place] + unnamed
    assert not missing, f"no row names {sorted(map(sorted, missing))}"


def test_every_layer_is_named():
    classes = [n for n, c in vars(nn).items() if isinstance(c, type) and issubclass(c, nn.Module)]
    assert not set(classes) - WORDS - BASES


def test_every_optimizer_is_named():
    scopes = vars(optim), vars(optim.lr_scheduler)
    classes = [n for scope in scopes for n, c in scope.items() if isinstance(c, type)]
    assert not set(classes) - WORDS - BASES


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

"""What runs in which precision under autocast, name by name against both of PyTorch's tables.

PyTorch itself says what is right: on the CPU it runs; for GPUs it is asked about tensors without
values, which no GPU is needed for. Kuai runs on the CPU under either table.
"""

import contextlib
import logging
from itertools import product

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import kuai
from kuai.engine.op import Array, autocast, op
from tests.amp.autocast_calls import CALLS, INTERNAL, OTHERS

LOWER = {"cpu": "bfloat16", "cuda": "float16"}


def names_in(table):
    key = {"cpu": "AutocastCPU", "cuda": "AutocastCUDA"}[table]
    names = torch._C._dispatch_get_all_op_names()
    there = [n for n in names if torch._C._dispatch_has_kernel_for_dispatch_key(n, key)]
    return {name.partition("::")[2].partition(".")[0] for name in there}


#: Layers whose GPU kernels PyTorch cannot describe without values; its table has them in float16.
RECURRENT = {"lstm_cell", "gru_cell", "lstm", "gru", "rnn"}
#: (The same is so of `covariances`, which look at their values.)
ASKED = [(name, "cpu") for name in CALLS | OTHERS]
ASKED += [
    (name, "cuda")
    for name in sorted((names_in("cuda") & set(CALLS) | set(OTHERS)) - RECURRENT - {"covariances"})
]


@contextlib.contextmanager
def autocast_of(t, table):
    """Autocast by one of the tables, wherever the tensors lie."""
    if t is kuai:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(autocast.TABLES, "cpu", table)
            with kuai.autocast("cpu", dtype=getattr(kuai, LOWER[table])):
                yield
        return
    before = torch.is_autocast_enabled(table), torch.get_autocast_dtype(table)
    torch.set_autocast_enabled(table, True)
    torch.set_autocast_dtype(table, getattr(torch, LOWER[table]))
    torch.set_autocast_cache_enabled(False)  # it cannot hold tensors without values
    try:
        with FakeTensorMode() if table == "cuda" else contextlib.nullcontext():
            yield
    finally:
        torch.set_autocast_cache_enabled(True)
        torch.set_autocast_enabled(table, before[0])
        torch.set_autocast_dtype(table, before[1])


def dtypes_of(t, call, table, kinds):
    """The dtypes of the results of a call with matrices of these dtypes, or what is raised."""
    device = "cpu" if t is kuai else table
    with t.no_grad(), autocast_of(t, table):
        a, b = (
            t.linspace(0.1, 0.9, 16, device=device).reshape(4, 4).to(getattr(t, kind))
            for kind in kinds
        )
        try:
            return dtypes_in(call(t, a, b, t.arange(4, device=device)))
        except (RuntimeError, TypeError) as error:
            return error


def dtypes_in(made):
    if isinstance(made, (tuple, list)):
        return [dtype for part in made for dtype in dtypes_in(part)]
    return [str(made.dtype)]


@pytest.fixture(autouse=True)
def quiet():
    """No reports of calls that PyTorch cannot make without values."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "table"), ASKED)
def test_as_pytorchs_table_says(name, table):
    call, half, answers = (CALLS | OTHERS)[name], LOWER[table], 0
    for kinds in product(("float32", half), repeat=2):
        expected = dtypes_of(torch, call, table, kinds)
        if not isinstance(expected, Exception):
            assert dtypes_of(kuai, call, table, kinds) == expected, kinds
        elif "unsafe to autocast" in str(expected):
            assert str(dtypes_of(kuai, call, table, kinds)) == str(expected)
        else:
            continue
        answers += 1
    assert answers


@pytest.mark.parametrize("name", sorted(RECURRENT))
def test_recurrent_layers_are_in_the_lower_precision_on_a_gpu(name):
    for kinds in product(("float32", "float16"), repeat=2):
        assert set(dtypes_of(kuai, (CALLS | OTHERS)[name], "cuda", kinds)) == {"torch.float16"}


@pytest.mark.parametrize("table", ["cpu", "cuda"])
def test_every_name_in_the_table_is_called(table):
    scopes = {"linalg": kuai.linalg, "fft": getattr(kuai, "fft", None)}
    for name in names_in(table) - set(CALLS) - INTERNAL:
        scope, _, rest = name.partition("_")
        places = [kuai, kuai.nn.functional] if scope not in scopes else [scopes[scope]]
        there = [p for p in places if hasattr(p, rest if scope in scopes else name)]
        assert not there, f"Kuai has {name} by now: it belongs into CALLS"


def test_every_choice_is_one_of_a_table():
    @op(function=False, method=False, autocast={"cpu": "float32"})
    def doubled(x: Array):
        return x * 2

    half = kuai.ones(2, dtype=kuai.bfloat16)
    with autocast_of(kuai, "cpu"):
        assert doubled(half).dtype is kuai.float32
    with autocast_of(kuai, "cuda"):
        assert doubled(half).dtype is kuai.bfloat16
    for wrong in ("upper", {"cpu": "upper"}, {"abacus": "lower"}):
        with pytest.raises(ValueError, match="no such table or choice"):
            op(function=False, method=False, autocast=wrong)(doubled.pure)

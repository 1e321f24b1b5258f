"""Calls that fit no signature: PyTorch's kind of error and text, and no frame but the user's."""

import re
import traceback
import warnings

import pytest
import torch

import kuai

#: Functions whose every call is refused, or that ask the machine, or print.
OTHERWISE = {
    "compile", "eig", "is_vulkan_available", "load", "lstsq", "manual_seed", "matrix_rank", "save",
    "seed", "set_grad_enabled", "solve", "symeig", "vmap",
}  # fmt: skip
SPACES = [("", torch, kuai), ("nn.functional.", torch.nn.functional, kuai.nn.functional)]
SPACES += [(f"{n}.", getattr(torch, n), getattr(kuai, n)) for n in ("linalg", "fft", "special")]
PAIRS = {
    prefix + name: (getattr(theirs, name), getattr(ours, name))
    for prefix, theirs, ours in SPACES
    for name in sorted(ours.__all__)
    if name not in OTHERWISE and callable(getattr(theirs, name, None))
}
SAMPLE = [n for n, pair in PAIRS.items() if not any(isinstance(f, type) for f in pair)][::5]


def error_of(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - its kind is the question
            return error
    return None


@pytest.mark.parametrize("name", SAMPLE)
def test_kind_of_error(name):
    theirs, ours = PAIRS[name]
    for keywords in ({}, {"wrnog": 1}):
        assert type(error_of(ours, **keywords)) is type(error_of(theirs, **keywords))


SAME = {
    "unknown": lambda t: t.relu(t.ones(2), inplce=True),
    "missing": lambda t: t.matmul(t.ones(2)),
    "two missing": lambda t: t.ones(2).transpose(),
    "missing before unknown": lambda t: t.matmul(t.ones(2), wrnog=1),
    "too many": lambda t: t.exp(t.ones(2), 1, 2),
    "twice": lambda t: t.sum(t.ones(2), 0, dim=0),
    "in Python": lambda t: t.nn.functional.cross_entropy(t.ones(2, 2)),
    "a name of its own": lambda t: t.softmax(),
    "factory": lambda t: t.ones(),
    "factory's keyword": lambda t: t.ones(2, dtyp=None),
    "new": lambda t: t.ones(2).new_zeros(),
    "fill": lambda t: t.ones(2).new_full((2,)),
    "sizes": lambda t: t.ones(2).expand(),
    "dims": lambda t: t.ones(2).permute(),
    "repeats": lambda t: t.ones(2).repeat(),
    "shape": lambda t: t.ones(2).reshape(),
}


@pytest.mark.parametrize("name", SAME)
def test_text_is_torchs(name):
    wanted, found = error_of(SAME[name], torch), error_of(SAME[name], kuai)
    assert (type(found), str(found)) == (type(wanted), str(wanted))


def test_the_signature_stands_below():
    (note,) = error_of(kuai.ones(2).sum, dmi=0).__notes__
    assert note == "the signature is sum(input, dim=None, keepdim=False, *, dtype=None, out=None)"


@kuai.compile
def compiled(x, w):
    return x @ w


LINES = {
    "operation": lambda: kuai.ones(2, 3) @ kuai.ones(2, 3),
    "wrong keyword": lambda: kuai.ones(2).sum(dmi=0),
    "index": lambda: kuai.ones(2)[5],
    "compiled": lambda: compiled(kuai.ones(2, 3), kuai.ones(2, 3)),
    "backward": lambda: kuai.ones(2).sum().backward(),
    "block": lambda: kuai.nn.Linear(3, 2)(kuai.ones(2, 2)),
    "state": lambda: kuai.nn.Linear(3, 2).load_state_dict({}),
}


@pytest.mark.parametrize("name", LINES)
def test_only_the_users_frames_are_shown(name, monkeypatch):
    monkeypatch.delenv("KUAI_TRACEBACK", raising=False)
    frames = traceback.extract_tb(error_of(LINES[name]).__traceback__)
    assert {re.sub(r".*[/\\]", "", frame.filename) for frame in frames} == {"test_wrong_calls.py"}

"""Running one little program on PyTorch and on Kuai and comparing all it says."""

import re
import warnings

import torch

import kuai


def outcome(program, library) -> str:
    """What a program returns, warns of and raises, as text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = repr(program(library))
        except Exception as error:  # noqa: BLE001 (whatever PyTorch raises is the expectation)
            result = f"{type(error).__name__}: {error}"
    lines = [result, *(f"{w.category.__name__}: {w.message}" for w in caught)]
    return "\n".join(map(_neutral, lines))


def _neutral(text: str) -> str:
    """Without the names of the two libraries' own modules, and without addresses."""
    text = re.sub(r"\b(torch|kuai)(\.\w+)*\.(?=[A-Z])", "", text)
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def assert_same(program) -> None:
    """Both libraries give the same outcome."""
    ours, expected = outcome(program, kuai), outcome(program, torch)
    assert ours == expected, f"\nkuai:  {ours}\ntorch: {expected}"

"""Numbers of a model that PyTorch and Kuai have to share: losses, gradients, generated tokens.

Weights and inputs are drawn by NumPy from the name of what is drawn, so every library that runs a
program has the same. `python -m tools.strangers_numbers`, where `torch` is PyTorch, writes what
comes out to `numbers/`; under `kuai run` it is compared with what is there: run eagerly, with the
step compiled, and recorded (`kuai run --fused`).
"""

import json
import math
import os
import pathlib
import zlib

import numpy as np
import torch
from casekit import case

FOLDER = pathlib.Path(__file__).parent / "numbers"
WRITES = "STRANGERS_WRITE" in os.environ
FUSED = "KUAI_FUSED" in os.environ


def draw(name, *shape):
    """Normal numbers that belong to a name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(generator.standard_normal(shape).astype("float32"))


def draw_ids(name, *shape, low=3, high=50):
    """Whole numbers that belong to a name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(generator.integers(low, high, shape))


def draw_weights(model):
    """Give every parameter of a model the numbers that belong to its name."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            numbers = draw(name, *p.shape)
            if p.dim() > 1:
                numbers = numbers / math.sqrt(p[0].numel())
            else:
                numbers = numbers * 0.1 + (1.0 if name.endswith("weight") else 0.0)
            p.copy_(numbers)
    return model


def trained(model, loss_of, compiled=False, steps=3):
    """Three steps of AdamW: the losses, and the norm of each gradient of the first step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        return loss

    run = torch.compile(step) if compiled else step
    losses, gradients = [], {}
    for _ in range(steps):
        losses.append(run().item())
        gradients = gradients or dict.fromkeys(model.state_dict()) | _norms(model)
    return {"losses": losses, "gradients": gradients}


def _norms(model):
    return {n: p.grad.norm().item() for n, p in model.named_parameters() if p.grad is not None}


def model_case(package, name, make, generate=None):
    """Cases of a model: `make` returns it and its loss, `generate(model)` what it generates."""

    def numbers(compiled=False):
        model, loss_of = make()
        draw_weights(model).train()
        found = trained(model, loss_of, compiled)
        if generate is not None:
            found["generated"] = generate(model.eval())
        return found

    numbers_case(package, name, numbers)


def numbers_case(package, name, numbers):
    """Cases of anything: `numbers(compiled)` returns a tree of numbers; written or compared."""
    case(name, _compare, package, name, numbers, False)
    if not WRITES and not FUSED:
        case(f"{name}.compiled", _compare, package, name, numbers, True)


def _compare(package, name, numbers, compiled):
    found, path = numbers(compiled), FOLDER / f"{package}.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    if WRITES:
        stored[name] = _rounded(found)
        text = json.dumps(stored, indent=0, sort_keys=True)
        path.write_text(text + "\n")
        return
    wrong = list(_differences(stored[name], found, ""))
    assert not wrong, f"{len(wrong)} numbers differ from PyTorch's, first {wrong[:2]}"


def _rounded(tree):
    if isinstance(tree, dict):
        return {key: _rounded(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_rounded(value) for value in tree]
    return float(f"{tree:.7g}") if isinstance(tree, float) else tree


def _differences(wanted, found, where):
    """Where two trees differ: numbers by more than float32 does, all else at all."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in wanted.keys() | found.keys():
            yield from _differences(wanted.get(key), found.get(key), f"{where}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for i, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(one, other, f"{where}[{i}]")
    elif isinstance(wanted, float) and isinstance(found, float):
        if not math.isclose(wanted, found, rel_tol=1e-3, abs_tol=1e-5):
            yield f"{where}: {wanted} here {found}"
    elif wanted != found:
        yield f"{where}: {wanted} here {found}"

"""Cases of a program that a stranger might have written: each runs, and says in a line how it went.

The programs beside this file import `torch` and know nothing of Kuai; `kuai run` starts them.
"""

import os
import sys
import time
import traceback

LIMIT = float(os.environ.get("STRANGERS_SECONDS", "inf"))  # after that no new case begins
CHOSEN = os.environ.get("STRANGERS_CASES", "").split()

_started = time.monotonic()


def case(name, function, *args):
    """Run a case and print `ok name` or `failed name: error`."""
    if CHOSEN and name not in CHOSEN or time.monotonic() - _started > LIMIT:
        return
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next case is another one
        if os.environ.get("STRANGERS_TRACEBACKS"):
            traceback.print_exc()
        text = " ".join(str(error).split())
        print(f"failed {name}: {type(error).__name__}: {text[:200]}", flush=True)
    else:
        print(f"ok {name}", flush=True)
    sys.stdout.flush()


def train(model, inputs, loss_of, steps=2):
    """Some steps of SGD; the loss and all gradients have to be finite."""
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model(inputs))
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss).item()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(g).all().item() for g in gradients)

"""The base of oracles, by one of an optimizer that PyTorch has."""

import pytest
import torch

from tests.optim.both import Both
from tests.optim.oracle import Oracle


class RMSprop(Oracle):
    """PyTorch's, without its other options."""

    def __init__(self, params, lr=0.01, alpha=0.99, maximize=False):
        super().__init__(params, {"lr": lr, "alpha": alpha, "maximize": maximize})

    def init_state(self, param, options):
        return {"square_avg": torch.zeros_like(param)}

    def update(self, param, grad, state, options):
        alpha, square = options["alpha"], state["square_avg"]
        square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        param.addcdiv_(grad, square.sqrt().add_(1e-8), value=-options["lr"])


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("maximize", [False, True])
def test_it_steps_as_one_of_pytorch(dtype, maximize):
    one, other = Both(dtype), Both(dtype)
    own = RMSprop(one.theirs, lr=0.05, maximize=maximize)
    pytorch = torch.optim.RMSprop(other.theirs, lr=0.05, maximize=maximize)
    for step in range(5):
        for both in (one, other):
            both.set_gradients(skip=[1] if step < 2 else [])
        own.step()
        pytorch.step()
        for mine, theirs in zip(one.theirs, other.theirs, strict=True):
            torch.testing.assert_close(mine, theirs)
    for mine, theirs in zip(one.theirs, other.theirs, strict=True):
        found, expected = own.state[mine]["square_avg"], pytorch.state[theirs]["square_avg"]
        torch.testing.assert_close(found, expected)


def test_it_adds_what_older_files_lack():
    optimizer = RMSprop(Both().theirs, alpha=0.5)
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["alpha"], saved["param_groups"][0]["maximize"]
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["alpha"] == 0.99
    assert optimizer.param_groups[0]["maximize"] is False

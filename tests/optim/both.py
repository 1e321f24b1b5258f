"""The same parameters and gradients for an optimizer of torch and one of Kuai."""

import numpy as np
import torch

import kuai

SHAPES = [(3, 4), (5,), ()]


class Both:
    """Two equal lists of parameters, one of torch's and one of Kuai's."""

    def __init__(self, dtype: str = "float32", shapes=SHAPES, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        values = [self.draw(shape) for shape in shapes]
        self.theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
        self.ours = [kuai.nn.Parameter(kuai.tensor(value)) for value in values]

    def draw(self, shape) -> np.ndarray:
        numbers = np.asarray(self.rng.standard_normal(shape))
        if self.dtype.startswith("complex"):
            numbers = numbers + 1j * self.rng.standard_normal(shape)
        return numbers.astype(self.dtype)

    def set_gradients(self, skip=()) -> None:
        """New gradients, the same for both; None for the parameters in `skip`."""
        for index, (theirs, ours) in enumerate(zip(self.theirs, self.ours, strict=True)):
            value = None if index in skip else self.draw(tuple(theirs.shape))
            theirs.grad = None if value is None else torch.tensor(value)
            ours.grad = None if value is None else kuai.tensor(value)

    def assert_same(self, rtol=2e-6, atol=2e-6) -> None:
        for theirs, ours in zip(self.theirs, self.ours, strict=True):
            expected = theirs.detach().numpy()
            np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=rtol, atol=atol)


def to_theirs(state_dict: dict) -> dict:
    """Kuai's state dict with torch's tensors."""
    return _converted(state_dict, kuai.Tensor, lambda t: torch.tensor(np.array(t.numpy())))


def to_ours(state_dict: dict) -> dict:
    """Torch's state dict with Kuai's tensors."""
    return _converted(state_dict, torch.Tensor, lambda t: kuai.tensor(t.detach().numpy()))


def _converted(value, kind, convert):
    if isinstance(value, kind):
        return convert(value)
    if isinstance(value, dict):
        return {key: _converted(item, kind, convert) for key, item in value.items()}
    if isinstance(value, list):
        return [_converted(item, kind, convert) for item in value]
    return value

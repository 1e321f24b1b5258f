"""Case: one piece of work, described for every library.

All contenders start from the same weights and get the same batch, so their losses have to agree;
the runner checks that they do.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A classifier and a batch.

    A training step is forward, cross entropy, backward and an optimizer's step; an inference step
    is forward in evaluation mode without gradients.

    Args:
        name: as in the tables.
        model: `model(t)` makes the module, where `t` is torch or kuai: it is written once.
        inputs: `inputs()` gives the batch.
        classes: how many classes there are; the labels are made of it.
        jax_model: `jax_model(weights, inputs)` gives the outputs, in plain jax.numpy, with the
            weights by their names in PyTorch.
        shapes: the weights of `jax_model`, name to shape.
        flax_model: `flax_model()` makes the nnx.Module with its first values.
        equinox_model: `equinox_model()` makes the eqx.Module with its first values; it is called
            as `model(input, state, key=key)` and returns the output and the state.
        training: whether a step trains.
        strangers: whether the step is written as in `strangers_step`.
        optimizer, lr: `"sgd"`, `"adam"` or `"adamw"`.
        loss: `"cross_entropy"` or `"mse"`.
        targets: `targets()` gives what the loss compares with; by default a class for each row.
        clip: the largest norm of all gradients together, or None.
        schedule: whether the learning rate changes with every step.
        dtype: of weights, inputs and the targets of `"mse"`.
        device: where it is computed.
        autocast: the dtype to which autocast lowers, or None.
        tensor_float: whether a GPU may compute float32 in TensorFloat32.
        tolerance: by how much losses may differ from PyTorch's, relatively.
        is_random: there is dropout, so losses of different libraries do not agree.
        left_out: why a contender does not take part, by its name.
    """

    name: str
    model: Callable[[Any], Any]
    inputs: Callable[[], np.ndarray]
    classes: int = 10
    jax_model: Callable[[dict, Any], Any] | None = None
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    flax_model: Callable[[], Any] | None = None
    equinox_model: Callable[[], Any] | None = None
    training: bool = True
    strangers: bool = False
    optimizer: str = "sgd"
    lr: float = 0.01
    loss: str = "cross_entropy"
    targets: Callable[[], np.ndarray] | None = None
    clip: float | None = None
    schedule: bool = False
    dtype: str = "float32"
    device: str = "cpu"
    autocast: str | None = None
    tensor_float: bool = False
    tolerance: float = 1e-3
    is_random: bool = False
    left_out: dict[str, str] = field(default_factory=dict)

    def labels(self) -> np.ndarray:
        """What the loss compares with: a class for each row of the batch, int32, by default."""
        if self.targets is not None:
            return self.targets()
        rows = len(self.inputs())
        return np.random.default_rng(2).integers(0, self.classes, rows).astype(np.int32)

    def for_inference(self, **changes: Any) -> Case:
        """The same model, used and not trained."""
        return replace(self, training=False, is_random=False, **changes)

    def as_strangers_write_it(self) -> Case:
        """The same work in a step that is full of Python."""
        others = ("torch.compile", "jax.jit by hand", "Flax NNX", "Equinox")
        reason = "the step is not theirs to trace"
        return replace(
            self,
            name=f"{self.name}, as strangers write it",
            strangers=True,
            left_out={**self.left_out, **dict.fromkeys(others, reason)},
        )


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The first value of a parameter or buffer.

    It depends on PyTorch's name for it and on the shape alone, so that every library can be given
    the same. Matrices and filters are uniform in ±1/√fan_in, the scales of normalizations are one.
    """
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return np.ones(shape, np.float32)
    if name.endswith(("running_mean", "num_batches_tracked")):
        return np.zeros(shape, np.float32)
    bound = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.05
    made = np.random.default_rng(zlib.crc32(name.encode())).random(shape, np.float32)
    made -= 0.5
    made *= 2 * bound
    return made


def classes(count: int, *shape: int) -> Callable[[], np.ndarray]:
    """Makes classes, or words, of so many."""
    return lambda: np.random.default_rng(2).integers(0, count, shape).astype(np.int32)


def normal(*shape: int) -> Callable[[], np.ndarray]:
    """Makes a batch of normally distributed numbers."""
    return lambda: np.random.default_rng(1).standard_normal(shape).astype(np.float32)

"""Case: one piece of work, described for every library.

All contenders start from the same weights and get the same batch, so their losses have to agree;
the runner checks that they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A classifier and a batch; a step is forward, cross entropy, backward and SGD.

    Args:
        name: as in the tables.
        inputs, labels: the batch, float32 and int32.
        weights: PyTorch's `state_dict` order: weight, bias, weight, bias, …
        torch_model: `torch_model(t)` makes the module, where `t` is torch or kuai.
        jax_model: `jax_model(weights, inputs)` gives the outputs, in plain jax.numpy.
        flax_model: `flax_model()` makes the nnx.Module, with the weights in it.
        equinox_model: `equinox_model()` makes the eqx.Module, with the weights in it.
        lr: the learning rate.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray
    weights: list[np.ndarray]
    torch_model: Callable[[Any], Any]
    jax_model: Callable[[list, Any], Any]
    flax_model: Callable[[], Any]
    equinox_model: Callable[[], Any]
    lr: float = 0.01


def uniform_weights(shapes: list[tuple[int, ...]], seed: int = 0) -> list[np.ndarray]:
    """Weights and biases in PyTorch's range: ±1/√fan_in of the layer."""
    generator = np.random.default_rng(seed)
    made = []
    for index, shape in enumerate(shapes):
        weight_shape = shape if len(shape) > 1 else shapes[index - 1]
        bound = 1 / np.sqrt(np.prod(weight_shape[1:]))
        made.append(generator.uniform(-bound, bound, shape).astype(np.float32))
    return made


def random_batch(shape: tuple[int, ...], classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels."""
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal(shape).astype(np.float32)
    return inputs, generator.integers(0, classes, shape[0]).astype(np.int32)

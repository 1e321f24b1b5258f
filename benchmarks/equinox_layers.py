"""Equinox's layers with the first values that PyTorch's parameter of that name has."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.case import value

KEY = jax.random.key(0)


def with_values(layer: Any, **values: Any) -> Any:
    """The layer with some of its arrays replaced."""
    for name, array in values.items():
        old = getattr(layer, name)
        new = jnp.asarray(array).reshape(old.shape)
        layer = eqx.tree_at(lambda made, name=name: getattr(made, name), layer, new)
    return layer


def linear(name: str, inputs: int, outputs: int) -> eqx.nn.Linear:
    """`nn.Linear`."""
    return with_values(
        eqx.nn.Linear(inputs, outputs, key=KEY),
        weight=value(f"{name}.weight", (outputs, inputs)),
        bias=value(f"{name}.bias", (outputs,)),
    )


def conv(
    name: str,
    inputs: int,
    outputs: int,
    size: int,
    stride: int = 1,
    padding: int = 0,
    bias: bool = True,
) -> eqx.nn.Conv2d:
    """`nn.Conv2d`."""
    values = {"weight": value(f"{name}.weight", (outputs, inputs, size, size))}
    if bias:
        values["bias"] = value(f"{name}.bias", (outputs,))
    layer = eqx.nn.Conv2d(inputs, outputs, size, stride, padding, use_bias=bias, key=KEY)
    return with_values(layer, **values)


def batch_norm(name: str, channels: int) -> eqx.nn.BatchNorm:
    """`nn.BatchNorm2d`."""
    layer = eqx.nn.BatchNorm(channels, axis_name="batch", momentum=0.9, mode="batch")
    return with_values(layer, bias=value(f"{name}.bias", (channels,)))


def layer_norm(name: str, size: int) -> eqx.nn.LayerNorm:
    """`nn.LayerNorm`."""
    return with_values(eqx.nn.LayerNorm(size), bias=value(f"{name}.bias", (size,)))


relu = eqx.nn.Lambda(jax.nn.relu)
flatten = eqx.nn.Lambda(jnp.ravel)

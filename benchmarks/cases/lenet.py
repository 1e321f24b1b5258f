"""LeNet on 28×28 pictures, batch 256."""

from __future__ import annotations

from benchmarks.case import Case, normal

SHAPES = {
    "0.weight": (6, 1, 5, 5), "0.bias": (6,), "3.weight": (16, 6, 5, 5), "3.bias": (16,),
    "7.weight": (120, 400), "7.bias": (120,), "9.weight": (84, 120), "9.bias": (84,),
    "11.weight": (10, 84), "11.bias": (10,),
}  # fmt: skip


def model(t):
    """For PyTorch and Kuai."""
    nn = t.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def jax_model(weights, x):
    """In plain JAX."""
    import jax
    from jax import lax

    for name, padding in (("0", 2), ("3", 0)):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = lax.conv_general_dilated(x, weight, (1, 1), [(padding, padding)] * 2)
        x = jax.nn.relu(x + bias[:, None, None])
        x = lax.reduce_window(x, -jax.numpy.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(x.shape[0], -1)
    for name in ("7", "9", "11"):
        x = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        x = jax.nn.relu(x) if name != "11" else x
    return x


def flax_model():
    """For Flax NNX."""
    from flax import nnx

    from benchmarks import flax_layers as layers

    return nnx.Sequential(
        layers.channels_last,
        layers.conv("0", 1, 6, 5, padding=2),
        nnx.relu,
        layers.max_pool(2, 2),
        layers.conv("3", 6, 16, 5),
        nnx.relu,
        layers.max_pool(2, 2),
        layers.flatten,
        layers.linear("7", 400, 120),
        nnx.relu,
        layers.linear("9", 120, 84),
        nnx.relu,
        layers.linear("11", 84, 10),
    )


def equinox_model():
    """For Equinox."""
    import equinox as eqx

    from benchmarks import equinox_layers as layers

    pool = eqx.nn.MaxPool2d(2, 2)
    return eqx.nn.Sequential(
        [
            layers.conv("0", 1, 6, 5, padding=2),
            layers.relu,
            pool,
            layers.conv("3", 6, 16, 5),
            layers.relu,
            pool,
            layers.flatten,
            layers.linear("7", 400, 120),
            layers.relu,
            layers.linear("9", 120, 84),
            layers.relu,
            layers.linear("11", 84, 10),
        ]
    )


def lenet(name: str, batch: int) -> Case:
    """LeNet for a batch of so many pictures."""
    pictures = normal(batch, 1, 28, 28)
    return Case(name, model, pictures, 10, jax_model, SHAPES, flax_model, equinox_model, lr=0.1)


LENET = lenet("LeNet, batch 256", batch=256)

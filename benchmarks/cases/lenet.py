"""LeNet on 28×28 pictures, batch 256: a step that is mostly arithmetic."""

from __future__ import annotations

from benchmarks.case import Case, random_batch, uniform_weights

SHAPES = [
    (6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,)
]  # fmt: skip
WEIGHTS = uniform_weights(SHAPES)
INPUTS, LABELS = random_batch((256, 1, 28, 28))


def torch_model(t):
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
    import jax
    from jax import lax

    for index, padding in ((0, 2), (2, 0)):
        x = lax.conv_general_dilated(x, weights[index], (1, 1), [(padding, padding)] * 2)
        x = jax.nn.relu(x + weights[index + 1][:, None, None])
        x = lax.reduce_window(x, -jax.numpy.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(x.shape[0], -1)
    for index in (4, 6, 8):
        x = x @ weights[index].T + weights[index + 1]
        x = jax.nn.relu(x) if index < 8 else x
    return x


def flax_model():
    from flax import nnx

    rngs = nnx.Rngs(0)

    def layer(made, index, weight):
        made.kernel[...], made.bias[...] = weight, WEIGHTS[index + 1]
        return made

    def pool(x):
        return nnx.max_pool(x, (2, 2), (2, 2))

    # Flax keeps the channels last, so the first linear layer finds its inputs in another order
    linear = WEIGHTS[4].reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)
    one = nnx.Conv(1, 6, (5, 5), padding=2, rngs=rngs)
    two = nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
    return nnx.Sequential(
        lambda x: x.transpose(0, 2, 3, 1),
        layer(one, 0, WEIGHTS[0].transpose(2, 3, 1, 0)),
        nnx.relu,
        pool,
        layer(two, 2, WEIGHTS[2].transpose(2, 3, 1, 0)),
        nnx.relu,
        pool,
        lambda x: x.reshape(x.shape[0], -1),
        layer(nnx.Linear(400, 120, rngs=rngs), 4, linear.T),
        nnx.relu,
        layer(nnx.Linear(120, 84, rngs=rngs), 6, WEIGHTS[6].T),
        nnx.relu,
        layer(nnx.Linear(84, 10, rngs=rngs), 8, WEIGHTS[8].T),
    )


def equinox_model():
    import equinox as eqx
    import jax

    key = jax.random.key(0)

    def layer(made, index):
        weight, bias = map(jax.numpy.asarray, WEIGHTS[index : index + 2])
        return eqx.tree_at(
            lambda made: (made.weight, made.bias), made, (weight, bias.reshape(made.bias.shape))
        )

    relu, pool = eqx.nn.Lambda(jax.nn.relu), eqx.nn.MaxPool2d(2, 2)
    return eqx.nn.Sequential(
        [
            layer(eqx.nn.Conv2d(1, 6, 5, padding=2, key=key), 0),
            relu,
            pool,
            layer(eqx.nn.Conv2d(6, 16, 5, key=key), 2),
            relu,
            pool,
            eqx.nn.Lambda(jax.numpy.ravel),
            layer(eqx.nn.Linear(400, 120, key=key), 4),
            relu,
            layer(eqx.nn.Linear(120, 84, key=key), 6),
            relu,
            layer(eqx.nn.Linear(84, 10, key=key), 8),
        ]
    )


CASE = Case(
    "LeNet, batch 256",
    INPUTS,
    LABELS,
    WEIGHTS,
    torch_model,
    jax_model,
    flax_model,
    equinox_model,
    lr=0.1,
)

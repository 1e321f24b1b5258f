"""Multilayer perceptrons: the cost of a step, and of every layer in it; hardly any arithmetic."""

from __future__ import annotations

from benchmarks.case import Case, normal


def perceptron(name: str, sizes: list[int], batch: int, lr: float) -> Case:
    """Linear layers of these sizes with ReLU between them."""
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    numbered = [(str(2 * index), *pair) for index, pair in enumerate(pairs)]
    shapes = {}
    for number, m, n in numbered:
        shapes |= {f"{number}.weight": (n, m), f"{number}.bias": (n,)}

    def model(t):
        layers = [layer for m, n in pairs for layer in (t.nn.Linear(m, n), t.nn.ReLU())]
        return t.nn.Sequential(*layers[:-1])

    def jax_model(weights, x):
        import jax

        for number, *_ in numbered:
            x = x @ weights[f"{number}.weight"].T + weights[f"{number}.bias"]
            x = jax.nn.relu(x) if number != numbered[-1][0] else x
        return x

    def flax_model():
        from flax import nnx

        from benchmarks.flax_layers import linear

        layers = [layer for sizes in numbered for layer in (linear(*sizes), nnx.relu)]
        return nnx.Sequential(*layers[:-1])

    def equinox_model():
        import equinox as eqx

        from benchmarks.equinox_layers import linear, relu

        layers = [layer for sizes in numbered for layer in (linear(*sizes), relu)]
        return eqx.nn.Sequential(layers[:-1])

    return Case(
        name,
        model,
        normal(batch, sizes[0]),
        sizes[-1],
        jax_model,
        shapes,
        flax_model,
        equinox_model,
        lr=lr,
    )


MLP = perceptron("MLP 20-256-10, batch 32", [20, 256, 10], batch=32, lr=0.1)
DEEP_MLP = perceptron("MLP of 100 layers, batch 32", [20, *[64] * 99, 10], batch=32, lr=0.01)

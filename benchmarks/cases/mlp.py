"""A small multilayer perceptron, 20-256-10, batch 32: the cost of a step, hardly any arithmetic."""

from __future__ import annotations

from benchmarks.case import Case, random_batch, uniform_weights


def perceptron(name: str, sizes: list[int], batch: int, lr: float) -> Case:
    """Linear layers of these sizes with ReLU between them."""
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    shapes = [shape for m, n in pairs for shape in ((n, m), (n,))]
    weights = uniform_weights(shapes)
    inputs, labels = random_batch((batch, sizes[0]), sizes[-1])

    def torch_model(t):
        layers = [layer for m, n in pairs for layer in (t.nn.Linear(m, n), t.nn.ReLU())]
        return t.nn.Sequential(*layers[:-1])

    def jax_model(weights, x):
        import jax

        for index in range(0, len(weights), 2):
            x = x @ weights[index].T + weights[index + 1]
            x = jax.nn.relu(x) if index + 2 < len(weights) else x
        return x

    def flax_model():
        from flax import nnx

        layers = []
        for index, (m, n) in enumerate(pairs):
            linear = nnx.Linear(m, n, rngs=nnx.Rngs(0))
            linear.kernel[...] = weights[2 * index].T
            linear.bias[...] = weights[2 * index + 1]
            layers += [linear, nnx.relu]
        return nnx.Sequential(*layers[:-1])

    def equinox_model():
        import equinox as eqx
        import jax

        key = jax.random.key(0)
        layers = []
        for index, (m, n) in enumerate(pairs):
            linear = eqx.nn.Linear(m, n, key=key)
            values = tuple(map(jax.numpy.asarray, weights[2 * index : 2 * index + 2]))
            linear = eqx.tree_at(lambda layer: (layer.weight, layer.bias), linear, values)
            layers += [linear, eqx.nn.Lambda(jax.nn.relu)]
        return eqx.nn.Sequential(layers[:-1])

    return Case(
        name, inputs, labels, weights, torch_model, jax_model, flax_model, equinox_model, lr
    )


CASE = perceptron("MLP 20-256-10, batch 32", [20, 256, 10], batch=32, lr=0.1)

"""A classifier of texts: the mean of 50 words' rows of a table, batch 64.

PyTorch's gradient of a table is dense, so its step reads and writes the whole table; so may a
program of XLA's, unless it finds that most rows of the gradient are zero. With a million rows this
is all that counts.
"""

from __future__ import annotations

import numpy as np

from benchmarks.case import Case, value


def embedding(name: str, batch: int, words: int, rows: int, size: int) -> Case:
    """A bag of embeddings and a linear layer."""

    def model(t):
        bag = t.nn.EmbeddingBag(rows, size, mode="mean")
        return t.nn.Sequential(bag, t.nn.Linear(size, 10))

    def inputs():
        return np.random.default_rng(1).integers(0, rows, (batch, words)).astype(np.int32)

    def jax_model(weights, x):
        mean = weights["0.weight"][x].mean(1)
        return mean @ weights["1.weight"].T + weights["1.bias"]

    def flax_model():
        from flax import nnx

        from benchmarks import flax_layers as layers

        table = nnx.Embed(rows, size, rngs=layers.RNGS)
        table.embedding[...] = value("0.weight", (rows, size))
        return nnx.Sequential(table, lambda x: x.mean(1), layers.linear("1", size, 10))

    def equinox_model():
        import equinox as eqx
        import jax

        from benchmarks import equinox_layers as layers

        class Bag(eqx.Module):
            table: eqx.nn.Embedding

            def __call__(self, x, *, key=None):
                return jax.vmap(self.table)(x).mean(0)

        weight = jax.numpy.asarray(value("0.weight", (rows, size)))
        bag = Bag(eqx.nn.Embedding(weight=weight))
        return eqx.nn.Sequential([bag, layers.linear("1", size, 10)])

    shapes = {"0.weight": (rows, size), "1.weight": (10, size), "1.bias": (10,)}
    return Case(name, model, inputs, 10, jax_model, shapes, flax_model, equinox_model, lr=0.1)


EMBEDDING = embedding(
    "bag of 50 embeddings, 20,000 x 128, batch 64", batch=64, words=50, rows=20_000, size=128
)

MILLION = embedding(
    "bag of 50 embeddings, 1,000,000 x 32, batch 64", batch=64, words=50, rows=1_000_000, size=32
)

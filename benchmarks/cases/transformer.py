"""A classifier of sequences: four layers of a transformer's encoder, dropout 0.1, Adam."""

from __future__ import annotations

from benchmarks.case import Case, normal, value


def transformer(
    name: str,
    layers: int,
    batch: int,
    steps: int,
    size: int,
    heads: int,
    feedforward: int,
    dropout: float = 0.1,
) -> Case:
    """An encoder, the mean over the steps, and a linear layer."""

    def model(t):
        class Classifier(t.nn.Module):
            def __init__(self):
                super().__init__()
                layer = t.nn.TransformerEncoderLayer(
                    size, heads, feedforward, dropout, batch_first=True
                )
                self.encoder = t.nn.TransformerEncoder(layer, layers)
                self.linear = t.nn.Linear(size, 10)

            def forward(self, x):
                return self.linear(self.encoder(x).mean(1))

        return Classifier()

    def flax_model():
        return _flax_model(layers, size, heads, feedforward, dropout)

    def equinox_model():
        return _equinox_model(layers, size, heads, feedforward, dropout)

    return Case(
        name,
        model,
        normal(batch, steps, size),
        flax_model=flax_model,
        equinox_model=equinox_model,
        optimizer="adam",
        lr=1e-4,
        is_random=dropout > 0,
    )


def _projections(name, size):
    """Weights and biases of query, key, value and output; the first three are one in PyTorch."""
    weights = [value(f"{name}.in_proj_weight", (3 * size, size)).reshape(3, size, size)]
    biases = [value(f"{name}.in_proj_bias", (3 * size,)).reshape(3, size)]
    weights = [*weights[0], value(f"{name}.out_proj.weight", (size, size))]
    biases = [*biases[0], value(f"{name}.out_proj.bias", (size,))]
    return weights, biases


def _flax_model(count, size, heads, feedforward, dropout):
    from flax import nnx

    from benchmarks import flax_layers as layers

    def attention(name):
        made = nnx.MultiHeadAttention(
            heads, size, dropout_rate=dropout, decode=False, rngs=layers.RNGS
        )
        parts = made.query, made.key, made.value, made.out
        for part, weight, bias in zip(parts, *_projections(name, size), strict=True):
            part.kernel[...] = weight.T.reshape(part.kernel.shape)
            part.bias[...] = bias.reshape(part.bias.shape)
        return made

    class Layer(nnx.Module):
        def __init__(self, name):
            self.attention = attention(f"{name}.self_attn")
            self.linear1 = layers.linear(f"{name}.linear1", size, feedforward)
            self.linear2 = layers.linear(f"{name}.linear2", feedforward, size)
            self.norm1 = layers.layer_norm(f"{name}.norm1", size)
            self.norm2 = layers.layer_norm(f"{name}.norm2", size)
            self.dropout = nnx.Dropout(dropout, rngs=nnx.Rngs(0))

        def __call__(self, x):
            x = self.norm1(x + self.dropout(self.attention(x)))
            inner = self.dropout(nnx.relu(self.linear1(x)))
            return self.norm2(x + self.dropout(self.linear2(inner)))

    encoder = [Layer(f"encoder.layers.{number}") for number in range(count)]
    return nnx.Sequential(*encoder, lambda x: x.mean(1), layers.linear("linear", size, 10))


def _equinox_model(count, size, heads, feedforward, dropout):
    import equinox as eqx
    import jax

    from benchmarks import equinox_layers as layers

    def attention(name):
        biases = dict.fromkeys(("query", "key", "value", "output"), True)
        options = {f"use_{part}_bias": wanted for part, wanted in biases.items()}
        made = eqx.nn.MultiheadAttention(heads, size, dropout_p=dropout, key=layers.KEY, **options)
        for part, weight, bias in zip(biases, *_projections(name, size), strict=True):
            linear = layers.with_values(getattr(made, f"{part}_proj"), weight=weight, bias=bias)
            made = eqx.tree_at(lambda m, part=part: getattr(m, f"{part}_proj"), made, linear)
        return made

    class Layer(eqx.Module):
        attention: eqx.nn.MultiheadAttention
        linear1: eqx.nn.Linear
        linear2: eqx.nn.Linear
        norm1: eqx.nn.LayerNorm
        norm2: eqx.nn.LayerNorm
        dropout: eqx.nn.Dropout

        def __init__(self, name):
            self.attention = attention(f"{name}.self_attn")
            self.linear1 = layers.linear(f"{name}.linear1", size, feedforward)
            self.linear2 = layers.linear(f"{name}.linear2", feedforward, size)
            self.norm1 = layers.layer_norm(f"{name}.norm1", size)
            self.norm2 = layers.layer_norm(f"{name}.norm2", size)
            self.dropout = eqx.nn.Dropout(dropout)

        def __call__(self, x, *, key=None):
            keys = [None] * 4 if key is None else jax.random.split(key, 4)
            attended = self.attention(x, x, x, key=keys[0])
            x = jax.vmap(self.norm1)(x + self.dropout(attended, key=keys[1]))
            inner = jax.nn.relu(jax.vmap(self.linear1)(x))
            outer = jax.vmap(self.linear2)(self.dropout(inner, key=keys[2]))
            return jax.vmap(self.norm2)(x + self.dropout(outer, key=keys[3]))

    encoder = [Layer(f"encoder.layers.{number}") for number in range(count)]
    mean = eqx.nn.Lambda(lambda x: x.mean(0))
    return eqx.nn.Sequential([*encoder, mean, layers.linear("linear", size, 10)])


TRANSFORMER = transformer(
    "transformer encoder, 4 layers of 256, 128 steps, batch 8",
    layers=4,
    batch=8,
    steps=128,
    size=256,
    heads=4,
    feedforward=1024,
)

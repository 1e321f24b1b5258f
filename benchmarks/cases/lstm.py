"""A classifier of sequences: two layers of LSTM, 64 steps, batch 32."""

from __future__ import annotations

from benchmarks.case import Case, normal, value


def lstm(name: str, batch: int, steps: int, inputs: int, hidden: int) -> Case:
    """Two layers, and a linear one that reads the last step."""
    sizes = {0: inputs, 1: hidden}  # what each layer reads

    def model(t):
        class Classifier(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = t.nn.LSTM(inputs, hidden, num_layers=2, batch_first=True)
                self.linear = t.nn.Linear(hidden, 10)

            def forward(self, x):
                return self.linear(self.lstm(x)[0][:, -1])

        return Classifier()

    def layer(number, name):
        shapes = {
            "weight_ih": (4 * hidden, sizes[number]),
            "weight_hh": (4 * hidden, hidden),
            "bias_ih": (4 * hidden,),
            "bias_hh": (4 * hidden,),
        }
        return value(f"lstm.{name}_l{number}", shapes[name])

    def bias(number):
        # Flax and Equinox have one bias where PyTorch has two
        return layer(number, "bias_ih") + layer(number, "bias_hh")

    def flax_model():
        from flax import nnx

        from benchmarks import flax_layers as layers

        def recurrent(number):
            cell = nnx.OptimizedLSTMCell(sizes[number], hidden, rngs=layers.RNGS)
            cell.dense_i.kernel[...] = layer(number, "weight_ih").T
            cell.dense_h.kernel[...] = layer(number, "weight_hh").T
            cell.dense_h.bias[...] = bias(number)
            return nnx.RNN(cell)

        last = layers.linear("linear", hidden, 10)
        return nnx.Sequential(recurrent(0), recurrent(1), lambda x: x[:, -1], last)

    def equinox_model():
        import equinox as eqx
        import jax
        import jax.numpy as jnp

        from benchmarks import equinox_layers as layers

        class Recurrent(eqx.Module):
            cell: eqx.nn.LSTMCell

            def __init__(self, number):
                self.cell = layers.with_values(
                    eqx.nn.LSTMCell(sizes[number], hidden, key=layers.KEY),
                    weight_ih=layer(number, "weight_ih"),
                    weight_hh=layer(number, "weight_hh"),
                    bias=bias(number),
                )

            def __call__(self, x, *, key=None):
                def step(state, read):
                    state = self.cell(read, state)
                    return state, state[0]

                zeros = jnp.zeros(hidden)
                return jax.lax.scan(step, (zeros, zeros), x)[1]

        last = layers.linear("linear", hidden, 10)
        return eqx.nn.Sequential([Recurrent(0), Recurrent(1), eqx.nn.Lambda(lambda x: x[-1]), last])

    return Case(
        name,
        model,
        normal(batch, steps, inputs),
        flax_model=flax_model,
        equinox_model=equinox_model,
        lr=0.1,
    )


LSTM = lstm("LSTM, 2 layers of 128, 64 steps, batch 32", batch=32, steps=64, inputs=64, hidden=128)

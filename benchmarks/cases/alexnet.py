"""AlexNet on 224×224 pictures, batch 8: large filters, and 60 million weights to update."""

from __future__ import annotations

from benchmarks.case import Case, normal

#: number in the Sequential: channels in and out, size of the filter, stride, padding
CONVOLUTIONS = {
    0: (3, 64, 11, 4, 2),
    3: (64, 192, 5, 1, 2),
    6: (192, 384, 3, 1, 1),
    8: (384, 256, 3, 1, 1),
    10: (256, 256, 3, 1, 1),
}
POOLS = (0, 3, 10)  # the convolutions that are followed by one
LINEAR = {1: (256 * 6 * 6, 4096), 4: (4096, 4096), 6: (4096, 1000)}


def model(t):
    """For PyTorch and Kuai."""
    nn = t.nn
    features = []
    for number, (inputs, outputs, size, stride, padding) in CONVOLUTIONS.items():
        features += [nn.Conv2d(inputs, outputs, size, stride, padding), nn.ReLU(inplace=True)]
        features += [nn.MaxPool2d(3, 2)] if number in POOLS else []
    return nn.Sequential(
        nn.Sequential(*features),
        nn.Flatten(),
        nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(*LINEAR[1]),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(*LINEAR[4]),
            nn.ReLU(inplace=True),
            nn.Linear(*LINEAR[6]),
        ),
    )


def flax_model():
    """For Flax NNX."""
    from flax import nnx

    from benchmarks import flax_layers as layers

    made = [layers.channels_last]
    for number, sizes in CONVOLUTIONS.items():
        made += [layers.conv(f"0.{number}", *sizes), nnx.relu]
        made += [layers.max_pool(3, 2)] if number in POOLS else []
    made.append(layers.flatten)
    for number, sizes in LINEAR.items():
        made += [nnx.Dropout(0.5, rngs=nnx.Rngs(0))] if number != 6 else []
        made += [layers.linear(f"2.{number}", *sizes), nnx.relu]
    return nnx.Sequential(*made[:-1])


def equinox_model():
    """For Equinox."""
    import equinox as eqx

    from benchmarks import equinox_layers as layers

    made = []
    for number, sizes in CONVOLUTIONS.items():
        made += [layers.conv(f"0.{number}", *sizes), layers.relu]
        made += [eqx.nn.MaxPool2d(3, 2)] if number in POOLS else []
    made.append(layers.flatten)
    for number, sizes in LINEAR.items():
        made += [eqx.nn.Dropout(0.5)] if number != 6 else []
        made += [layers.linear(f"2.{number}", *sizes), layers.relu]
    return eqx.nn.Sequential(made[:-1])


ALEXNET = Case(
    "AlexNet, batch 8",
    model,
    normal(8, 3, 224, 224),
    1000,
    flax_model=flax_model,
    equinox_model=equinox_model,
    is_random=True,
)

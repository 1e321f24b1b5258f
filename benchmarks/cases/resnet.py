"""ResNet-18 on 224×224 pictures, batch 4, and ResNet-152 for a single one.

Each stage is described once: a block is a list of convolutions with the channels they go through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.case import Case, normal


@dataclass(frozen=True)
class Block:
    """One residual block: the sizes of its convolutions, and its 1×1 shortcut if it needs one."""

    name: str
    convolutions: tuple[tuple[int, int, int, int, int], ...]  # in, out, size, stride, padding
    shortcut: tuple[int, int, int, int] | None


def blocks(counts: list[int], bottleneck: bool) -> Iterator[Block]:
    """The blocks of four stages."""
    inputs = 64
    for stage, count in enumerate(counts):
        inner = 64 * 2**stage
        outputs = 4 * inner if bottleneck else inner
        for number in range(count):
            stride = 2 if stage and not number else 1
            if bottleneck:
                sizes = (
                    (inputs, inner, 1, 1, 0),
                    (inner, inner, 3, stride, 1),
                    (inner, outputs, 1, 1, 0),
                )
            else:
                sizes = ((inputs, inner, 3, stride, 1), (inner, inner, 3, 1, 1))
            changes = stride != 1 or inputs != outputs
            shortcut = (inputs, outputs, 1, stride) if changes else None
            yield Block(f"blocks.{stage}_{number}", sizes, shortcut)
            inputs = outputs


def width(counts: list[int], bottleneck: bool) -> int:
    """The channels of the last block's output."""
    *_, last = blocks(counts, bottleneck)
    return last.convolutions[-1][1]


def _torch_model(counts, bottleneck):
    """For PyTorch and Kuai."""

    def model(t):
        nn = t.nn

        class Residual(nn.Module):
            def __init__(self, block):
                super().__init__()
                layers = []
                for inputs, outputs, size, stride, padding in block.convolutions:
                    conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
                    layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                self.body = nn.Sequential(*layers[:-1])
                self.shortcut = None
                if block.shortcut:
                    conv = nn.Conv2d(*block.shortcut, bias=False)
                    self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(block.shortcut[1]))

            def forward(self, x):
                shortcut = x if self.shortcut is None else self.shortcut(x)
                return nn.functional.relu(self.body(x) + shortcut, inplace=True)

        class ResNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.norm = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
                self.pool = nn.MaxPool2d(3, 2, 1)
                self.blocks = nn.Sequential()
                for block in blocks(counts, bottleneck):
                    self.blocks.add_module(block.name.split(".")[1], Residual(block))
                self.linear = nn.Linear(width(counts, bottleneck), 1000)

            def forward(self, x):
                x = self.pool(nn.functional.relu(self.norm(self.conv(x)), inplace=True))
                return self.linear(self.blocks(x).mean((2, 3)))

        return ResNet()

    return model


def _flax_model(counts, bottleneck):
    """For Flax NNX."""

    def model():
        from flax import nnx

        from benchmarks import flax_layers as layers

        def normalized(name, number, sizes):
            return [
                layers.conv(f"{name}.{number}", *sizes, bias=False),
                layers.batch_norm(f"{name}.{number + 1}", sizes[1]),
            ]

        class Residual(nnx.Module):
            def __init__(self, block):
                made = []
                for number, sizes in enumerate(block.convolutions):
                    made += [*normalized(f"{block.name}.body", 3 * number, sizes), nnx.relu]
                self.body = nnx.Sequential(*made[:-1])
                shortcut = [lambda x: x]
                if block.shortcut:
                    shortcut = normalized(f"{block.name}.shortcut", 0, block.shortcut)
                self.shortcut = nnx.Sequential(*shortcut)

            def __call__(self, x):
                return nnx.relu(self.body(x) + self.shortcut(x))

        return nnx.Sequential(
            layers.channels_last,
            layers.conv("conv", 3, 64, 7, 2, 3, bias=False),
            layers.batch_norm("norm", 64),
            nnx.relu,
            layers.max_pool(3, 2, 1),
            *map(Residual, blocks(counts, bottleneck)),
            lambda x: x.mean((1, 2)),
            layers.linear("linear", width(counts, bottleneck), 1000),
        )

    return model


def _equinox_model(counts, bottleneck):
    """For Equinox."""

    def model():
        import equinox as eqx
        import jax

        from benchmarks import equinox_layers as layers

        def normalized(name, number, sizes):
            return [
                layers.conv(f"{name}.{number}", *sizes, bias=False),
                layers.batch_norm(f"{name}.{number + 1}", sizes[1]),
            ]

        class Residual(eqx.nn.StatefulLayer):
            body: eqx.nn.Sequential
            shortcut: eqx.nn.Sequential

            def __init__(self, block):
                made = []
                for number, sizes in enumerate(block.convolutions):
                    made += [*normalized(f"{block.name}.body", 3 * number, sizes), layers.relu]
                self.body = eqx.nn.Sequential(made[:-1])
                shortcut = []
                if block.shortcut:
                    shortcut = normalized(f"{block.name}.shortcut", 0, block.shortcut)
                self.shortcut = eqx.nn.Sequential(shortcut)

            def __call__(self, x, state, *, key=None):
                shortcut, state = self.shortcut(x, state)
                x, state = self.body(x, state)
                return jax.nn.relu(x + shortcut), state

        return eqx.nn.Sequential(
            [
                layers.conv("conv", 3, 64, 7, 2, 3, bias=False),
                layers.batch_norm("norm", 64),
                layers.relu,
                eqx.nn.MaxPool2d(3, 2, 1),
                *map(Residual, blocks(counts, bottleneck)),
                eqx.nn.Lambda(lambda x: x.mean((1, 2))),
                layers.linear("linear", width(counts, bottleneck), 1000),
            ]
        )

    return model


def resnet(name: str, counts: list[int], bottleneck: bool, batch: int, size: int = 224) -> Case:
    """A ResNet with so many blocks in its four stages."""
    made = [make(counts, bottleneck) for make in (_torch_model, _flax_model, _equinox_model)]
    inputs = normal(batch, 3, size, size)
    return Case(name, made[0], inputs, 1000, flax_model=made[1], equinox_model=made[2])


RESNET18 = resnet("ResNet-18, batch 4", [2, 2, 2, 2], bottleneck=False, batch=4)
RESNET152 = resnet("ResNet-152, batch 1", [3, 8, 36, 3], bottleneck=True, batch=1).for_inference(
    left_out={"torch.compile": "it compiles for minutes"}
)

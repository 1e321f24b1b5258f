"""Single convolutions of the kinds that the networks lack, trained: 5×5, 7×7, strided, grouped,
in three dimensions."""

from __future__ import annotations

from benchmarks.case import Case, normal


def convolution(
    name: str,
    batch: int,
    channels: int,
    sizes: tuple[int, ...],
    kernel: int,
    stride: int = 1,
    groups: int = 1,
) -> Case:
    """Two of them with ReLU between, the mean, a linear layer."""

    def model(t):
        nn, kind = t.nn, getattr(t.nn, f"Conv{len(sizes)}d")

        def layer():
            return kind(channels, channels, kernel, stride, kernel // 2, groups=groups)

        pool = getattr(nn, f"AdaptiveAvgPool{len(sizes)}d")(1)
        layers = [layer(), nn.ReLU(), layer(), nn.ReLU(), pool, nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(channels, 10))

    return Case(name, model, normal(batch, channels, *sizes))


CONVOLUTIONS = {
    "conv5": convolution("2 convolutions 5×5, 32 channels, 32×32, batch 8", 8, 32, (32, 32), 5),
    "conv7": convolution("2 convolutions 7×7, 32 channels, 32×32, batch 8", 8, 32, (32, 32), 7),
    "conv_strided": convolution(
        "2 convolutions 3×3, stride 2, 64 channels, 64×64, batch 8", 8, 64, (64, 64), 3, stride=2
    ),
    "conv_grouped": convolution(
        "2 convolutions 3×3, 8 groups, 64 channels, 32×32, batch 8", 8, 64, (32, 32), 3, groups=8
    ),
    "conv3d": convolution("2 convolutions 3×3×3, 16 channels, 16³, batch 4", 4, 16, (16,) * 3, 3),
}

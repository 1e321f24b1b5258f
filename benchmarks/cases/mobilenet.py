"""Depthwise-separable convolutions: the first blocks of MobileNetV2 (Sandler et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.case import Case, normal

#: Factor of the inner channels, channels, blocks, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 2, 2))


def mobilenet(name: str, batch: int, size: int, stages: Sequence = STAGES, **options) -> Case:
    """Inverted residuals: 1×1 to more channels, 3×3 on each of them alone, 1×1 back."""

    def model(t):
        nn = t.nn

        def normalized(inputs, outputs, size, stride=1, groups=1):
            conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
            return [conv, nn.BatchNorm2d(outputs)]

        class Inverted(nn.Module):
            def __init__(self, inputs, outputs, stride, factor):
                super().__init__()
                inner = inputs * factor
                layers = [*normalized(inputs, inner, 1), nn.ReLU6()] if factor > 1 else []
                layers += [*normalized(inner, inner, 3, stride, inner), nn.ReLU6()]
                self.body = nn.Sequential(*layers, *normalized(inner, outputs, 1))
                self.is_residual = stride == 1 and inputs == outputs

            def forward(self, x):
                return x + self.body(x) if self.is_residual else self.body(x)

        layers, inputs = [*normalized(3, 32, 3, 2), nn.ReLU6()], 32
        for factor, outputs, count, stride in stages:
            for number in range(count):
                layers.append(Inverted(inputs, outputs, 1 if number else stride, factor))
                inputs = outputs
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
        return nn.Sequential(*layers, *head)

    return Case(name, model, normal(batch, 3, size, size), **options)


MOBILENET = mobilenet("MobileNetV2 blocks, 128×128, batch 8", batch=8, size=128)

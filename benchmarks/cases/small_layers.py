"""Many small layers and everything around a step: AdamW, clipped gradients, a schedule."""

from __future__ import annotations

from benchmarks.case import Case, normal


def small_layers(name: str, count: int, width: int, batch: int) -> Case:
    """So many times a linear layer, layer normalization and GELU."""

    def model(t):
        nn, layers = t.nn, []
        for _ in range(count):
            layers += [nn.Linear(width, width), nn.LayerNorm(width), nn.GELU()]
        return nn.Sequential(*layers, nn.Linear(width, 10))

    options = {"optimizer": "adamw", "lr": 1e-3, "clip": 1.0, "schedule": True}
    return Case(name, model, normal(batch, width), **options)


SMALL_LAYERS = small_layers("60 × (Linear, LayerNorm, GELU) of 64, AdamW, clipping", 60, 64, 32)

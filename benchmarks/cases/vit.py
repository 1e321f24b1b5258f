"""A vision transformer (Dosovitskiy et al., 2021): patches as words."""

from __future__ import annotations

from benchmarks.case import Case, normal


def vit(name: str, batch: int, size: int, patch: int, layers: int, width: int, heads: int) -> Case:
    """Patches, positions, an encoder that normalizes first, the mean, a linear layer."""
    count = (size // patch) ** 2

    def model(t):
        nn = t.nn

        class ViT(nn.Module):
            def __init__(self):
                super().__init__()
                self.patches = nn.Conv2d(3, width, patch, patch)
                self.position = nn.Parameter(t.zeros(1, count, width))
                layer = nn.TransformerEncoderLayer(
                    width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
                )
                self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
                self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, 10)

            def forward(self, x):
                x = self.patches(x).flatten(2).transpose(1, 2) + self.position
                return self.linear(self.norm(self.encoder(x)).mean(1))

        return ViT()

    return Case(name, model, normal(batch, 3, size, size), optimizer="adam", lr=1e-4)


VIT = vit("ViT, 6 layers of 192, 64 patches, batch 8", 8, 64, patch=8, layers=6, width=192, heads=3)

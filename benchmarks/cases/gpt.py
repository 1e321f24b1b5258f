"""A GPT as nanoGPT has it: blocks of causal attention and a wide layer, a word after every word."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.case import Case, classes


def torch_model(words: int, layers: int, size: int, heads: int, steps: int) -> Callable:
    """For PyTorch and Kuai."""

    def model(t):
        nn = t.nn
        attend = nn.functional.scaled_dot_product_attention

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
                self.attention = nn.Linear(size, 3 * size)
                self.projection = nn.Linear(size, size)
                self.wide = nn.Linear(size, 4 * size)
                self.narrow = nn.Linear(4 * size, size)

            def forward(self, x):
                B, T, C = x.shape
                parts = self.attention(self.norm1(x)).split(size, dim=2)
                q, k, v = (part.view(B, T, heads, C // heads).transpose(1, 2) for part in parts)
                mixed = attend(q, k, v, is_causal=True)
                x = x + self.projection(mixed.transpose(1, 2).reshape(B, T, C))
                return x + self.narrow(nn.functional.gelu(self.wide(self.norm2(x))))

        class GPT(nn.Module):
            def __init__(self):
                super().__init__()
                self.word = nn.Embedding(words, size)
                self.position = nn.Parameter(t.zeros(steps, size))
                self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
                self.norm = nn.LayerNorm(size)
                self.head = nn.Linear(size, words, bias=False)

            def forward(self, x):
                x = self.blocks(self.word(x) + self.position)
                return self.head(self.norm(x)).flatten(0, 1)

        return GPT()

    return model


def gpt(
    name: str,
    batch: int,
    steps: int,
    words: int,
    layers: int,
    size: int,
    heads: int,
    **options,
) -> Case:
    """So many layers of so many features, trained with AdamW."""
    model = torch_model(words, layers, size, heads, steps)
    targets = classes(words, batch * steps)
    options = {"optimizer": "adamw", "lr": 1e-3, "targets": targets, **options}
    return Case(name, model, classes(words, batch, steps), words, **options)


GPT = gpt(
    "GPT, 6 blocks of 192, 128 words, batch 8", 8, 128, words=1024, layers=6, size=192, heads=6
)

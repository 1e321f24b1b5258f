"""Sequences: a bidirectional GRU, dilated convolutions in time (Bai et al., 2018)."""

from __future__ import annotations

from benchmarks.case import Case, normal


def gru(name: str, batch: int, steps: int, inputs: int, hidden: int, **options) -> Case:
    """Two layers, each in both directions, and a linear one that reads the last step."""

    def model(t):
        class Classifier(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.gru = t.nn.GRU(inputs, hidden, 2, batch_first=True, bidirectional=True)
                self.linear = t.nn.Linear(2 * hidden, 10)

            def forward(self, x):
                return self.linear(self.gru(x)[0][:, -1])

        return Classifier()

    return Case(name, model, normal(batch, steps, inputs), lr=0.1, **options)


def tcn(name: str, batch: int, steps: int, channels: int, levels: int, **options) -> Case:
    """Residual blocks of causal convolutions that look twice as far back at every level."""

    def model(t):
        nn = t.nn

        class Block(nn.Module):
            def __init__(self, inputs, dilation):
                super().__init__()
                self.room = 2 * dilation
                self.first = nn.Conv1d(inputs, channels, 3, dilation=dilation)
                self.second = nn.Conv1d(channels, channels, 3, dilation=dilation)
                same = inputs == channels
                self.short = nn.Identity() if same else nn.Conv1d(inputs, channels, 1)

            def forward(self, x):
                short = self.short(x)
                for conv in (self.first, self.second):
                    x = nn.functional.relu(conv(nn.functional.pad(x, (self.room, 0))))
                return nn.functional.relu(x + short)

        class Classifier(nn.Module):
            def __init__(self):
                super().__init__()
                sizes = [8] + [channels] * levels
                self.blocks = nn.Sequential(*[Block(sizes[i], 2**i) for i in range(levels)])
                self.linear = nn.Linear(channels, 10)

            def forward(self, x):
                return self.linear(self.blocks(x)[:, :, -1])

        return Classifier()

    return Case(name, model, normal(batch, 8, steps), **options)


GRU = gru("GRU, 2 layers of 2×64, 64 steps, batch 32", batch=32, steps=64, inputs=64, hidden=64)
TCN = tcn("dilated convolutions, 6 levels of 64, 256 steps", 16, 256, channels=64, levels=6)

"""Networks that make pictures: DCGAN's generator (Radford et al., 2016), a U-Net (Ronneberger et
al., 2015) with group normalization and resizing."""

from __future__ import annotations

from benchmarks.case import Case, classes, normal


def generator(name: str, batch: int, width: int, size: int = 64, **options) -> Case:
    """Transposed convolutions from noise to a picture, trained to be a given one."""
    stages = (size // 4).bit_length() - 2  # between 4×4 and the last, each twice as large

    def model(t):
        nn = t.nn
        inputs = width * 2**stages
        layers = [nn.ConvTranspose2d(100, inputs, 4, 1, 0, bias=False)]
        for _ in range(stages):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU()]
            layers.append(nn.ConvTranspose2d(inputs, inputs // 2, 4, 2, 1, bias=False))
            inputs //= 2
        last = nn.ConvTranspose2d(inputs, 3, 4, 2, 1, bias=False)
        return nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.ReLU(), last, nn.Tanh())

    targets = normal(batch, 3, size, size)
    return Case(name, model, normal(batch, 100, 1, 1), loss="mse", targets=targets, **options)


def unet(name: str, batch: int, size: int, width: int, levels: int = 3, **options) -> Case:
    """Down and up again with bridges between, a class for every pixel."""

    def model(t):
        nn, functional = t.nn, t.nn.functional

        def block(inputs, outputs):
            layers = []
            for channels in (inputs, outputs):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(8, outputs)]
                layers.append(nn.SiLU())
            return nn.Sequential(*layers)

        class UNet(nn.Module):
            def __init__(self):
                super().__init__()
                widths = [width * 2**level for level in range(levels)]
                pairs = list(zip(widths[:-1], widths[1:], strict=True))
                self.first = block(3, width)
                self.down = nn.ModuleList([block(m, n) for m, n in pairs])
                self.up = nn.ModuleList([block(m + n, m) for m, n in reversed(pairs)])
                self.last = nn.Conv2d(width, 4, 1)

            def forward(self, x):
                x, bridges = self.first(x), []
                for down in self.down:
                    bridges.append(x)
                    x = down(functional.max_pool2d(x, 2))
                for up in self.up:
                    x = functional.interpolate(x, scale_factor=2, mode="bilinear")
                    x = up(t.cat([x, bridges.pop()], 1))
                return self.last(x)

        return UNet()

    targets = classes(4, batch, size, size)
    return Case(name, model, normal(batch, 3, size, size), targets=targets, **options)


GENERATOR = generator("DCGAN's generator, 64×64, batch 16", batch=16, width=64)
UNET = unet("U-Net with group norm, 64×64, batch 4", batch=4, size=64, width=32)

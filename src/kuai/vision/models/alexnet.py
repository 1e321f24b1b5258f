"""AlexNet, the network that brought convolution to large pictures: it won ImageNet 2012.

Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NeurIPS 2012; and Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
2014, whose sizes are used here, because they fit on one device.

Five convolutions find features, three linear layers read them. Two things are done as they are
today: no local response normalization, and a mean over places before the linear layers, so that
pictures of any size from 63×63 on can be read.
"""

from __future__ import annotations

from kuai.engine.tensor import Tensor
from kuai.nn import AdaptiveAvgPool2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential
from kuai.vision.models.trained import refuse_weights

__all__ = ["AlexNet", "alexnet"]


class AlexNet(Module):
    """AlexNet for colour pictures.

    Args:
        num_classes: how many kinds of pictures there are.
        dropout: of what the first two linear layers read.

    Shape:
        (B, 3, H, W) -> (B, num_classes); H and W are 224 in the paper and at least 63.

    Example:
        >>> net = kuai.vision.models.AlexNet(num_classes=10)
        >>> sum(p.numel() for p in net.features.parameters())
        2469696
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = Sequential(
            Conv2d(3, 64, kernel_size=11, stride=4, padding=2),  # (B, 64, 55, 55)
            ReLU(inplace=True),
            MaxPool2d(kernel_size=3, stride=2),  # (B, 64, 27, 27)
            Conv2d(64, 192, kernel_size=5, padding=2),
            ReLU(inplace=True),
            MaxPool2d(kernel_size=3, stride=2),  # (B, 192, 13, 13)
            Conv2d(192, 384, kernel_size=3, padding=1),
            ReLU(inplace=True),
            Conv2d(384, 256, kernel_size=3, padding=1),
            ReLU(inplace=True),
            Conv2d(256, 256, kernel_size=3, padding=1),
            ReLU(inplace=True),
            MaxPool2d(kernel_size=3, stride=2),  # (B, 256, 6, 6)
        )
        self.avgpool = AdaptiveAvgPool2d((6, 6))
        self.classifier = Sequential(
            Dropout(p=dropout),
            Linear(256 * 6 * 6, 4096),
            ReLU(inplace=True),
            Dropout(p=dropout),
            Linear(4096, 4096),
            ReLU(inplace=True),
            Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """One score for each class."""
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))  # (B, 256, 6, 6) -> (B, 9216) -> (B, num_classes)


def alexnet(*, weights: None = None, progress: bool = True, **options) -> AlexNet:
    """An `AlexNet` with new weights; `options` as of `AlexNet`.

    Example:
        >>> len(kuai.vision.models.alexnet(num_classes=10).state_dict())
        16
    """
    refuse_weights(weights)
    return AlexNet(**options)

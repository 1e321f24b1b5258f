"""ResNet: networks of up to 152 layers, trainable because each block adds to what it is given.

He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

A block computes y = relu(F(x) + x): it has to learn the difference to x only, and the gradient
passes it by unhindered. Two blocks are used: two 3×3 convolutions (18 and 34 layers), or a
bottleneck of 1×1, 3×3 and 1×1 (50 layers and more). Where a stage halves the picture, its first
block does so, and a 1×1 convolution brings x to the new shape. One thing is done as it is today: in
a bottleneck the 3×3 convolution takes the stride, which costs little and reads better than the
paper's first 1×1 ("ResNet v1.5").
"""

from __future__ import annotations

from collections.abc import Callable

from kuai.engine.tensor import Tensor
from kuai.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    init,
)
from kuai.vision.models.trained import refuse_weights

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]


def _conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1):
    return Conv2d(inputs, outputs, 3, stride, dilation, dilation, groups, bias=False)


def _conv1x1(inputs: int, outputs: int, stride: int = 1):
    return Conv2d(inputs, outputs, 1, stride, bias=False)


class BasicBlock(Module):
    """relu(F(x) + x), where F is two 3×3 convolutions, each with its normalization.

    Args:
        inplanes, planes: channels of input and output.
        stride: of the first convolution.
        downsample: brings x to the shape of F(x), where it has another.

    Example:
        >>> kuai.vision.models.resnet.BasicBlock(8, 8)(kuai.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], Module] = BatchNorm2d,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, inplanes, H, W) -> (B, planes, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Bottleneck(Module):
    """relu(F(x) + x), where F narrows with 1×1, looks around with 3×3 and widens with 1×1.

    Args:
        inplanes: channels of the input.
        planes: channels in the middle; the output has four times as many.
        stride: of the 3×3 convolution.
        downsample: brings x to the shape of F(x), where it has another.
        groups, base_width: groups of the 3×3 convolution, and its width (ResNeXt, Wide ResNet).

    Example:
        >>> kuai.vision.models.resnet.Bottleneck(16, 4)(kuai.zeros(1, 16, 4, 4)).shape
        torch.Size([1, 16, 4, 4])
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], Module] = BatchNorm2d,
    ) -> None:
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = _conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = _conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, inplanes, H, W) -> (B, 4·planes, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


class ResNet(Module):
    """A residual network for colour pictures: a stem, four stages of blocks, one linear layer.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: how many blocks each stage has.
        num_classes: how many kinds of pictures there are.
        zero_init_residual: each block starts as the identity.
        groups, width_per_group: of the 3×3 convolutions of bottlenecks.
        replace_stride_with_dilation: for each stage but the first, dilate instead of halving.
        norm_layer: makes the normalization of so many channels.

    Shape:
        (B, 3, H, W) -> (B, num_classes); H and W are 224 in the paper.

    Example:
        >>> from kuai.vision.models import resnet
        >>> net = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)
        >>> net(kuai.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Callable[[int], Module] | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        dilates = replace_stride_with_dilation or [False, False, False]
        if len(dilates) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None "
                f"or a 3-element tuple, got {replace_stride_with_dilation}"
            )
        self.conv1 = Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = ReLU(inplace=True)
        self.maxpool = MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilates[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilates[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilates[2])
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = Linear(512 * block.expansion, num_classes)
        self._reset_parameters(zero_init_residual)

    def _make_layer(self, block, planes, count, stride=1, dilates=False) -> Sequential:
        """A stage: the first block takes the stride, and x through a 1×1 convolution if it must."""
        first_dilation = self.dilation
        if dilates:
            self.dilation, stride = self.dilation * stride, 1
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = Sequential(
                _conv1x1(self.inplanes, planes * block.expansion, stride),
                self._norm_layer(planes * block.expansion),
            )
        rest = self.groups, self.base_width
        first = block(
            self.inplanes, planes, stride, downsample, *rest, first_dilation, self._norm_layer
        )
        self.inplanes = planes * block.expansion
        others = [
            block(self.inplanes, planes, 1, None, *rest, self.dilation, self._norm_layer)
            for _ in range(count - 1)
        ]
        return Sequential(first, *others)

    def _reset_parameters(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """One score for each class."""
        x = self.relu(self.bn1(self.conv1(x)))  # (B, 64, H/2, W/2)
        x = self.layer1(self.maxpool(x))  # (B, 64·e, H/4, W/4), e = block.expansion
        x = self.layer2(x)  # (B, 128·e, H/8, W/8)
        x = self.layer3(x)  # (B, 256·e, H/16, W/16)
        x = self.layer4(x)  # (B, 512·e, H/32, W/32)
        return self.fc(self.avgpool(x).flatten(1))  # (B, num_classes)


def resnet18(*, weights: None = None, progress: bool = True, **options) -> ResNet:
    """A ResNet of 18 layers with new weights; `options` as of `ResNet`."""
    refuse_weights(weights)
    return ResNet(BasicBlock, [2, 2, 2, 2], **options)


def resnet34(*, weights: None = None, progress: bool = True, **options) -> ResNet:
    """A ResNet of 34 layers with new weights; `options` as of `ResNet`."""
    refuse_weights(weights)
    return ResNet(BasicBlock, [3, 4, 6, 3], **options)


def resnet50(*, weights: None = None, progress: bool = True, **options) -> ResNet:
    """A ResNet of 50 layers with new weights; `options` as of `ResNet`."""
    refuse_weights(weights)
    return ResNet(Bottleneck, [3, 4, 6, 3], **options)


def resnet101(*, weights: None = None, progress: bool = True, **options) -> ResNet:
    """A ResNet of 101 layers with new weights; `options` as of `ResNet`."""
    refuse_weights(weights)
    return ResNet(Bottleneck, [3, 4, 23, 3], **options)


def resnet152(*, weights: None = None, progress: bool = True, **options) -> ResNet:
    """A ResNet of 152 layers with new weights; `options` as of `ResNet`."""
    refuse_weights(weights)
    return ResNet(Bottleneck, [3, 8, 36, 3], **options)

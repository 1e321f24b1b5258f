"""Models; one file is one paper."""

from kuai.vision.models.alexnet import AlexNet, alexnet
from kuai.vision.models.lenet import LeNet
from kuai.vision.models.resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152

__all__ = [
    "AlexNet",
    "LeNet",
    "ResNet",
    "alexnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]

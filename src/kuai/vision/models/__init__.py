"""Models; one file is one paper."""

from kuai.vision.models.lenet import LeNet

__all__ = ["LeNet"]

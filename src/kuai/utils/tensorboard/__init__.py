"""`kuai.utils.tensorboard`: a writer of TensorBoard's files, over the package `tensorboard`."""

from kuai.utils.tensorboard.writer import SummaryWriter

__all__ = ["SummaryWriter"]

"""Training: the loop, its progress on the screen, its files."""

from kuai.train.loop import Trainer
from kuai.train.run import Settings, train_lenet

__all__ = ["Settings", "Trainer", "train_lenet"]

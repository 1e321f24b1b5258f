"""Optimizers and learning rate schedulers."""

from kuai.optim import lr_scheduler
from kuai.optim.adam import Adam
from kuai.optim.adamw import AdamW
from kuai.optim.optimizer import Optimizer
from kuai.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]

"""Optimizers and learning rate schedulers."""

from kuai.optim import lr_scheduler
from kuai.optim.adadelta import Adadelta
from kuai.optim.adagrad import Adagrad
from kuai.optim.adam import Adam
from kuai.optim.adamax import Adamax
from kuai.optim.adamw import AdamW
from kuai.optim.asgd import ASGD
from kuai.optim.functional import FunctionalOptimizer
from kuai.optim.nadam import NAdam
from kuai.optim.optimizer import Optimizer
from kuai.optim.radam import RAdam
from kuai.optim.rmsprop import RMSprop
from kuai.optim.rprop import Rprop
from kuai.optim.sgd import SGD

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "AdamW",
    "ASGD",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "FunctionalOptimizer",
    "lr_scheduler",
]

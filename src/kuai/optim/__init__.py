"""Optimizers and learning rate schedulers."""

from kuai.engine.late import late
from kuai.optim import lr_scheduler, swa_utils
from kuai.optim.adadelta import Adadelta
from kuai.optim.adafactor import Adafactor
from kuai.optim.adagrad import Adagrad
from kuai.optim.adam import Adam
from kuai.optim.adamax import Adamax
from kuai.optim.adamw import AdamW
from kuai.optim.asgd import ASGD
from kuai.optim.functional import FunctionalOptimizer
from kuai.optim.lbfgs import LBFGS
from kuai.optim.muon import Muon
from kuai.optim.nadam import NAdam
from kuai.optim.optimizer import Optimizer
from kuai.optim.proof import describe_optimizers as _describe_optimizers
from kuai.optim.radam import RAdam
from kuai.optim.rmsprop import RMSprop
from kuai.optim.rprop import Rprop
from kuai.optim.sgd import SGD
from kuai.optim.sparse_adam import SparseAdam
from kuai.optim.swapping import swap_in_optimizer_params_and_state

__all__ = [
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "Adamax",
    "AdamW",
    "ASGD",
    "LBFGS",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
    "FunctionalOptimizer",
    "lr_scheduler",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]

__getattr__, __dir__ = late("kuai.optim", ("_functional",), {})

_describe_optimizers(each for each in list(globals().values()) if isinstance(each, type))

"""Building blocks: modules, containers, layers and losses, under PyTorch's names."""

from kuai.nn import (
    attention as attention,
    functional as functional,
    init as init,
    modules as modules,
    parallel as parallel,
    parameter as parameter,
    utils as utils,
)
from kuai.nn.modules import *  # noqa: F403  one list of the layers, which PyTorch has there, too
from kuai.nn.modules.factory import factory_kwargs as factory_kwargs
from kuai.nn.parallel import DataParallel as DataParallel
from kuai.nn.parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

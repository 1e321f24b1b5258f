"""PyTorch's import path for modules; the code stands in `kuai.nn`."""

from kuai.nn.modules import container as container
from kuai.nn.modules import lazy as lazy
from kuai.nn.modules import module as module
from kuai.nn.modules import utils as utils

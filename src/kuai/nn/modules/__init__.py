"""PyTorch's import path for modules; the code stands in `kuai.nn`."""

from kuai.nn.modules import container as container, lazy as lazy, module as module, utils as utils

"""PyTorch's file of `skip_init`."""

from kuai.nn.utils import skip_init as skip_init

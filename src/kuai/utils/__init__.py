"""PyTorch's import path for what stands around a network: `kuai.utils.data`."""

from kuai.utils import data as data

"""PyTorch's import paths for what stands around a network: `kuai.utils.data`, `.checkpoint`."""

from kuai.utils import checkpoint as checkpoint, data as data

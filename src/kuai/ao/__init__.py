"""`kuai.ao`: PyTorch's import path of quantization."""

from kuai.ao import quantization as quantization

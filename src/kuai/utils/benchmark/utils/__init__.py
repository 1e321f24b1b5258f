"""PyTorch's files of `kuai.utils.benchmark`."""

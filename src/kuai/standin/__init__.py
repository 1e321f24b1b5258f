"""Kuai under PyTorch's name: import paths, the distribution, and what compiled extensions hear."""

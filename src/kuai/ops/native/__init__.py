"""Kernels in C++ for what XLA is slow at, where they could be built; see `library`."""

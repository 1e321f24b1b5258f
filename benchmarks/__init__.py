"""Kuai beside PyTorch, Flax NNX, Equinox and plain JAX: the same training steps, timed in turns."""

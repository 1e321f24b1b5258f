"""Tensors as containers: making, shaping, indexing, joining and converting them."""

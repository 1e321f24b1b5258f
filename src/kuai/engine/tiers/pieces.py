"""Programs for pieces: what NumPy is slow at, or does not have, for arrays of any size.

A program for each shape would have to be compiled for each shape. These work on pieces of one fixed
size, so each is compiled once in a process, and gives the numbers that XLA gives for the whole.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["HASHED_FROM", "erf_inv", "hashed", "threefry"]

HASHED_FROM = 2**15  # numbers, below which NumPy is as quick
_HASHED, _COMPUTED = 2**16, 2**14  # numbers in a piece

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(key1, key2, x1, x2):
    """The threefry-2x32 hash (Salmon et al., 2011), bit for bit as JAX has it."""
    keys = (key1, key2, key1 ^ key2 ^ np.uint32(0x1BD11BDA))
    x1, x2 = x1 + keys[0], x2 + keys[1]
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x1 = x1 + x2
            x2 = x1 ^ ((x2 << np.uint32(turn)) | (x2 >> np.uint32(32 - turn)))
        x1 = x1 + keys[(group + 1) % 3]
        x2 = x2 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x1, x2


def hashed(words, count):
    """The hashes of the numbers from 0 to count - 1, as two rows of 32-bit words."""
    found = np.empty((2, count), np.uint32)
    with jax.default_device(_cpu()):
        for start in range(0, count, _HASHED):
            part = found[:, start : start + _HASHED]
            made = _hash_piece(words[0], words[1], np.uint64(start))
            for row, piece in zip(part, made, strict=True):
                row[:] = np.asarray(piece)[: part.shape[1]]
    return found


@jax.jit
def _hash_piece(key1, key2, start):
    numbers = start + jnp.arange(_HASHED, dtype=jnp.uint64)
    high, low = (numbers >> np.uint64(32)).astype(jnp.uint32), numbers.astype(jnp.uint32)
    return threefry(key1, key2, high, low)


def erf_inv(array):
    """The inverse of the error function, of an array of float32 or float64."""
    flat = np.ascontiguousarray(array).reshape(-1)
    found = np.empty_like(flat)
    with jax.default_device(_cpu()):
        for start in range(0, flat.size, _COMPUTED):
            part = flat[start : start + _COMPUTED]
            padded = np.zeros(_COMPUTED, flat.dtype)
            padded[: part.size] = part
            found[start : start + part.size] = np.asarray(_erf_inv_piece(padded))[: part.size]
    return found.reshape(array.shape)


@jax.jit
def _erf_inv_piece(array):
    return jax.lax.erf_inv(array)


@functools.cache
def _cpu():
    return jax.local_devices(backend="cpu")[0]

"""Acceleration: what an operation may know about the program that it is traced for.

* whether it may use libraries besides XLA;
* whether it becomes part of a larger program, in which XLA can drop what two neighbouring
  operations do to each other's arrays: two opposite transpositions, say. An eager operation is a
  program of its own and would pay for both;
* whether a GPU may convolve float32 in TensorFloat32;
* whether a GPU's recurrent layers may be cuDNN's.

The first two switches belong to the thread. JAX keeps traces apart by all of them: what was traced
while one was on is not used while it is off. Records are kept apart by them, too (see
`compile.tree`).
"""

import jax

__all__ = [
    "accelerate",
    "accelerated",
    "allow_tensor_float",
    "enable_cudnn",
    "is_accelerated",
    "is_cudnn_enabled",
    "is_tensor_float_allowed",
    "is_whole_program",
    "whole_program",
]

_accelerated = jax.make_user_context(True)
_whole = jax.make_user_context(False)
_tensor_float = jax.make_user_context(True)
_cudnn = jax.make_user_context(True)


def accelerate(enabled: bool) -> None:
    """Say whether operations may use libraries besides XLA, from here on, in every thread."""
    _accelerated.set_global(bool(enabled))


def accelerated(enabled: bool):
    """A context in which operations may, or may not, use libraries besides XLA."""
    return _accelerated(enabled)


def is_accelerated() -> bool:
    """Whether operations may use libraries besides XLA in this thread."""
    return _accelerated.value


def whole_program():
    """A context in which operations are traced as parts of a larger program."""
    return _whole(True)


def is_whole_program() -> bool:
    """Whether what is being traced is part of a larger program."""
    return _whole.value


def allow_tensor_float(allowed: bool) -> None:
    """Say whether a GPU may convolve float32 in TensorFloat32, from here on, in every thread."""
    _tensor_float.set_global(bool(allowed))


def is_tensor_float_allowed() -> bool:
    """Whether a GPU may convolve float32 in TensorFloat32."""
    return _tensor_float.value


def enable_cudnn(enabled: bool) -> None:
    """Say whether a GPU's recurrent layers may be cuDNN's, from here on, in every thread."""
    _cudnn.set_global(bool(enabled))


def is_cudnn_enabled() -> bool:
    """Whether a GPU's recurrent layers may be cuDNN's."""
    return _cudnn.value

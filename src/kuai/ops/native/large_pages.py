"""Large pages for the memory in which a compiled program computes, on Linux.

XLA takes the memory for all intermediate results from the system at every call, in one piece, and
gives it back at the end. Handed out in pages of 4 KiB that costs a quarter of the time of a
training step of ResNet-18. A call at the beginning of the program asks for pages of 2 MiB; where
the system has none, or is told never to use them, nothing changes.
"""

import jax
import jax.numpy as jnp

from kuai.engine.acceleration import large_program_begins
from kuai.ops.native import library

__all__ = ["ask"]


@large_program_begins
def ask(largest: int) -> None:
    """Put the call into the program that is being traced.

    What it returns is never used: it only has to lie among the intermediate results. XLA would put
    it where a result will be, if it fitted there.
    """
    if jax.default_backend() == "cpu" and library.is_usable():
        piece = jax.ShapeDtypeStruct((largest + 64,), jnp.uint8)
        jax.ffi.ffi_call("kuai_large_pages", piece, has_side_effect=True)()

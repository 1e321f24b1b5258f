"""Portable: whether what is being traced has to run on machines other than this one.

Some operations are formulated for the processor they run on. An exported program goes elsewhere, so
while one is traced they take their plain form. JAX keeps traces apart by this switch: what was
traced for this machine is not taken for an export, nor the other way round.
"""

import jax

__all__ = ["is_portable", "portable"]

_switch = jax.make_user_context(False)


def portable():
    """A context in which operations are traced for any machine."""
    return _switch(True)


def is_portable() -> bool:
    """Whether operations are being traced for any machine."""
    return _switch.value

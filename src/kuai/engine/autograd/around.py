"""What is done around operations: tangents are passed on, saved tensors packed.

`modes.state.around` is None as long as there is nothing of the kind, and then an operation asks no
more than that. Otherwise it is a chain: the innermost level of forward mode runs an operation, and
those it consists of are run by the next one out; at the end, where the tape is written, stand the
hooks for what it saves.
"""

import contextlib

from kuai.engine.autograd.duals import Dual, Level
from kuai.engine.autograd.packing import Packing
from kuai.engine.tensor import modes

__all__ = ["add_hooks", "add_keeper", "kept", "new_level", "no_forward_mode", "remove_hooks"]
__all__ += ["remove_level"]


def _rebuild():
    state = modes.state
    chain = state.saved_hooks[-1] if state.saved_hooks else None
    for level in state.levels:
        chain = Dual(level, chain)
    state.around = chain


def new_level() -> Level:
    """Begin a level of forward mode."""
    level = Level()
    modes.state.levels = (*modes.state.levels, level)
    _rebuild()
    return level


def remove_level(level: Level) -> None:
    """End a level of forward mode, and take its tangents away."""
    modes.state.levels = tuple(one for one in modes.state.levels if one is not level)
    level.close()
    _rebuild()


@contextlib.contextmanager
def no_forward_mode():
    """Have tangents not passed on for a while."""
    levels, modes.state.levels = modes.state.levels, ()
    _rebuild()
    try:
        yield
    finally:
        modes.state.levels = levels
        _rebuild()


def add_hooks(pack, unpack) -> None:
    """Have what the tape saves from now on packed, and unpacked when it is used."""
    if modes.state.no_saved_hooks is not None:
        raise RuntimeError(modes.state.no_saved_hooks)
    add_keeper(Packing(pack, unpack))


def add_keeper(keeper) -> None:
    """Have operations run, and what they save kept, by somebody else."""
    modes.state.saved_hooks = (*modes.state.saved_hooks, keeper)
    _rebuild()


def kept(tensors):
    """Tensors that are to be saved, as the innermost keeper keeps them; None if there is none."""
    hooks = modes.state.saved_hooks
    return hooks[-1].keep(tensors) if hooks else None


def remove_hooks() -> None:
    """Remove the hooks, or the keeper, added last."""
    modes.state.saved_hooks = modes.state.saved_hooks[:-1]
    _rebuild()

"""`torch.random`: the default random generator."""

from kuai.engine.tensor.randomness import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


def thread_safe_generator() -> Generator | None:
    """A generator of the loader's worker, where workers are threads; None for the default one.

    Kuai's `DataLoader` has processes for workers, whose default generators are their own.

    Example:
        >>> kuai.random.thread_safe_generator() is None
        True
    """
    return None

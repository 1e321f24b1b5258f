"""Random numbers: one default generator a device, whose state is a storage like any other.

A generator's state is a key and an offset. Every random operation gets both and folds the offset
into the key inside its own program; the generator then counts the offset up. As the state lives in
a storage, a compiled step reads and advances it as eager code does, and gives the same numbers.

Differs from PyTorch: the numbers themselves (JAX's threefry generator, not the Mersenne twister).
"""

import secrets
import threading

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine import devices
from kuai.engine.storage import Storage, put, resolve
from kuai.engine.tensor import Tensor, from_array, wrap

__all__ = ["Generator", "default_generator", "draw", "fold", "initial_seed", "manual_seed", "seed"]

_MASK = (1 << 64) - 1
_lock = threading.Lock()


class Generator:
    """A source of random numbers with its own seed and state.

    Example:
        >>> g = kuai.Generator().manual_seed(3)
        >>> a = kuai.rand(2, generator=g)
        >>> g.manual_seed(3).initial_seed()
        3
        >>> bool((kuai.rand(2, generator=g) == a).all())
        True
    """

    def __init__(self, device="cpu"):
        self.device = devices.device(device)
        self._key = Storage(None)
        self._offset = Storage(None)
        self._seed = 67280421310721
        self.manual_seed(self._seed)

    def manual_seed(self, seed: int) -> "Generator":
        """Start anew from `seed`, and return the generator."""
        self._seed = int(seed)
        words = divmod(self._seed & _MASK, 1 << 32)
        put(self._key, np.array(words, np.uint32))
        put(self._offset, np.int64(0))
        return self

    def seed(self) -> int:
        """Start anew from a seed that cannot be foreseen, and return it."""
        return self.manual_seed(secrets.randbits(63)).initial_seed()

    def initial_seed(self) -> int:
        """The seed it was last started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes (24: seed, key and offset)."""
        key, offset = (np.asarray(resolve(s).array) for s in (self._key, self._offset))
        words = np.uint64(self._seed & _MASK).tobytes() + key.tobytes() + offset.tobytes()
        return from_array(np.frombuffer(words, np.uint8).copy(), "cpu")

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that `get_state` returned."""
        words = np.asarray(new_state).tobytes()
        if len(words) != 24:
            raise RuntimeError(f"RNG state is wrong size: expected 24 bytes, got {len(words)}")
        self._seed = int(np.frombuffer(words[:8], np.uint64)[0])
        put(self._key, np.frombuffer(words[8:16], np.uint32).copy())
        put(self._offset, np.frombuffer(words[16:], np.int64)[0])

    def advance(self):
        """Key and offset for one operation, as tensors; the offset is counted up."""
        with _lock:
            key, offset = resolve(self._key).array, resolve(self._offset).array
            put(self._offset, offset + np.int64(1))
        return wrap(key), wrap(offset)

    def clone_state(self) -> "Generator":
        """Another generator that goes on from the same state."""
        other = Generator(self.device)
        other.set_state(self.get_state())
        return other

    def __deepcopy__(self, memo):
        return self.clone_state()

    def __getstate__(self):
        return {"device": self.device, "state": np.asarray(self.get_state())}

    def __setstate__(self, saved):
        self.__init__(saved["device"])
        self.set_state(from_array(saved["state"], "cpu"))


default_generator = Generator()


def draw(generator: Generator | None):
    """Key and offset for a random operation, from `generator` or the default one."""
    return (generator or default_generator).advance()


def fold(key, offset):
    """The JAX random key for one operation."""
    words = jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32), impl="threefry2x32")
    return jax.random.fold_in(words, jnp.asarray(offset, jnp.uint32))


def manual_seed(seed: int) -> Generator:
    """Start the default generator anew from `seed`, and return it.

    Example:
        >>> _ = kuai.manual_seed(0)
        >>> a = kuai.rand(3)
        >>> _ = kuai.manual_seed(0)
        >>> bool((a == kuai.rand(3)).all())
        True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the default generator anew from a seed that cannot be foreseen, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator was last started from."""
    return default_generator.initial_seed()

"""Random numbers: one default generator a device, whose state is a storage like any other.

A generator's state is a key and an offset. Every random operation gets both and folds the offset
into the key inside its own program; the generator then counts the offset up. As the state lives in
a storage, a compiled step reads and advances it as eager code does, and gives the same numbers.

Differs from PyTorch: the numbers themselves (JAX's threefry generator, not the Mersenne twister).
"""

import contextlib
import secrets
import threading
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import devices, modes, placing
from kuai.engine.tensor.calls import Call, in_tiers, perform, recorder
from kuai.engine.tensor.devices import device as _device
from kuai.engine.tensor.placeholder import resolved
from kuai.engine.tensor.storage import Storage, put, resolve
from kuai.engine.tensor.tensor import Tensor, from_array, wrap
from kuai.engine.tensor.views import where
from kuai.engine.tiers.tiered import start_anew

__all__ = [
    "Generator",
    "current_states",
    "default_generator",
    "draw",
    "fold",
    "fork_rng",
    "generator_of",
    "generators",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "replay",
    "seed",
    "set_rng_state",
]

_MASK = (1 << 64) - 1
_FIRST_SEED = 67280421310721
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

    #: collects (number of a thread, offset that it has drawn), while somebody wants them
    drawn: list | None = None

    def __init__(self, device: Any = "cpu"):
        self.device = devices.device(device)
        self._key = Storage(None)  # made when it is first needed: importing must not start JAX
        self._offset = Storage(None)
        self.manual_seed(_FIRST_SEED)

    def __repr__(self):
        return f"<torch._C.Generator object at {id(self):#x}>"

    def manual_seed(self, seed: int) -> "Generator":
        """Start anew from `seed`, and return the generator."""
        seed = int(seed)
        if not -(1 << 63) <= seed <= _MASK:
            raise ValueError("Overflow when unpacking long long")
        self._seed = seed & _MASK
        self._restart(np.array(divmod(self._seed, 1 << 32), np.uint32), 0)
        return self

    def _restart(self, words, offset):
        self._words = words
        if self._key.held is not None:
            put(self._key, self._made_key())
        put(self._offset, np.int64(offset))

    def _made_key(self):
        with modes.outside():
            return placing.put(self._words, devices.jax_device(self.device))

    def seed(self) -> int:
        """Start anew from a seed that cannot be foreseen, and return it."""
        return self.manual_seed(secrets.randbits(63)).initial_seed()

    def initial_seed(self) -> int:
        """The seed it was last started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes (24: seed, key and offset)."""
        key = self._words if self._key.held is None else np.asarray(resolve(self._key).array)
        offset = np.asarray(resolve(self._offset).array)
        words = np.uint64(self._seed & _MASK).tobytes() + key.tobytes() + offset.tobytes()
        return from_array(np.frombuffer(words, np.uint8).copy(), "cpu")

    def set_state(self, new_state: Tensor) -> "Generator":
        """Go on from a state that `get_state` returned."""
        if not isinstance(new_state, Tensor):
            found = type(new_state).__name__
            raise TypeError(f"expected a torch.ByteTensor, but got {found}")
        saved = np.asarray(new_state).tobytes()
        if len(saved) != 24:
            raise RuntimeError(f"RNG state is wrong size: expected 24 bytes, got {len(saved)}")
        self._seed = int(np.frombuffer(saved[:8], np.uint64)[0])
        words = np.frombuffer(saved[8:16], np.uint32).copy()
        self._restart(words, np.frombuffer(saved[16:], np.int64)[0])
        return self

    def advance(self):
        """Key and offset for one operation, as tensors; the offset is counted up."""
        level = modes.state.level
        if level is not None and level is modes.state.capture:
            return level.draw(self)
        with _lock:
            if self._key.held is None:
                self._key.held = self._made_key()
            key, offset = resolve(self._key).held, _plain(resolve(self._offset).held)
            put(self._offset, _counted_up(offset))
            if self.drawn is not None:
                self.drawn.append((threading.get_ident(), offset))
        return wrap(key), wrap(offset)

    def clone_state(self) -> "Generator":
        """Another generator that goes on from the same state."""
        other = Generator(self.device)
        other.set_state(self.get_state())
        return other

    def get_offset(self) -> int:
        """Raises PyTorch's error: only generators of GPUs have an offset there.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        """As `get_offset`."""
        self.get_offset()

    def graphsafe_get_state(self) -> "Generator":
        """Raises PyTorch's error: no graph of a GPU's work is captured.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, state) -> None:
        """As `graphsafe_get_state`."""
        raise NotImplementedError("graphsafe_set_state is not supported in this Generator")

    def __deepcopy__(self, memo):
        return self.clone_state()

    def __getstate__(self):
        return {"device": self.device, "state": np.asarray(self.get_state())}

    def __setstate__(self, saved):
        self.__init__(saved["device"])
        self.set_state(from_array(saved["state"], "cpu"))


default_generator = Generator()
_generators = {default_generator.device: default_generator}


def generators():
    """The default generators of all devices that have been used."""
    return list(_generators.values())


def generator_of(device) -> Generator:
    """The default generator of a device."""
    found = _generators.get(device)
    if found is None:
        device = devices.numbered(device)
        found = _generators.get(device)
    if found is None:
        found = _generators[device] = Generator(device)
        found.manual_seed(default_generator.initial_seed())
    return found


def draw(generator: Generator | None, values=(), device=None):
    """Key and offset for a random operation on some values, or on a device."""
    if generator is None:
        if device is None:
            first = next((v for v in values if isinstance(v, Tensor)), None)
            device = devices.device_of(None) if first is None else where(first)
        generator = generator_of(device)
    return generator.advance()


def current_states():
    """The states of all default generators, for `replay`; none inside a `vmap`."""
    if modes.state.level is not None:
        return []
    found = []
    for generator in list(_generators.values()):
        for storage in (generator._key, generator._offset):
            if storage.held is not None:
                found.append((storage, resolve(storage).held))
    return found


@contextlib.contextmanager
def replay(states):
    """Draw the numbers that were drawn after `current_states()`; afterwards go on as before."""
    before = current_states()
    for storage, array in states:
        put(storage, array)
    try:
        yield
    finally:
        for storage, array in before:
            put(storage, array)


def _plain(offset):
    """The offset as a number, unless it is one that a branch or a loop of a program has left and
    that nobody waits for yet."""
    if isinstance(offset, (np.generic, jax.core.Tracer)) or recorder() is not None:
        return offset
    return np.int64(resolved(offset))


def _counted_up(offset: Any) -> Any:
    """The next offset."""
    if isinstance(offset, (np.generic, jax.core.Tracer)):
        counted: Any = offset
        return counted + np.int64(1)
    return perform(_next, [offset])


_next = Call(in_tiers(lambda offset: offset + np.int64(1)), "next_offset")


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
    start_anew()
    for generator in _generators.values():
        generator.manual_seed(seed)
    return default_generator


def seed() -> int:
    """Start the default generator anew from a seed that cannot be foreseen, and return it."""
    manual_seed(secrets.randbits(63))
    return default_generator.initial_seed()


def initial_seed() -> int:
    """The seed the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a tensor of bytes.

    Example:
        >>> state = kuai.get_rng_state()
        >>> a = kuai.rand(2)
        >>> kuai.set_rng_state(state)
        >>> bool((kuai.rand(2) == a).all())
        True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Have the default generator go on from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices", device_type=None
):
    """Have the default generators go on afterwards as if nothing had been drawn inside.

    Args:
        devices: the devices whose generators are meant beside that of the CPU; default: all.
        enabled: False does nothing.
        device_type: the kind of the devices that are given as numbers; default: "cuda".

    Example:
        >>> _ = kuai.manual_seed(0)
        >>> with kuai.random.fork_rng():
        ...     a = kuai.rand(2)
        >>> bool((kuai.rand(2) == a).all())
        True
    """
    if not enabled:
        yield
        return
    if devices is None:
        chosen = generators()
    else:
        kind = device_type or "cuda"
        named = [f"{kind}:{d}" if isinstance(d, int) else d for d in devices]
        chosen = [default_generator, *(generator_of(_device(each)) for each in named)]
    before = [(generator, generator.get_state()) for generator in chosen]
    try:
        yield
    finally:
        for generator, state in before:
            generator.set_state(state)

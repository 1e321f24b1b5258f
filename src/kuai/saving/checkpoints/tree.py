"""State as JSON and tensors: what `state_dict` returns, without loss, in a safetensors file.

A state is a tree of plain containers. It becomes JSON whose leaves say what they were; tensors and
arrays stand beside it under the path that leads to them (`model.0.weight`). JSON knows neither
tuples, sets, numbers as keys nor infinities, so these are objects with one key that starts with
`$`: `{"$tuple": [0.9, 0.999]}`. Nothing is listed: what is not known here is refused by name, so no
state is ever left out in silence.

Encoding takes a snapshot. Arrays of JAX are immutable, so a tensor is held, not copied; telling its
storage so keeps a compiled step from using the memory again.
"""

from __future__ import annotations

import base64
import math
from collections import Counter, OrderedDict
from typing import Any

import jax
import jax.core
import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array, wrap
from kuai.engine.tensor.layouts import layout_of
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.storage import resolve
from kuai.engine.tensor.views import value
from kuai.errors import UnsavableObjectError
from kuai.nn.parameter import is_lazy
from kuai.saving.budget import Budget
from kuai.saving.keys import Hashes
from kuai.saving.limits import VIEW_BYTES

__all__ = ["Snapshot", "State", "is_spread"]


def is_spread(array: Any) -> bool:
    """Whether an array lies on more than one device."""
    return isinstance(array, jax.Array) and len(array.sharding.device_set) > 1


# Encoding -----------------------------------------------------------------------------------------


class Snapshot:
    """States as they are now.

    Args:
        states: what is to be saved, by name.
        lazy: accept tensors that have no values yet.

    Attributes:
        tree: the states as JSON.
        tensors: what stands in the file beside it, by name.
        spread: arrays that lie on several devices, by name.
        placements: where every one of them lies.
    """

    def __init__(self, states: dict[str, Any], lazy: bool = False) -> None:
        self.lazy = lazy
        self.tensors: dict[str, Tensor] = {}
        self.spread: dict[str, jax.Array] = {}
        self.placements: dict[str, Any] = {}
        self._frozen: dict[tuple, Tensor] = {}
        self.tree = {name: self._encode(state, name) for name, state in states.items()}

    def _encode(self, item: Any, path: str) -> Any:
        kind = type(item)
        if item is None or kind in (bool, int, str):
            return item
        if kind is float:
            return item if math.isfinite(item) else {"$float": repr(item)}
        if isinstance(item, Tensor):
            return self._tensor(item, path)
        if isinstance(item, (np.ndarray, np.generic, jax.Array)):
            return self._array(item, path)
        if kind in _SEQUENCES:
            return self._sequence(item, path)
        if kind in (dict, OrderedDict, Counter):
            return self._dictionary(item, path)
        return _encode_rare(item, path)

    def _sequence(self, items: Any, path: str) -> Any:
        in_order = sorted(items, key=repr) if isinstance(items, (set, frozenset)) else items
        encoded = [self._encode(item, f"{path}.{index}") for index, item in enumerate(in_order)]
        return encoded if type(items) is list else {_SEQUENCES[type(items)]: encoded}

    def _dictionary(self, items: dict, path: str) -> Any:
        if type(items) is dict and all(type(k) is str and k[:1] != "$" for k in items):
            return {key: self._encode(item, f"{path}.{key}") for key, item in items.items()}
        pairs = [
            [self._encode(key, path), self._encode(item, f"{path}.{key}")]
            for key, item in items.items()
        ]
        encoded: dict[str, Any] = {f"${type(items).__name__}": pairs}
        if attributes := getattr(items, "__dict__", None):  # an OrderedDict's `_metadata`
            encoded["attributes"] = self._encode(dict(attributes), f"{path}.attributes")
        return encoded

    def _tensor(self, tensor: Tensor, path: str) -> Any:
        if is_lazy(tensor):
            if self.lazy:
                return None
            raise UnsavableObjectError(
                f"{path} has no values yet: its size is known after the first call of the module. "
                "Call the module once on a batch, then save."
            )
        storage = resolve(tensor._storage)
        key = (id(storage), layout_of(tensor), tensor.dtype.name)
        if key not in self._frozen:
            self._frozen[key] = wrap(_concrete(value(tensor), path))
        node = self._keep(self._frozen[key], path)
        if str(tensor.device) != "cpu":
            node["device"] = str(tensor.device)
        return {"$tensor": node} if len(node) > 1 else {"$tensor": node["name"]}

    def _array(self, array: Any, path: str) -> Any:
        if array.dtype.name not in _NUMBERS:
            raise UnsavableObjectError(f"{path} is an array of {array.dtype}, not of numbers")
        if isinstance(array, jax.Array):
            tag, tensor = "$jax", wrap(array)
        else:
            tag = "$numpy" if isinstance(array, np.ndarray) else "$scalar"
            tensor = from_array(np.array(array), "cpu")
        node = self._keep(tensor, path)
        return {tag: node if len(node) > 1 else node["name"]}

    def _keep(self, tensor: Tensor, path: str) -> dict[str, Any]:
        """Put a tensor into the file under a name that is still free."""
        name, number = path, 1
        while name in self.tensors or name in self.spread:
            number += 1
            name = f"{path}~{number}"
        array = tensor._storage.array
        node: dict[str, Any] = {"name": name}
        self.placements[name] = getattr(array, "sharding", None)
        if is_spread(array):
            self.spread[name] = array
            node["spread"] = True
        elif tensor.dtype is dtypes.complex128:  # which safetensors does not have
            parts = np.asarray(array).reshape(-1).view(np.float64)
            self.tensors[name] = from_array(parts, "cpu")
            node["complex"] = list(array.shape)
        else:
            self.tensors[name] = tensor
        return node


def _concrete(array: Any, path: str) -> Any:
    if isinstance(array, jax.core.Tracer):
        raise UnsavableObjectError(
            f"{path} has no value while a function is being transformed (vmap, grad, jit): save "
            "outside of it"
        )
    return array


_SEQUENCES = {list: "", tuple: "$tuple", set: "$set", frozenset: "$frozenset", Size: "$Size"}
_NUMBERS = {np.dtype(kind.jax).name for kind in dtypes.DTYPES}


def _encode_rare(item: Any, path: str) -> Any:
    kind = type(item)
    if kind is complex:
        return {"$complex": repr(item)}
    if kind in (bytes, bytearray):
        return {f"${kind.__name__}": base64.b64encode(item).decode()}
    if kind is dtypes.dtype:
        return {"$dtype": item.name}
    if kind is devices.device:
        return {"$device": str(item)}
    raise UnsavableObjectError(
        f"{path} is a {kind.__module__}.{kind.__qualname__}, which a checkpoint cannot hold. A "
        "state is made of tensors, arrays, numbers, strings and plain containers of them. If it is "
        "an object with a state of its own, give it state_dict() and load_state_dict() and hand "
        "it to the Checkpointer under its own name."
    )


# Decoding -----------------------------------------------------------------------------------------


class State:
    """States read back.

    Args:
        tensors: the file's, by name.
        spread: arrays on several devices, by name.
        placements: where tensors are wanted that are to lie on several devices.
    """

    def __init__(
        self, tensors: dict[str, Tensor], spread: dict[str, jax.Array], placements: dict[str, Any]
    ) -> None:
        self.tensors = tensors
        self.spread = spread
        self.placements = placements
        self._moved: dict[tuple, Tensor] = {}
        self._complex: dict[str, Tensor] = {}
        self._copies = Budget(
            VIEW_BYTES + 16 * sum(tensor.nbytes for tensor in tensors.values()),
            "its arrays are copied too often",
        )

    def decode(self, item: Any) -> Any:
        """The state that JSON stands for."""
        if isinstance(item, list):
            return [self.decode(part) for part in item]
        if not isinstance(item, dict):
            return item
        tag = next(iter(item), "")
        if not tag.startswith("$"):
            return {key: self.decode(part) for key, part in item.items()}
        return self._decode_tagged(tag, item[tag], item)

    def _decode_tagged(self, tag: str, content: Any, item: dict[str, Any]) -> Any:
        if tag in _ARRAY_TAGS:
            node = {"name": content} if isinstance(content, str) else content
            tensor = self._tensor(node)
            if tag in _COPYING_TAGS:
                self._copies.take(tensor.nbytes)
            return _ARRAY_TAGS[tag](tensor)
        if tag in _LEAVES:
            return _LEAVES[tag](content)
        if tag in _CONTAINERS:
            parts = self.decode(content)
            if tag in _SET_TAGS:
                _check_hashes(parts)
            return _CONTAINERS[tag](parts)
        made = _DICTIONARIES[tag]()
        hashes = Hashes()
        for key, part in content:
            key = self.decode(key)
            hashes.count(key)
            made[key] = self.decode(part)
        if "attributes" in item:
            vars(made).update(self.decode(item["attributes"]))
        return made

    def _tensor(self, node: dict[str, Any]) -> Tensor:
        name = node["name"]
        if node.get("spread"):
            return wrap(self.spread[name])
        tensor = self.tensors[name]
        if "complex" in node:
            tensor = self._of_parts(name, tensor, node["complex"])
        placement = self.placements.get(name)
        wide = placement is not None and len(placement.device_set) > 1
        where = placement if wide else _existing(node.get("device", "cpu"))
        key = (id(tensor._storage), where)  # tied tensors stay tied
        if key not in self._moved:
            self._moved[key] = wrap(jax.device_put(value(tensor), where))
        return Tensor._share(self._moved[key])

    def _of_parts(self, name: str, parts: Tensor, shape: list[int]) -> Tensor:
        """A tensor of complex128, made once: whoever asks by its identity has to find it alive."""
        if name not in self._complex:
            array = parts.numpy().view(np.complex128).reshape(shape)
            self._complex[name] = from_array(array, "cpu")
        return self._complex[name]


def _check_hashes(members: list) -> None:
    hashes = Hashes()
    for member in members:
        hashes.count(member)


def _existing(name: str) -> Any:
    """A device of this machine: the one it was saved from, or else the default one."""
    try:
        return devices.jax_device(name)
    except (AssertionError, RuntimeError):
        return devices.jax_device()


_ARRAY_TAGS = {
    "$tensor": lambda tensor: tensor,
    "$jax": value,
    "$numpy": lambda tensor: np.array(value(tensor)),
    "$scalar": lambda tensor: np.asarray(value(tensor))[()],
}
_COPYING_TAGS = ("$numpy", "$scalar")
_SET_TAGS = ("$set", "$frozenset")
_LEAVES = {
    "$float": float,
    "$complex": complex,
    "$bytes": base64.b64decode,
    "$bytearray": lambda text: bytearray(base64.b64decode(text)),
    "$dtype": {kind.name: kind for kind in dtypes.DTYPES}.__getitem__,
    "$device": devices.device,
}
_CONTAINERS = {"$tuple": tuple, "$set": set, "$frozenset": frozenset, "$Size": Size}
_DICTIONARIES = {"$dict": dict, "$OrderedDict": OrderedDict, "$Counter": Counter}

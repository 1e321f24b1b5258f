"""Tensors and modules as JAX pytrees: `jax.jit`, `jax.grad`, `jax.vmap` and optax take them.

A tensor's leaf is its array. A module's children are its parameters and buffers, tied ones once;
its structure is everything else: classes, modes, hooks, plain attributes, which tensor stands
where. Two modules of equal structure share one compiled program; after `train()`, a new hook or a
changed attribute the structure is another one. Putting a module together again makes new blocks
that share all that is no tensor, so what a function of JAX's changes in a module, a running mean
for instance, is lost unless the function returns the module.

JAX differentiates no integers, and optax updates every leaf: `kuai.func.partition` takes a module
apart into what is trained and the rest.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import jax
from jax.tree_util import GetAttrKey

from kuai.engine.tensor import Tensor, changes
from kuai.engine.tensor.storage import Storage
from kuai.nn.base.snapshots import snapshot
from kuai.nn.base.watched import SlotDict
from kuai.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from kuai.nn.base.module import Module

__all__ = ["register_module", "register_tensor"]

_TENSORS = ("_parameters", "_buffers")
_OWN = (*_TENSORS, "_modules", "_compiled_call_impl")
_PLAIN = (int, float, bool, str, type(None))


# Tensors ------------------------------------------------------------------------------------------


def register_tensor(kind: type[Tensor]) -> None:
    """Have JAX see tensors of a class as containers of one array."""

    def unflatten(requires_grad, leaves):
        made = kind.__new__(kind)
        made._storage = Storage(leaves[0])
        made._requires_grad = requires_grad
        return made

    jax.tree_util.register_pytree_node(
        kind, lambda tensor: ((tensor.__jax_array__(),), tensor._requires_grad), unflatten
    )


for _kind in (Tensor, Parameter, Buffer):
    register_tensor(_kind)


# Modules ------------------------------------------------------------------------------------------


class Skeleton:
    """A module without its tensors: what JAX keeps as the structure of a pytree."""

    def __init__(self, module: Module):
        blocks = list(module.modules())
        numbers = {id(block): i for i, block in enumerate(blocks)}
        self.places = []  # of each tensor: (number of the block, slot, name), its first place
        self.names = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
        found: dict[int, int] = {}
        self.slots = [self._slots_of(i, block, found) for i, block in enumerate(blocks)]
        self.children = [
            [(name, None if child is None else numbers[id(child)])
             for name, child in block._modules.items()]
            for block in blocks
        ]  # fmt: skip
        self.kinds = [type(block) for block in blocks]
        self.attributes = [
            {name: value for name, value in block.__dict__.items() if name not in _OWN}
            for block in blocks
        ]
        self.fingerprint = (
            self.kinds,
            self.slots,
            self.children,
            [snapshot(attributes) for attributes in self.attributes],
        )

    def _slots_of(self, number, block, found):
        """(slot, name, number of the tensor or None) of everything a block holds."""
        made = []
        for slot in _TENSORS:
            for name, tensor in block.__dict__[slot].items():
                if tensor is not None and id(tensor) not in found:
                    found[id(tensor)] = len(self.places)
                    self.places.append((number, slot, name))
                made.append((slot, name, None if tensor is None else found[id(tensor)]))
        return made

    def can_change_unseen(self) -> bool:
        """Whether an attribute is of a kind whose changes nobody reports."""
        return any(
            isinstance(value, (list, dict, set)) and not name.startswith("_")
            or not isinstance(value, (*_PLAIN, tuple, list, dict, set))
            for attributes in self.attributes
            for name, value in attributes.items()
        )  # fmt: skip

    def tensors(self, module: Module) -> list:
        """The tensors of a module of this structure."""
        blocks = list(module.modules())
        return [blocks[number].__dict__[slot][name] for number, slot, name in self.places]

    def clothe(self, tensors: Any) -> Module:
        """A module of this structure with other tensors."""
        tensors = list(tensors)
        blocks = [object.__new__(kind) for kind in self.kinds]
        for block, attributes, slots, children in zip(
            blocks, self.attributes, self.slots, self.children, strict=True
        ):
            state = block.__dict__
            state.update(attributes)
            state.update((name, SlotDict()) for name in (*_TENSORS, "_modules"))
            for slot, name, number in slots:
                _put(state[slot], name, None if number is None else tensors[number])
            for name, number in children:
                _put(state["_modules"], name, None if number is None else blocks[number])
        return blocks[0]

    def __eq__(self, other):
        return self is other or (
            isinstance(other, Skeleton) and self.fingerprint == other.fingerprint
        )

    def __hash__(self):
        return hash((tuple(self.kinds), tuple(self.places)))

    def __repr__(self):
        return f"<structure of {self.kinds[0].__name__}>"


def _put(slots, name, thing):
    OrderedDict.__setitem__(slots, name, thing)  # a new module: no compiled program knows it


_known: weakref.WeakKeyDictionary[Any, tuple[int, Skeleton]] = weakref.WeakKeyDictionary()


def _skeleton_of(module):
    """A module's structure, made anew only if something may have changed."""
    known = _known.get(module)
    if known is not None and known[0] == changes.counter.count:
        return known[1]
    made = Skeleton(module)
    skeleton = known[1] if known is not None and made == known[1] else made
    if not skeleton.can_change_unseen():
        _known[module] = (changes.counter.count, skeleton)
    return skeleton


def _flatten(module):
    skeleton = _skeleton_of(module)
    return skeleton.tensors(module), skeleton


def _flatten_with_keys(module):
    tensors, skeleton = _flatten(module)
    pairs = zip(map(GetAttrKey, skeleton.names), tensors, strict=True)
    return list(pairs), skeleton


def register_module(kind: type[Module]) -> None:
    """Have JAX see modules of a class as containers of their parameters and buffers."""
    jax.tree_util.register_pytree_with_keys(
        kind, _flatten_with_keys, lambda skeleton, tensors: skeleton.clothe(tensors), _flatten
    )

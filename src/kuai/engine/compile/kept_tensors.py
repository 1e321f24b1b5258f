"""Tensors that a call puts into attributes and dicts: hidden states, averages, last activations.

    self.hidden = torch.tanh(self.cell(x) + self.hidden)
    metrics["loss"] = loss.detach()
    self.state = (h.detach(), c.detach())

There stands another tensor after each call. So it is not compared: which one stands there is looked
up at each call, and the new one is set as the object's class, or the dict, sets it. What is read
there has to be a tensor that says nothing but its values, and that nothing else reads: its storage
is neither that of a watched tensor nor that of an argument, and the call writes into no old one.

Which places those are is found out where something is assigned; then the proof begins anew.
"""

from kuai.engine.compile.abstract_values import NEST, Items, Known, is_plain, text_of_value
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, description_of
from kuai.engine.compile.slots import Again, Entry, Row, Slot
from kuai.engine.compile.tables import Tables
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.attributes import own_of

__all__ = ["KeptTensors"]


def _slot(thing, mapping, name):
    try:
        return Slot(thing, mapping, name)
    except TypeError:  # there can be no weak reference to it
        raise Refused(f"an assignment to {name} of {text_of_value(thing)}") from None


def _is_row(thing) -> bool:
    """Whether a thing is a tuple of tensors."""
    return type(thing) is tuple and thing != () and all(type(each) is Tensor for each in thing)


class KeptTensors(Tables, Frame):
    """Assignments to attributes, and to what was in dicts before."""

    def slot_at(self, mapping, name):
        """The slot in a dictionary, if there is one; the dictionary is watched."""
        slot = self.prover.slots.get((id(mapping), name))
        if slot is not None:
            self.watch.entries(mapping, ())
        return slot

    def keep(self, owner, name, value) -> None:
        """`owner.name = value`."""
        if self.prover.open or not isinstance(owner, Known):
            raise Refused(f"an assignment to {name} of {text_of_value(owner)}")
        thing = owner.value
        mapping = self._mapping_of(thing, name)
        if mapping is None or not self.takes_back(thing, name):
            raise Refused(f"an assignment to {name} of {text_of_value(owner)}")
        reason = f"a change of {name} of {text_of_value(owner)}"
        self._put(mapping, name, value, reason, lambda: _slot(thing, mapping, name))

    def keep_in(self, table, key, value) -> None:
        """`table[key] = value`, for a table that was there before the call."""
        reason = f"a change of an entry of {text_of_value(table)}"
        if self.prover.open:
            raise Refused(reason)
        key = self.key_of(key)
        self._put(table, key, value, reason, lambda: Entry(table, key))

    def _put(self, mapping, name, value, reason, new_slot):
        old, slot = dict.get(mapping, name), self.slot_at(mapping, name)
        if slot is None and isinstance(value, Known) and is_plain(value.value):
            if type(old) is not type(value.value) or repr(old) != repr(value.value):
                raise Refused(reason)
            self.watch.entries(mapping, [name])  # nothing changes
            return
        is_row = _is_row(old)
        if not (self._is_new_row if is_row else self._is_new)(old, value):
            raise Refused(reason)
        if slot is None:
            raise Again(Row(new_slot()) if is_row else new_slot())
        slot.value = value

    def _is_new(self, old, value) -> bool:
        """Whether a tensor is replaced by what the call has made."""
        made = value is NEST or not isinstance(value, Known) and self.is_tensor(value)
        return type(old) is Tensor and made

    def _is_new_row(self, old, value) -> bool:
        """Whether a tuple is replaced by one of what the call has made.

        What a result is that may be one is seen when the call has been recorded.
        """
        if value is NEST:
            return True
        if not isinstance(value, Items) or value.kind is not tuple or len(value.values) != len(old):
            return False
        return all(
            part is NEST or not isinstance(part, Known) and self.is_tensor(part)
            for part in value.values
        )

    def _mapping_of(self, thing, name):
        """The dictionary in which an attribute is found."""
        attributes, description = own_of(thing), description_of(thing)
        slots = () if description is None else description.slots(self.prover, thing)
        found = [each for each in (attributes, *slots) if each is not None and name in each]
        return found[0] if found else None

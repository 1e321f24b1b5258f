"""Captures: functions on tensors as one traced piece, for batching, branches, loops and exports.

During a capture the thread's operations run on traced arrays. The first time a storage from outside
is read, a `placeholder` is put into the trace: that storage becomes an input. A storage from
outside that is written gets its traced double replaced and becomes an output. Nothing outside
changes while tracing: if the function raises, the doubles are thrown away and every tensor is as it
was. What a trace is made for says what its inputs are: see `batching`, `compile.bodies`, the
exports of `saving`.

`kuai.compile` does not trace a function: it records what runs (see `compile.recorder`).
"""

import weakref

import jax
import jax.core
from jax.extend.core import Primitive

from kuai.engine.tensor.storage import Lost, Storage
from kuai.errors import LeakedTensorError

__all__ = ["Capture", "placeholder"]

placeholder = Primitive("kuai_input")  # stands in the trace for an input


@placeholder.def_abstract_eval
def _(*, index, shape, dtype, weak):
    return jax.core.ShapedArray(shape, dtype, weak_type=weak)


class Capture:
    """The state of one tracing run: what goes in, and what is written."""

    def __init__(self, device, first_sequence):
        self.device = device
        self.first_sequence = first_sequence  # nodes with a lower number were made outside
        self.sources = []  # what each placeholder stands for
        self.doubles = {}  # outside storage -> its traced double
        self.written = {}  # outside storages that were written, in order
        self.made = []  # weak references to storages made inside
        self.stand_ins = {}  # id of a placeholder -> (traced array, the placeholder)
        self.gradients = {}  # id of a tensor -> (tensor, its `.grad`), where that was set

    # Arrays -----------------------------------------------------------------------------------

    def new_input(self, source, shape, dtype, weak=False):
        """A traced array for an input of the trace."""
        self.sources.append(source)
        index = len(self.sources) - 1
        return placeholder.bind(index=index, shape=tuple(shape), dtype=dtype, weak=weak)

    def shadow(self, storage: Storage) -> Storage:
        """The traced double of an outside storage."""
        double = self.doubles.get(storage)
        if double is None:
            if isinstance(storage.held, Lost) or storage.home is not None:
                raise LeakedTensorError
            held = storage.held
            traced = self.new_input(("state", storage), held.shape, held.dtype)
            double = self.doubles[storage] = Storage(traced, self)
        return double

    def write(self, storage: Storage, array) -> None:
        """Note that an outside storage now holds `array`."""
        double = self.doubles.get(storage)
        if double is None:
            double = self.doubles[storage] = Storage(array, self)
        double.held = array
        double.version += 1
        self.written[storage] = double

    def adopt(self, storage: Storage) -> None:
        """Note that a storage was made inside."""
        storage.home = self
        self.made.append(weakref.ref(storage))

    def enter(self, values):
        """The values that an operation is to run on; a part of a program puts stand-ins here."""
        return values

    def stand_in(self, placeholder):
        """A traced array for one that is recorded and not computed yet."""
        found = self.stand_ins.get(id(placeholder))
        if found is None:
            traced = self.new_input(("recorded", placeholder), placeholder.shape, placeholder.dtype)
            found = self.stand_ins[id(placeholder)] = (traced, placeholder)
        return found[0]

    # Gradients --------------------------------------------------------------------------------

    def read_grad(self, tensor):
        """A tensor's `.grad`."""
        return self.gradients.get(id(tensor), (tensor, tensor._grad))[1]

    def write_grad(self, tensor, value) -> None:
        """Set a tensor's `.grad` for as long as the capture goes on."""
        self.gradients[id(tensor)] = (tensor, value)

    # The end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Make every tensor that outlives the capture say so when it is used."""
        lost = Lost()
        for reference in self.made:
            storage = reference()
            if storage is not None:
                storage.held = lost
                storage.version += 1

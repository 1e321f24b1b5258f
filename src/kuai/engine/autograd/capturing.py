"""Capture: what `kuai.compile` learns while it traces a function once.

During a capture the thread's operations run on traced arrays. The first time a storage from outside
is read, a `placeholder` is put into the trace: that storage becomes an input of the program. A
storage from outside that is written gets its traced double replaced and becomes an output. `.grad`
slots are kept apart in the same way, because they can be None. Nothing outside changes while
tracing: if the function raises, the doubles are thrown away and every tensor is as it was.

What the trace depended on in Python is written down as guards (see `guards`): values that were read
through `constant`, modules that were called, `requires_grad` of tensors that were used. Numbers
read through `number` (a learning rate) become inputs instead.
"""

import functools
import weakref

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive

from kuai.engine.autograd.guards import Guards
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.storage import Lost, Storage
from kuai.errors import DataDependentError, LeakedTensorError, NotOneProgramError

__all__ = [
    "Capture",
    "Slot",
    "afterwards",
    "constant",
    "number",
    "placeholder",
    "tensor_hooks",
]

placeholder = Primitive("kuai_input")  # stands in the trace for an input of the program


@placeholder.def_abstract_eval
def _(*, index, shape, dtype, weak):
    return jax.core.ShapedArray(shape, dtype, weak_type=weak)


class Slot:
    """The `.grad` of one tensor during a capture."""

    __slots__ = ("current", "initial", "owner", "read", "written")

    def __init__(self, owner: Tensor):
        self.owner = owner
        self.initial = self.current = owner._grad
        self.read = False  # before it was written
        self.written = False


class Capture:
    """The state of one tracing run."""

    def __init__(self, device, first_sequence, way=None):
        self.device = device
        self.first_sequence = first_sequence  # nodes with a lower number were made outside
        self.sources = []  # what each placeholder stands for
        self.doubles = {}  # outside storage -> its traced double
        self.arguments = {}  # storage of an argument -> storage of its stand-in
        self.written = {}  # outside storages that were written, in order
        self.made = []  # weak references to storages made inside
        self.slots = {}  # id of a tensor -> Slot
        self.tensors = {}  # id of an outside tensor used -> (tensor, requires_grad, storage)
        self.guards = Guards()
        self.numbers = {}
        self.aliased = set()  # storages of arguments that were also reached from elsewhere
        self.effects = []  # (function, arguments): what to call after each run of the program
        self.way = way  # the truth values that the function gets when it asks, or None
        self.answered = 0
        self.asked = []  # what it asked for, as results of the program
        self.told = []  # what it was told
        self.sealed = set()  # ids of containers whose numbers an effect will change

    # Arrays -----------------------------------------------------------------------------------

    def new_input(self, source, shape, dtype, weak=False):
        """A traced array for an input of the program."""
        self.sources.append(source)
        index = len(self.sources) - 1
        return placeholder.bind(index=index, shape=tuple(shape), dtype=dtype, weak=weak)

    def shadow(self, storage: Storage) -> Storage:
        """The traced double of an outside storage."""
        double = self.doubles.get(storage)
        if double is None:
            if isinstance(storage.array, Lost) or storage.home is not None:
                raise LeakedTensorError
            double = self.doubles[storage] = self._argument(storage)
            if double is None:
                array = storage.array
                traced = self.new_input(("state", storage), array.shape, array.dtype)
                double = self.doubles[storage] = Storage(traced, self)
        return double

    def _argument(self, storage):
        """The stand-in's storage, if this one is an argument's, reached by another way."""
        stand_in = self.arguments.get(storage)
        if stand_in is not None:
            self.aliased.add(storage)
        return stand_in

    def write(self, storage: Storage, array) -> None:
        """Note that an outside storage now holds `array`."""
        double = self.doubles.get(storage)
        if double is None:
            double = self.doubles[storage] = self._argument(storage) or Storage(array, self)
        double.array = array
        double.version += 1
        self.written[storage] = double

    def adopt(self, storage: Storage) -> None:
        """Note that a storage was made inside."""
        storage.home = self
        self.made.append(weakref.ref(storage))

    def enter(self, values):
        """The values that an operation is to run on; a part of a program puts stand-ins here."""
        return values

    # Gradients --------------------------------------------------------------------------------

    def _slot(self, tensor: Tensor) -> Slot:
        slot = self.slots.get(id(tensor))
        if slot is None:
            slot = self.slots[id(tensor)] = Slot(tensor)
        return slot

    def read_grad(self, tensor: Tensor):
        """A tensor's `.grad`."""
        slot = self._slot(tensor)
        if not slot.read and not slot.written:
            slot.read = True
            initial = slot.initial
            if (
                initial is not None
                and initial._storage not in self.doubles
                and initial._storage.home is None
            ):
                array = initial._storage.array
                traced = self.new_input(("grad", tensor), array.shape, array.dtype)
                self.doubles[initial._storage] = Storage(traced, self)
        return slot.current

    def write_grad(self, tensor: Tensor, value) -> None:
        """Put a gradient, or None, into a tensor's slot."""
        slot = self._slot(tensor)
        slot.current, slot.written = value, True

    # Branches ---------------------------------------------------------------------------------

    def answer(self, array, known: bool | None = None) -> bool:
        """The truth value to go on with where Python asks for one."""
        if self.way is None and known is not None:
            return known
        if self.way is None or self.answered == len(self.way):
            error = DataDependentError("bool()")
            error.branches = type(self) is Capture and not self.guards.speaks()
            raise error
        found = self.way[self.answered]
        self.answered += 1
        if known is None:
            self.asked.append(wrap(jnp.reshape(array, ()).astype(bool)))
            self.told.append(found)
        elif known != found:
            raise NotOneProgramError("it went another way while it was traced")
        return found

    # Guards -----------------------------------------------------------------------------------

    def watch_tensor(self, tensor: Tensor) -> None:
        """Note that the trace depends on an outside leaf requiring a gradient."""
        if tensor._storage.home is not self and id(tensor) not in self.tensors:
            self.tensors[id(tensor)] = tensor
            for hook in tensor_hooks(tensor):
                self.guards.argument(hook)

    def watch(self, thing) -> None:
        """Note that the trace depends on the Python state of an object, such as a module."""
        self.guards.watch(thing)

    def afterwards(self, function, arguments, changes=()) -> None:
        """Call a function after each run of the program, with the values of its tensors.

        Args:
            changes: the containers whose numbers the function changes; the trace must not read
                them any more.
        """
        if type(self) is not Capture:
            raise NotOneProgramError("a branch or the body of a loop steps a scheduler")
        self.effects.append((function, arguments))
        self.sealed.update(map(id, changes))

    def check_sealed(self, container, key) -> None:
        """Refuse to read what a deferred effect is going to change."""
        if id(getattr(container, "source", container)) in self.sealed:
            raise NotOneProgramError(f"it uses {key!r} after a scheduler has changed it")

    def read_number(self, container, key):
        """A number as an input of the program."""
        self.check_sealed(container, key)
        traced = self.numbers.get((id(container), key))
        if traced is None:
            found = container[key]
            kind = jnp.asarray(found).dtype
            traced = self.new_input(("number", container, key), (), kind, weak=True)
            self.numbers[id(container), key] = traced
        return traced

    # The end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Make every tensor that outlives the capture say so when it is used."""
        lost = Lost()
        for reference in self.made:
            storage = reference()
            if storage is not None:
                storage.array = lost
                storage.version += 1


def number(container, key):
    """`container[key]`, a number that may change between calls of a compiled function.

    Eagerly the number itself; inside a capture an input of the program. A tensor gives its value.
    """
    found = container[key]
    if isinstance(found, Tensor):
        return found
    capture = modes.state.capture
    return found if capture is None else wrap(capture.read_number(container, key))


def constant(container, key):
    """`container[key]`; inside a capture the program is good only as long as it stays the same."""
    capture = modes.state.capture
    if capture is not None:
        capture.check_sealed(container, key)
        capture.guards.depend(container, key)
    return container[key]


def afterwards(step):
    """Have a scheduler's `step` wait until the compiled step that calls it has run.

    It changes numbers that are inputs of the program, so it can run, as ordinary Python, once the
    program is done, at every call.
    """

    @functools.wraps(step)
    def deferred(self, *args, **kwargs):
        capture = modes.state.capture
        if capture is None:
            return step(self, *args, **kwargs)
        changed = (*self.optimizer.param_groups, vars(self))
        return capture.afterwards(functools.partial(step, self, **kwargs), args, changed)

    return deferred


def tensor_hooks(tensor: Tensor) -> tuple:
    """The hooks of a leaf, in the order in which they run."""
    node = tensor.__dict__.get("_hooked")
    if node is None:
        return ()
    return (*(node.output_hooks or {}).get(0, {}).values(), *(node.post_accumulate or {}).values())

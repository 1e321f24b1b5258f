"""`kuai.autograd.graph`: the graph of a computation, and what it keeps until the backward pass."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from kuai.engine.autograd import around
from kuai.engine.autograd.handles import RemovableHandle
from kuai.engine.autograd.tape import GradientEdge, Node, place_of
from kuai.engine.tensor import Tensor, modes

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place in the graph where a tensor's gradient arrives.

    Example:
        >>> x = kuai.ones(2, requires_grad=True)
        >>> edge = kuai.autograd.graph.get_gradient_edge(x)
        >>> kuai.autograd.grad((x * 3).sum(), edge)
        (tensor([3., 3.]),)
    """
    place = place_of(tensor) if tensor.requires_grad else None
    if place is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(*place)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a change in place that nobody has seen, in `_version`.

    Example:
        >>> x = kuai.ones(2)
        >>> kuai.autograd.graph.increment_version(x)
        >>> x._version
        1
    """
    if not isinstance(tensor, Iterable):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    given = [tensor] if isinstance(tensor, Tensor) else list(tensor)
    if not all(isinstance(one, Tensor) for one in given):
        raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
    for one in given:
        one._storage.version += 1


# What is saved ------------------------------------------------------------------------------------


class saved_tensors_hooks:
    """What operations save for the backward pass goes through `pack_hook`, and comes back through
    `unpack_hook`; a context manager.

    An operation saves inputs and its result, as far as its derivative needs them. Where XLA would
    keep something in between, the inputs are packed, and it is computed again.

    Args:
        pack_hook: takes a tensor, returns anything: the name of a file, a smaller tensor.
        unpack_hook: takes that, and returns the tensor.

    Example:
        >>> sizes = []
        >>> def pack(x):
        ...     sizes.append(x.nbytes)
        ...     return x.detach()
        >>> a = kuai.ones(5, requires_grad=True)
        >>> with kuai.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        ...     y = a * (a + 1)
        >>> sizes
        [20, 20]
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        around.add_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *_: object) -> None:
        around.remove_hooks()


class save_on_cpu(saved_tensors_hooks):
    """What operations save for the backward pass waits in the CPU's memory; a context manager.

    Args:
        pin_memory, device_type: accepted for PyTorch's sake.

    Example:
        >>> x = kuai.ones(2, requires_grad=True)
        >>> with kuai.autograd.graph.save_on_cpu():
        ...     y = x.exp()
        >>> y.sum().backward()
        >>> x.grad
        tensor([2.7183, 2.7183])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(
            lambda tensor: (tensor.device, tensor.detach().cpu()),
            lambda packed: packed[1].to(packed[0]),
        )


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Refuse hooks for saved tensors inside; a context manager.

    Raises:
        RuntimeError: with `error_message`, if there are such hooks, or if somebody adds some.
    """
    state = modes.state
    if state.saved_hooks:
        raise RuntimeError(error_message)
    before, state.no_saved_hooks = state.no_saved_hooks, error_message
    try:
        yield
    finally:
        state.no_saved_hooks = before


class _AllowMutationOnSavedContext:
    """What `allow_mutation_on_saved_tensors` gives: nothing has to be kept, nothing is cleared."""

    def clear(self) -> None:
        """Forget copies that were made: none are."""


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_AllowMutationOnSavedContext]:
    """Have in-place changes of saved tensors allowed, as they always are: the tape keeps what was.

    Example:
        >>> with kuai.autograd.graph.allow_mutation_on_saved_tensors():
        ...     a = kuai.ones(2, requires_grad=True)
        ...     b = a.clone()
        ...     y = (b ** 2).sum()
        ...     _ = b.sin_()
        ...     y.backward()
        >>> a.grad
        tensor([2., 2.])
    """
    yield _AllowMutationOnSavedContext()


# Hooks --------------------------------------------------------------------------------------------


class _MultiHandle(RemovableHandle):
    """Removes several hooks at once."""

    def __init__(self, handles: tuple[RemovableHandle, ...]):
        self.handles = handles

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> _MultiHandle:
    """Have a hook called once in a backward pass, for the gradients of several tensors.

    Args:
        mode: "all": when the last of the gradients has arrived, with all of them (None where there
            is none in this pass). "any": when the first has arrived, with that one.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> a, b, c = [kuai.ones(1, requires_grad=True) for _ in range(3)]
        >>> seen = []
        >>> hook = lambda grads: seen.append([g is not None for g in grads])
        >>> handle = kuai.autograd.graph.register_multi_grad_hook((a, b, c), hook)
        >>> (a * b).sum().backward()
        >>> seen
        [[True, True, False]]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "any":
        watch = _First(fn)
        handles = [tensor.register_hook(watch) for tensor in tensors if tensor.requires_grad]
    else:
        every = _Every(fn, [place_of(tensor)[0] for tensor in tensors])
        handles = [tensor.register_hook(every.hook(i)) for i, tensor in enumerate(tensors)]
    return _MultiHandle(tuple(handles))


class _First:
    """Calls a function for the first gradient of a pass."""

    def __init__(self, function):
        self.function, self.walk = function, None

    def __call__(self, gradient):
        if self.walk is not modes.state.walk:
            self.walk = modes.state.walk
            self.function(gradient)


class _Every:
    """Calls a function when all gradients that arrive in a pass have arrived."""

    def __init__(self, function, nodes):
        self.function, self.nodes = function, nodes
        self.walk: Any = None
        self.gradients: list = []
        self.waiting = 0

    def hook(self, number):
        def arrived(gradient):
            if self.walk is not modes.state.walk:
                self.walk = modes.state.walk
                self.gradients = [None] * len(self.nodes)
                self.waiting = sum(map(self.walk.will_visit, self.nodes))
            self.gradients[number] = gradient
            self.waiting -= 1
            if not self.waiting:
                self.function(self.gradients)

        return arrived

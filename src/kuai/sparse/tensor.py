"""Sparse tensors: a few elements and their places, as a tensor of PyTorch's face.

A sparse tensor has no storage. It holds dense tensors, `_places` and `_specified`, and what is
computed with it is computed with these, by operations like all others. So recording, compiled
programs, batching, devices and saving need to know nothing of it, and its history is that of its
elements: it requires a gradient if they do, and its `.grad` is theirs at the same places.

Whatever is called with a sparse tensor is asked for here, by the protocol that any subclass of
Tensor may use (see `engine.tensor.overriding`). What stands in a table is done, all else is
refused: an operation that nobody has thought of looks for a storage, and that raises an error.

Invariants
* `_specified` is this tensor's alone: setting `requires_grad` here is seen nowhere else.
* `_places` is the tensor of indices (sparse dimensions, N) of a COO tensor; starts and numbers of a
  compressed one. `_pair` keeps rows and columns once they have been asked for.
* `_in_order` says that no place comes twice, and that they are sorted; not knowing is False.
"""

import importlib
from typing import Any, NoReturn

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor, attributes
from kuai.engine.tensor.formats import sparse_coo, sparse_csc, sparse_csr
from kuai.engine.tensor.size import Size

__all__ = ["ANSWERS", "BY_COLUMNS", "BY_ROWS", "SparseTensor", "answer", "answers", "expecting"]
__all__ += ["like", "refuse", "shown_layout"]

#: What PyTorch's errors call the layouts of compressed matrices.
BY_ROWS = "sparse row compressed tensor layout"
BY_COLUMNS = "sparse column compressed tensor layout"
#: What is done: name of what is called -> function, for each layout.
ANSWERS: dict[str, dict[str, Any]] = {"coo": {}, "compressed": {}}
_BACKENDS = {sparse_coo: "Sparse", sparse_csr: "SparseCsr", sparse_csc: "SparseCsr"}
_LAYOUTS = {sparse_coo: "Sparse", sparse_csr: "SparseCsr", sparse_csc: "SparseCsc"}


def answers(*names: str, only: str | None = None):
    """Decorator: a function that does what is called by one of some names.

    Args:
        only: for tensors of one kind, "coo" or "compressed".
    """

    def register(function):
        for kind in ("coo", "compressed") if only is None else (only,):
            for name in names or (function.__name__,):
                ANSWERS[kind][name] = function
        return function

    return register


def shown_layout(tensor) -> str:
    """What PyTorch's errors call a layout."""
    return _LAYOUTS.get(tensor.layout, "Strided")


def refuse(tensor, name: str) -> NoReturn:
    """PyTorch's error for what cannot be done with a sparse tensor."""
    where = "CUDA" if tensor._specified.is_cuda else "CPU"
    raise NotImplementedError(
        f"Could not run 'aten::{name}' with arguments from the "
        f"'{_BACKENDS[tensor.layout]}{where}' backend: it is not computed for tensors with the "
        f"layout {tensor.layout}. x.to_dense() gives a dense tensor of the same elements."
    )


def answer(name: str, tensor: Tensor, *arguments, **keywords):
    """What a method of a tensor gives that makes, or takes, sparse ones."""
    kind = tensor.kind if isinstance(tensor, SparseTensor) else "coo"
    if name not in ANSWERS[kind]:
        refuse(tensor, name)
    return ANSWERS[kind][name](tensor, *arguments, **keywords)


def _refused(name):
    def method(self, *arguments, **keywords):
        refuse(self, name)

    method.__name__ = method.__qualname__ = name
    return method


def expecting(name: str, wanted: str) -> Any:
    """A method that raises PyTorch's error for a tensor of another layout than it is for."""

    def method(self):
        self._expected(name, wanted)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Raises PyTorch's error: it is of tensors with the {wanted}."
    return method


def _passed_on(name) -> Any:
    """An attribute that is that of the elements."""

    def read(self):
        return getattr(self._specified, name)

    def write(self, value):
        setattr(self._specified, name, value)

    return property(read, write)


class SparseTensor(Tensor):
    """A tensor of which only some elements are stored; see `sparse_coo_tensor`.

    Example:
        >>> x = kuai.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
        >>> (x * 2).to_dense()
        tensor([[0., 4.],
                [6., 0.]])
    """

    kind = "coo"  # or "compressed"
    _plain: type  # the class of what is no parameter
    layout = sparse_coo
    is_sparse = True
    is_sparse_csr = False
    _places: tuple[Tensor, ...]
    _specified: Tensor
    _sizes: tuple[int, ...]
    _in_order = False
    _pair: tuple | None = None
    _shown_grad: tuple | None = None

    # The history is that of the elements.
    _node, _output, _base = map(_passed_on, ("_node", "_output", "_base"))
    _requires_grad, _accumulator = map(_passed_on, ("_requires_grad", "_accumulator"))
    _hooked, _node_hooked = map(_passed_on, ("_hooked", "_node_hooked"))
    _retains_grad, _grad_dtype = map(_passed_on, ("_retains_grad", "_grad_dtype"))
    _tangents, _changes, _seen = map(_passed_on, ("_tangents", "_changes", "_seen"))

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        asked = next(t for t in _tensors(args, kwargs) if isinstance(t, SparseTensor))
        answer = ANSWERS[asked.kind].get(func.__name__)
        if answer is None or id(func) in _others():
            refuse(asked, _name(func))
        return answer(*args, **(kwargs or {}))

    def __init__(self, *_, **__):
        """It is made by the functions that make sparse tensors, with all that it has."""

    @classmethod
    def _share(cls, tensor, requires_grad=False):
        made = like(tensor, Tensor._share(tensor._specified, requires_grad))
        made.__class__ = cls
        return made

    @property
    def _storage(self):
        raise NotImplementedError(
            f"Cannot access storage of a tensor with the layout {self.layout}: it has none, and "
            "what was called is not computed for it. x.to_dense() gives a dense tensor of the same "
            "elements."
        )

    def storage(self):
        """Raises PyTorch's error: there is none."""
        raise NotImplementedError("Cannot access storage of SparseTensorImpl")

    untyped_storage = storage_type = storage

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._sizes)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._sizes)

    @property
    def data(self) -> Tensor:
        """The same tensor without history."""
        return self.detach()

    @data.setter
    def data(self, value) -> None:
        if not isinstance(value, SparseTensor) or value.layout != self.layout:
            raise RuntimeError(
                f"Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                f"incompatible tensor type. {self.layout} was expected."
            )
        needed = self.requires_grad
        _become(self, value, Tensor._share(value._specified))
        self._specified.requires_grad = needed

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        return self.transpose(-2, -1)

    @property
    def T(self) -> Tensor:
        """The matrix transposed."""
        return self.t()

    @property
    def H(self) -> Tensor:
        """The matrix transposed and conjugated."""
        return self.t().conj()

    @property
    def mH(self) -> Tensor:
        """The last two dimensions swapped, and conjugated."""
        return self.transpose(-2, -1).conj()

    @property
    def nbytes(self) -> int:
        """Refused, as PyTorch does."""
        raise RuntimeError(
            "nbytes is not defined for sparse tensors.  If you want the size of the constituent "
            "tensors, add the nbytes of the indices and values.  If you want the size of the  "
            "equivalent dense tensor, multiply numel() by element_size()"
        )

    # The gradient ---------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient of the elements, as a tensor with the same places."""
        held = self._specified.grad
        if held is None:
            return None
        if self._shown_grad is None or self._shown_grad[0] is not held:
            self._shown_grad = held, self._as_gradient(held)
        return self._shown_grad[1]

    @grad.setter
    def grad(self, value) -> None:
        if value is None:
            self._specified.grad = None
            return
        self._specified.grad = self._from_gradient(value)

    @grad.deleter
    def grad(self) -> None:
        self._specified.grad = None

    _first_of_each_place: Any  # of a tensor of coordinates
    _picks: Any  # of a compressed one

    def _as_gradient(self, elements: Tensor) -> Tensor:
        """A gradient of the elements as one of the tensor."""
        made = like(self, elements)
        return made if self._in_order or self.kind != "coo" else made._first_of_each_place()

    def _from_gradient(self, gradient: Any) -> Tensor:
        """A gradient of the tensor, dense or sparse, as one of the elements."""
        if tuple(gradient.shape) != self._sizes:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(gradient.shape)}' to a tensor of "
                f"size '{list(self._sizes)}'. Please ensure that the gradient and the tensor are "
                "the same size"
            )
        same = isinstance(gradient, SparseTensor) and gradient.kind == self.kind
        if same and all(a is b for a, b in zip(gradient._places, self._places, strict=True)):
            return gradient._specified
        dense = gradient.to_dense() if isinstance(gradient, SparseTensor) else gradient
        return dense.sparse_mask(self)._specified if self.kind == "coo" else self._picks(dense)

    # Python ---------------------------------------------------------------------------------------

    def __len__(self):
        if not self._sizes:
            raise TypeError("len() of a 0-d tensor")
        return self._sizes[0]

    def __iter__(self):
        if not self._sizes:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __copy__(self):
        return self.detach().requires_grad_(self.requires_grad)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        made = like(self, self._specified.__deepcopy__(memo))
        made._places = tuple([places.__deepcopy__(memo) for places in self._places])
        made._pair, made.__class__ = None, type(self)  # a parameter stays one
        memo[id(self)] = made
        attributes.own(made).update(attributes.users(self))
        return made

    def __reduce_ex__(self, protocol):
        parts = tuple([places.detach() for places in self._places])
        state = parts, self._specified.detach(), self._sizes, self._in_order
        given = self.requires_grad, attributes.users(self)
        return _rebuild, (self._plain, type(self) is not self._plain, *state, *given)

    def __format__(self, spec):
        return object.__format__(self, spec) if spec else str(self)

    def retain_grad(self) -> None:
        """Keep the gradient of what is no leaf, too."""
        self._specified.retain_grad()

    def dense_dim(self) -> int:
        """How many of the last dimensions each element has."""
        return len(self._sizes) - self.sparse_dim()

    def sparse_dim(self) -> int:
        """How many of the first dimensions are those of places."""
        return 2

    def _is_view(self) -> bool:
        return False

    def _expected(self, name, wanted):
        raise RuntimeError(f"{name} expected {wanted} but got {shown_layout(self)}")


def _become(tensor: SparseTensor, other: SparseTensor, elements: Tensor) -> SparseTensor:
    """Have a tensor stand for what another one stands for."""
    tensor._places, tensor._sizes, tensor._pair = other._places, other._sizes, other._pair
    tensor._specified, tensor._in_order = elements, other._in_order
    return tensor


def like(tensor: Any, elements: Tensor, in_order: bool | None = None) -> Any:
    """Other elements at the same places."""
    made = object.__new__(tensor._plain)
    _become(made, tensor, elements)
    if in_order is not None:
        made._in_order = in_order
    if made.kind == "coo":  # the elements may have other sizes
        made._sizes = (*tensor._sizes[: tensor.sparse_dim()], *elements.shape[1:])
    return made


def _rebuild(kind, is_parameter, places, elements, sizes, in_order, requires_grad, users):
    """A pickled tensor, or a parameter made of one."""
    made = object.__new__(kind)
    made._places, made._specified, made._sizes = places, elements, sizes
    made._in_order = in_order
    attributes.own(made).update(users)
    if is_parameter:
        return importlib.import_module("kuai.nn").Parameter(made, requires_grad)
    return made.requires_grad_(requires_grad)


def _tensors(args, kwargs):
    """All tensors in the arguments of a call, also those in lists."""
    for value in (*args, *(kwargs or {}).values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (each for each in value if isinstance(each, Tensor))


def _name(func) -> str:
    own = getattr(func, "__name__", str(func))
    return own if own.startswith("__") else REGISTRY.name_of(func)


_functions_of_modules: set[int] = set()


def _others() -> set[int]:
    """Functions of `linalg` and the like, which may have the name of another function."""
    if not _functions_of_modules:
        for name, functions in REGISTRY.modules.items():
            if name.partition(".")[0] in ("linalg", "fft", "special"):
                for function in functions.values():
                    _functions_of_modules.add(id(function))
        known = (*REGISTRY.functions.values(), *REGISTRY.methods.values())
        _functions_of_modules.difference_update(map(id, known))
    return _functions_of_modules


for _passed_name in (
    "_version", "device", "dtype", "grad_dtype", "grad_fn", "is_cpu", "is_cuda", "is_leaf",
    "itemsize", "requires_grad",
):  # fmt: skip
    setattr(SparseTensor, _passed_name, _passed_on(_passed_name))
for _refused_name in (
    "__dlpack__", "__dlpack_device__", "__jax_array__", "_lazy_clone", "as_subclass", "backward",
    "register_hook", "register_post_accumulate_grad_hook", "resize", "resize_as",
):  # fmt: skip
    setattr(SparseTensor, _refused_name, _refused(_refused_name.strip("_")))

attributes.keep(("_places", "_specified", "_sizes", "_in_order", "_pair", "_shown_grad"))

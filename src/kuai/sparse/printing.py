"""How a sparse tensor is printed: its parts, one below the other, as PyTorch shows them."""

import numpy as np

from kuai.engine.tensor import dtypes, printing
from kuai.engine.tensor.placeholder import resolved
from kuai.engine.tensor.views import held
from kuai.sparse.compressed import CsrTensor
from kuai.sparse.tensor import SparseTensor

__all__: list[str] = []

_INDENT = len("tensor(")
_OF_COMPRESSED = {True: ("crow_indices", "col_indices"), False: ("ccol_indices", "row_indices")}


def _part(name, tensor, dtype_is_shown=False):
    """One part: `name=tensor([…])`."""
    array = np.asarray(resolved(held(tensor), "a printed tensor"))
    prefix = f"{name}=tensor("
    indent = _INDENT + len(prefix)
    text = prefix + printing.contents(array, tensor.dtype.name, indent)
    if array.size == 0:
        text += f", size={tuple(array.shape)}"
    return text + ")"


def _represent(self) -> str:
    first = "" if type(self) is self._plain else "Parameter containing:\n"
    return first + _text(self)


def _text(self) -> str:
    if isinstance(self, CsrTensor):
        names = _OF_COMPRESSED[self._by_rows]
        parts = [_part(name, each) for name, each in zip(names, self._places, strict=True)]
    else:
        parts = [_part("indices", self._places[0])]
    parts.append(_part("values", self._specified.detach()))
    space = "\n" + " " * _INDENT
    text = f"tensor({f',{space}'.join(parts)}"
    first = f"size={tuple(self._sizes)}"
    suffixes = [first, f"nnz={self._nnz()}", *_suffixes(self)]
    if isinstance(self, CsrTensor):
        return printing.with_suffixes(text, suffixes, _INDENT)
    return printing.with_suffixes(f"{text},{space}{first}", suffixes[1:], _INDENT)


def _suffixes(x):
    place, node = x.device, x.grad_fn
    is_plain = place.type == "cpu" and not place.index
    found = [] if is_plain else [f"device='{place}'"]
    default = dtypes.get_default_dtype().name
    complex_default = "complex128" if default == "float64" else "complex64"
    if x.dtype.name not in (default, complex_default, "int64", "bool"):
        found.append(f"dtype=torch.{x.dtype.name}")
    found.append(f"layout={x.layout}")
    if node is not None:
        found.append(f"grad_fn=<{node.name().rpartition('::')[2]}>")
    elif x.requires_grad:
        found.append("requires_grad=True")
    return found


SparseTensor.__repr__ = _represent

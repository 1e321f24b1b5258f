"""What view operations give, as copies with memory of their own, such as `kuai.narrow_copy`."""

from kuai.engine.op import composite
from kuai.engine.op.exact_out import SAME
from kuai.ops.array.joining import clone
from kuai.ops.array.selecting import diagonal, expand, narrow, select, unfold
from kuai.ops.array.shaping import shape_of, squeeze, unsqueeze, view
from kuai.ops.array.splitting import split, split_with_sizes, unbind
from kuai.ops.array.strided import as_strided
from kuai.ops.array.transposing import permute, t, transpose
from kuai.ops.array.windows import view_as_complex, view_as_real


def _every(parts):
    return tuple(map(clone, parts))


def _sliced(input, dim, start, end, step):
    return input.movedim(dim, 0)[start:end:step].movedim(0, dim)


def _narrow_copy(input, dim, start, length):
    shape = shape_of(input)
    if shape and -len(shape) <= dim < len(shape) and int(length) < 0:
        start = int(start) + (shape[dim] if int(start) < 0 else 0)
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({shape[dim]})."
        )
    if shape and dim >= len(shape):
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  "
            "(Could this error message be improved?  If so, please report an enhancement request "
            "to PyTorch.)"
        )
    return clone(narrow(input, dim, start, length))


_COPIES = {
    "alias": lambda input: clone(input),
    "as_strided": lambda input, size, stride, storage_offset=None: clone(
        as_strided(input, size, stride, storage_offset)
    ),
    "detach": lambda input: clone(input.detach()),
    "diagonal": lambda input, offset=0, dim1=0, dim2=1: clone(diagonal(input, offset, dim1, dim2)),
    "expand": lambda input, size, *, implicit=False: clone(expand(input, size)),
    "narrow": _narrow_copy,
    "permute": lambda input, dims: clone(permute(input, dims)),
    "select": lambda input, dim, index: clone(select(input, dim, index)),
    "slice": lambda input, dim=0, start=None, end=None, step=1: clone(
        _sliced(input, dim, start, end, step)
    ),
    "split": lambda input, split_size, dim=0: _every(split(input, split_size, dim)),
    "split_with_sizes": lambda input, split_sizes, dim=0: _every(
        split_with_sizes(input, split_sizes, dim)
    ),
    "squeeze": lambda input, *dim: clone(squeeze(input, *dim)),
    "t": lambda input: clone(t(input)),
    "transpose": lambda input, dim0, dim1: clone(transpose(input, dim0, dim1)),
    "unbind": lambda input, dim=0: _every(unbind(input, dim)),
    "unfold": lambda input, dimension, size, step: clone(unfold(input, dimension, size, step)),
    "unsqueeze": lambda input, dim: clone(unsqueeze(input, dim)),
    "view_as_complex": lambda input: clone(view_as_complex(input)),
    "view_as_real": lambda input: clone(view_as_real(input)),
    "view": lambda input, *size, dtype=None: clone(view(input, *size, dtype=dtype)),
}
_METHODS = ("narrow",)
_EXACT = {
    "narrow": (
        "Expected self.dtype() == output.dtype() to be true, but got false.  (Could this error "
        "message be improved?  If so, please report an enhancement request to PyTorch.)"
    ),
    "split": None,
    "split_with_sizes": None,
}

for _name, _copy in _COPIES.items():
    _copy.__name__ = _copy.__qualname__ = f"{_name}_copy"
    _copy.__doc__ = f"What `kuai.{_name}` gives, as a copy with memory of its own."
    _places = ("", "Tensor.") if _name in _METHODS else ("",)
    composite(
        export=[f"{place}{_name}_copy" for place in _places],
        exact_out=_EXACT.get(_name, SAME),
        out_name=None if _name == "narrow" else f"aten::{_name}_copy",
    )(_copy)

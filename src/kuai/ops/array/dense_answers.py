"""What dense tensors answer to questions about layouts, kinds and devices that they do not have.

An answer, or PyTorch's error, is always the same. `kuai.sparse` is loaded when it is called.
"""

import importlib
import warnings
from typing import Any

from kuai.engine.tensor import Tensor, method
from kuai.ops.array.shaping import shape_of

__all__: list[str] = []

#: What PyTorch's errors say a method expected.
_LAYOUTS = {
    "coalesce": "sparse coordinate tensor layout",
    "is_coalesced": "sparse coordinate tensor layout",
    "indices": "sparse coordinate tensor layout",
    "values": "sparse tensor layout",
    "crow_indices": "sparse row compressed tensor layout",
    "col_indices": "sparse row compressed tensor layout",
    "ccol_indices": "sparse column compressed tensor layout",
    "row_indices": "sparse column compressed tensor layout",
}


def _of_sparse_ones(name: str):
    def refuse(self) -> Tensor:
        raise RuntimeError(f"{name} expected {_LAYOUTS[name]} but got Strided")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Raises PyTorch's error: the tensor is not sparse."
    return refuse


for _name in _LAYOUTS:
    setattr(Tensor, _name, _of_sparse_ones(_name))


def _to_sparse(name: str):
    def make(self, *args, **kwargs) -> Tensor:
        return importlib.import_module("kuai.sparse").answer(name, self, *args, **kwargs)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = "See `kuai.sparse`."
    return make


for _name in (
    *("to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "sparse_mask"),
    *("smm", "sspaddmm", "sparse_resize_", "resize_as_sparse_"),
):
    setattr(Tensor, _name, _to_sparse(_name))


@method
def dense_dim(self) -> int:
    """The number of dimensions: all are dense.

    Example:
        >>> kuai.ones(2, 3).dense_dim(), kuai.ones(2, 3).sparse_dim()
        (2, 0)
    """
    return self.ndim


@method
def sparse_dim(self) -> int:
    """The number of sparse dimensions: 0."""
    return 0


@method
def dequantize(self) -> Tensor:
    """The tensor itself: it is not quantized."""
    return self


@method
def is_distributed(self) -> bool:
    """Whether it lies in several processes: no."""
    return False


@method
def _is_zerotensor(self) -> bool:
    """Whether it is a gradient of zeros without memory: no."""
    return False


@method
def _is_all_true(self) -> Tensor:
    """`all()` of bools."""
    return self.all()


@method
def _is_any_true(self) -> Tensor:
    """`any()` of bools."""
    return self.any()


@method
def _lazy_clone(self) -> Tensor:
    """A copy."""
    return self.clone()


@method
def reinforce(self, reward: Any) -> None:
    """Raises PyTorch's error about what has come in its place."""
    raise RuntimeError(
        "reinforce() was removed.\nUse torch.distributions instead.\n"
        "See https://pytorch.org/docs/main/distributions.html\n\nInstead of:\n\n"
        "probs = policy_network(state)\naction = probs.multinomial()\n"
        "next_state, reward = env.step(action)\naction.reinforce(reward)\naction.backward()\n\n"
        "Use:\n\nprobs = policy_network(state)\n"
        "# NOTE: categorical is equivalent to what used to be called multinomial\n"
        "m = torch.distributions.Categorical(probs)\naction = m.sample()\n"
        "next_state, reward = env.step(action)\nloss = -m.log_prob(action) * reward\n"
        "loss.backward()\n"
    )


@method
def resize(self, *sizes) -> Tensor:
    """`view`, by an older name."""
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=2)
    wanted = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    return _resized(self, tuple(wanted))


@method
def resize_as(self, tensor) -> Tensor:
    """`view_as`, by an older name."""
    warnings.warn("non-inplace resize_as is deprecated", UserWarning, stacklevel=2)
    return _resized(self, shape_of(tensor))


def _resized(tensor, wanted):
    count, there = 1, tensor.numel()
    for size in wanted:
        count *= size
    if count != there:
        shape = "x".join(map(str, shape_of(tensor)))
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, wanted))} ({count} elements in total), but "
            f"the given tensor has a size of {shape} ({there} elements). autograd's resize can "
            "only change the shape of a given tensor, while preserving the number of elements. "
        )
    return tensor.contiguous().view(wanted)


@method
@property
def volatile(self) -> bool:
    """False, with PyTorch's warning that this is gone."""
    warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
    return False


def _on_absent_device(name: str, error: type[Exception], text: str):
    def refuse(self, *args: Any, **kwargs: Any) -> Tensor:
        raise error(text)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Raises PyTorch's error: there is no such device."
    return refuse


for _name, _error, _text in (
    ("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices"),
    ("xpu", AssertionError, "Torch not compiled with XPU enabled"),
    ("mtia", AssertionError, "Torch not compiled with MTIA enabled"),
):
    setattr(Tensor, _name, _on_absent_device(_name, _error, _text))

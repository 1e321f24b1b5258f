"""What a tensor says about itself without a call: where it lies, its size in bytes, its history."""

from kuai.engine.tensor import Tensor, method
from kuai.engine.tensor.formats import strided
from kuai.engine.tensor.storage import InferenceStorage
from kuai.ops.array.conversion import element_size, numel

# Kinds of tensors and of memory that Kuai does not have.
for _name in (
    "is_ipu", "is_maia", "is_meta", "is_mkldnn", "is_mps", "is_mtia", "is_nested", "is_quantized",
    "is_sparse", "is_sparse_csr", "is_vulkan", "is_xla", "is_xpu",
):  # fmt: skip
    setattr(Tensor, _name, False)
for _name, _value in {"layout": strided, "name": None}.items():
    setattr(Tensor, _name, _value)


@method
@property
def is_cuda(self) -> bool:
    """Whether it lies on a GPU."""
    return self.device.type == "cuda"


@method
@property
def is_cpu(self) -> bool:
    """Whether it is in host memory."""
    return self.device.type == "cpu"


@method
@property
def itemsize(self) -> int:
    """The number of bytes of one element."""
    return element_size(self)


@method
@property
def nbytes(self) -> int:
    """The number of bytes."""
    return numel(self) * element_size(self)


@method
@property
def retains_grad(self) -> bool:
    """Whether `retain_grad()` was called."""
    return self._retains_grad


@method
@property
def output_nr(self) -> int:
    """Its number among its node's outputs."""
    return self._output


@method
@property
def _version(self):
    """Counts in-place changes."""
    if isinstance(self._storage, InferenceStorage):
        raise RuntimeError("Inference tensors do not track version counter.")
    return self._storage.version


@method
def _is_view(self):
    """Whether gradients of this tensor follow another one."""
    return self._base is not None

"""autocast: inside, operations choose the precision that suits them.

Each operation listed here casts its floating point arguments before it runs: matrix products and
convolutions to the lower precision, sums and losses that would lose too much to float32, and the
ones that join tensors to the widest dtype among them. The lists are PyTorch's for the device. The
casts are operations of their own, on the tape like any other, so every gradient has the dtype of
what it is the gradient of. Operations that are not listed are as fast as ever, and the others ask
one attribute when autocast is off.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.autograd.running import Operation, run
from kuai.engine.tensor import Tensor, devices, dtypes, modes
from kuai.engine.tensor.views import outline

__all__ = [
    "LISTED",
    "autocast",
    "cast",
    "cast_floating",
    "get_autocast_dtype",
    "is_autocast_enabled",
]

_LOWER = {
    "mm", "bmm", "mv", "dot", "matmul_many", "addmm", "addbmm", "baddbmm", "linear", "vecdot",
    "inner", "sum_of_products", "contract_dims", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "prelu", "_attention", "_attention_with_dropout",
    "_multi_head", "_multi_head_with_dropout", "recurrent_stack", "recurrent_stack_with_dropout",
}  # fmt: skip
_LOSSES = {
    "_mse_loss_op", "_l1_loss_op", "_huber_loss_op", "_smooth_l1_loss_op", "_kl_div_op",
    "_poisson_nll_loss_op", "_hinge_embedding_loss_op", "_margin_ranking_loss_op",
    "_soft_margin_loss_op", "_multi_margin_loss_op", "_multilabel_margin_loss_op", "_nll_loss_op",
    "_cross_entropy_op", "_binary_cross_entropy_op", "_binary_cross_entropy_with_logits_op",
    "_cosine_embedding_loss_op", "prod", "pair_distances", "pair_distances_by_product",
}  # fmt: skip
_FLOAT32 = {
    "cpu": _LOSSES | {
        "avg_pool3d", "adaptive_avg_pool3d", "adaptive_max_pool3d", "local_response_norm", "trace",
        "quantile_of", "polar", "cholesky", "inv", "svd", "svdvals", "solve", "eigh", "eigvalsh",
        "qr", "lstsq", "_hinged_difference", "_nearer", "pairwise_distance",
    },
    "cuda": (_LOSSES - {"_huber_loss_op"}) | {
        "pow", "acos", "asin", "cosh", "cosine_similarity", "cumprod", "cumsum", "distance",
        "erfinv", "exp", "expm1", "_group_norm_op", "_layer_norm_op", "log", "log10", "log1p",
        "log2", "log_softmax", "norm_of_all", "vector_norm_over", "_normalize_op", "pdist",
        "reciprocal", "rsqrt", "sinh", "softmax", "softplus", "sum", "_renormalized", "tan",
        "pairwise_distance",
    },
}  # fmt: skip
_WIDEST = {
    "cpu": {"cat", "stack", "index_copy"},
    "cuda": {"addcdiv", "addcmul", "atan2", "bilinear", "cross", "index_put", "scatter_add"},
}
LISTED = _LOWER.union(*_FLOAT32.values(), *_WIDEST.values())
_DEFAULTS = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16, "tpu": dtypes.bfloat16}
_cast = Operation("to", "ToCopyBackward0")


class autocast:
    """Run operations in a lower precision where that is safe; a context manager and a decorator.

    Args:
        device_type: "cpu", "cuda" or "tpu"; only tensors there are concerned.
        dtype: the lower precision; default: bfloat16, on a GPU float16.
        enabled: False switches autocast off inside.

    Example:
        >>> with kuai.autocast("cpu", dtype=kuai.bfloat16):
        ...     y = kuai.ones(2, 2) @ kuai.ones(2, 2)
        >>> y.dtype
        torch.bfloat16
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = devices.device(device_type).type
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._enabled = bool(enabled)
        self._previous = []

    def __enter__(self):
        state = modes.state
        self._previous.append(state.autocast)
        kept = [pair for pair in state.autocast or () if pair[0] != self.device]
        if self._enabled:
            kept.append((self.device, self.fast_dtype))
        state.autocast = tuple(sorted(kept, key=lambda pair: pair[0])) or None
        return self

    def __exit__(self, *_):
        modes.state.autocast = self._previous.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return wrapped


def is_autocast_enabled(device_type=None) -> bool:
    """Whether autocast is on for a kind of device (default: "cuda").

    Example:
        >>> with kuai.autocast("cpu"):
        ...     kuai.is_autocast_enabled("cpu")
        True
    """
    return any(pair[0] == (device_type or "cuda") for pair in modes.state.autocast or ())


def get_autocast_dtype(device_type) -> dtypes.dtype:
    """The lower precision that autocast uses on a kind of device.

    Example:
        >>> kuai.get_autocast_dtype("cpu")
        torch.bfloat16
    """
    for kind, dtype in modes.state.autocast or ():
        if kind == device_type:
            return dtype
    if device_type not in _DEFAULTS:
        raise RuntimeError(f"autocast does not know the device type {device_type!r}")
    return _DEFAULTS[device_type]


def cast(name, args, kwargs):
    """The arguments of the operation `name` in the precision it is to run in."""
    tensors = [t for a in (*args, *kwargs.values()) for t in (a if _is_list(a) else (a,))]
    tensors = [t for t in tensors if isinstance(t, Tensor)]
    kind = devices.device_of(outline(tensors[0])).type if tensors else "cpu"
    wanted = _wanted(name, kind, tensors)
    if wanted is None:
        return args, kwargs
    args = tuple(_in_precision(a, wanted) for a in args)
    return args, {key: _in_precision(a, wanted) for key, a in kwargs.items()}


def _wanted(name, kind, tensors):
    lower = dict(modes.state.autocast).get(kind)
    if lower is None:
        return None
    if name in _LOWER:
        return dtypes.to_jax(lower)
    if name in _FLOAT32.get(kind, _FLOAT32["cuda"]):
        return jnp.dtype("float32")
    if name in _WIDEST.get(kind, _WIDEST["cuda"]) and any(_is_eligible(t) and
                                                          t.dtype is dtypes.float32
                                                          for t in tensors):  # fmt: skip
        return jnp.dtype("float32")
    return None


def _is_list(argument):
    return isinstance(argument, (list, tuple))


def _is_eligible(tensor):
    return tensor.dtype.is_floating_point and tensor.dtype is not dtypes.float64


def _in_precision(argument, wanted):
    if _is_list(argument) and any(isinstance(item, Tensor) for item in argument):
        return type(argument)([_in_precision(item, wanted) for item in argument])
    if not isinstance(argument, Tensor) or not _is_eligible(argument):
        return argument
    if outline(argument).dtype == wanted:
        return argument
    return run(_cast, wanted, lambda: lambda array: jnp.asarray(array, wanted), [argument])


def cast_floating(nested, dtype):
    """Nested arguments with their floating point tensors in another dtype."""
    wanted = dtypes.to_jax(dtype)
    return jax.tree.map(
        lambda leaf: _in_precision(leaf, wanted),
        nested,
        is_leaf=lambda leaf: isinstance(leaf, Tensor) or leaf is None,
    )

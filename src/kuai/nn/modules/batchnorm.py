"""Batch normalization: parameters and running statistics for each channel."""

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter, zeros
from kuai.nn.modules.lazy import LazyModuleMixin
from kuai.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
]


class _NormBase(Module):
    """Affine parameters and running statistics for each channel."""

    _version = 2
    _ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        made = {"device": device, "dtype": dtype}
        self._set("weight", parameter(num_features, **made) if affine else None)
        self._set("bias", parameter(num_features, **made) if affine and bias else None)
        self._set_buffers(zeros, num_features, made)
        self.reset_parameters()

    def _set(self, name, value):
        self.register_parameter(name, value)

    def _set_buffers(self, make, shape, made):
        tracks = self.track_running_stats
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, make(shape, **made) if tracks else None)
        count = from_array(np.zeros((), np.int64), made["device"])
        self.register_buffer("num_batches_tracked", count if tracks else None)

    def reset_running_stats(self):
        """Start the running statistics anew: mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self):
        """Start anew: weight 1, bias 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input):
        if input.ndim not in self._ranks:
            ranks = " or ".join(f"{rank}D" for rank in self._ranks)
            raise ValueError(f"expected {ranks} input (got {input.ndim}D input)")

    def extra_repr(self):
        """What is printed between the parentheses."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        version = local_metadata.get("version", None)
        key = f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked.detach()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """Takes `num_features` from the first input's channels."""

    def __init__(
        self,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__(0, eps, momentum, False, False, **made, bias=bias)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(**made)
            if bias:
                self.bias = UninitializedParameter(**made)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**made)
            self.running_var = UninitializedBuffer(**made)
            self.num_batches_tracked = from_array(np.zeros((), np.int64), device)

    def reset_parameters(self):
        """Start anew, once there is a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Take the shape from the input."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
            if tensor is not None and is_lazy(tensor):
                tensor.materialize((self.num_features,))
        self.reset_parameters()


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        """The input normalized by the batch in training, by the running statistics otherwise."""
        self._check_input_dim(input)
        by_batch = self.training or self.running_mean is None
        keeps = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if keeps else None,
            self.running_var if keeps else None,
            self.weight,
            self.bias,
            by_batch,
            self._count_batch(),
            self.eps,
        )

    def _count_batch(self):
        """The weight of this batch; without a momentum all batches so far count alike."""
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                return 1.0 / self.num_batches_tracked
        return 0.0 if self.momentum is None else self.momentum


class BatchNorm1d(_BatchNorm):
    """Batch normalization of each channel of `(N, C)` or `(N, C, L)` inputs.

    y = (x - E[x]) / sqrt(Var[x] + eps)·weight + bias, over the batch while training (the running
    statistics move on by `momentum`), by the running statistics in evaluation.

    Example:
        >>> kuai.nn.BatchNorm1d(3)(kuai.ones(2, 3)).shape
        torch.Size([2, 3])

    Reference: Ioffe, Szegedy, Batch normalization, 2015.
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of each channel of `(N, C, H, W)` inputs.

    y = (x - E[x]) / sqrt(Var[x] + eps)·weight + bias, over the batch while training (the running
    statistics move on by `momentum`), by the running statistics in evaluation.

    Example:
        >>> kuai.nn.BatchNorm2d(3)(kuai.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])

    Reference: Ioffe, Szegedy, Batch normalization, 2015.
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of each channel of `(N, C, D, H, W)` inputs.

    y = (x - E[x]) / sqrt(Var[x] + eps)·weight + bias, over the batch while training (the running
    statistics move on by `momentum`), by the running statistics in evaluation.

    Example:
        >>> kuai.nn.BatchNorm3d(3)(kuai.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])

    Reference: Ioffe, Szegedy, Batch normalization, 2015.
    """

    _ranks = (5,)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm1d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyBatchNorm1d()(kuai.ones(2, 3)).shape
        torch.Size([2, 3])
    """

    cls_to_become = BatchNorm1d
    _ranks = (2, 3)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm2d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyBatchNorm2d()(kuai.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    cls_to_become = BatchNorm2d
    _ranks = (4,)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm3d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyBatchNorm3d()(kuai.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    cls_to_become = BatchNorm3d
    _ranks = (5,)

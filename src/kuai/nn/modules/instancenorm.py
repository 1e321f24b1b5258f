"""Instance normalization: each channel of each example by itself."""

import warnings

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.modules.batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Each example normalized by itself; an example alone is taken as a batch of one."""
        self._check_input_dim(input)
        self._check_channels(input)
        if input.ndim == self._ranks[0]:
            return self._normalized(input.unsqueeze(0)).squeeze(0)
        return self._normalized(input)

    def _check_channels(self, input):
        dim = input.ndim - self._ranks[0]
        if input.shape[dim] == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features"
                f" ({self.num_features}), but got: {input.shape[dim]}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. "
            "You can silence this warning by not passing in num_features, "
            "which is not used because affine=False",
            stacklevel=3,
        )

    def _normalized(self, input):
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of `(N, C, L)` inputs: each channel of each example by itself.

    Example:
        >>> kuai.nn.InstanceNorm1d(3)(kuai.ones(2, 3, 5)).shape
        torch.Size([2, 3, 5])

    Reference: Ulyanov et al., Instance normalization, 2016.
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of `(N, C, H, W)` inputs: each channel of each example by itself.

    Example:
        >>> kuai.nn.InstanceNorm2d(3)(kuai.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])

    Reference: Ulyanov et al., Instance normalization, 2016.
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of `(N, C, D, H, W)` inputs: each channel of each example by itself.

    Example:
        >>> kuai.nn.InstanceNorm3d(3)(kuai.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])

    Reference: Ulyanov et al., Instance normalization, 2016.
    """

    _ranks = (4, 5)


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm1d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyInstanceNorm1d()(kuai.ones(2, 3, 5)).shape
        torch.Size([2, 3, 5])
    """

    cls_to_become = InstanceNorm1d
    _ranks = (2, 3)


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm2d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyInstanceNorm2d()(kuai.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    cls_to_become = InstanceNorm2d
    _ranks = (3, 4)


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm3d` that takes `num_features` from its first input.

    Example:
        >>> kuai.nn.LazyInstanceNorm3d()(kuai.ones(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    cls_to_become = InstanceNorm3d
    _ranks = (4, 5)

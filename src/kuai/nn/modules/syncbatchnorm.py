"""SyncBatchNorm: batch normalization over the batches of all processes."""

from kuai.nn.base.module import Module
from kuai.nn.modules.batchnorm import _BatchNorm

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Batch normalization of `(N, C, *)` inputs with the statistics of the whole batch.

    One program sees the whole batch however many devices it is spread over, so the statistics are
    those of all of them; with one process this is `BatchNorm`.

    Args:
        process_group: accepted as in PyTorch.

    Example:
        >>> kuai.nn.SyncBatchNorm(3)(kuai.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference: Ioffe, Szegedy, Batch normalization, 2015.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        numbers = num_features, eps, momentum, affine, track_running_stats
        super().__init__(*numbers, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group=None) -> Module:
        """The module with its batch normalizations replaced by `SyncBatchNorm`.

        Example:
            >>> net = kuai.nn.Sequential(kuai.nn.Linear(2, 4), kuai.nn.BatchNorm1d(4))
            >>> type(kuai.nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]).__name__
            'SyncBatchNorm'
        """
        made = _converted(module, process_group) if isinstance(module, _BatchNorm) else module
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


def _converted(layer, process_group):
    made = SyncBatchNorm(
        layer.num_features,
        layer.eps,
        layer.momentum,
        layer.affine,
        layer.track_running_stats,
        process_group,
        bias=layer.bias is not None,
    )
    if layer.affine:
        made.weight, made.bias = layer.weight, layer.bias
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(made, name, getattr(layer, name))
    made.training = layer.training
    return made

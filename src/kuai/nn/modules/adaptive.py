"""Losses for very many classes: adaptive softmax, and a linear layer with its cross entropy."""

import math
from itertools import pairwise
from typing import NamedTuple

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.nn.modules.container import ModuleList, Sequential
from kuai.nn.modules.linear import Linear
from kuai.nn.modules.loss_base import _WeightedLoss
from kuai.ops.array.joining import cat
from kuai.ops.math.comparison import where

__all__ = ["AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss"]


class _ASMoutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives: each target's log-probability, and the loss."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax over classes sorted by frequency: rare ones stand in clusters with fewer features.

        log p(c) = log p(cluster of c) + log p(c | cluster of c)

    The head has a score for each of the most frequent classes and for each cluster; within cluster
    i, of features / div_value^i, is a softmax of its own.

    Args:
        in_features, n_classes: the sizes of input and output.
        cutoffs: where the clusters begin.
        div_value: by what the features of each cluster are fewer than those of the one before.
        head_bias: whether the head has a bias.

    Shape:
        input `(N, in_features)` or `(in_features)`, target `(N)` or `()`; output likewise, and the
        mean loss.

    Example:
        >>> loss = kuai.nn.AdaptiveLogSoftmaxWithLoss(4, 6, cutoffs=[2])
        >>> made = loss(kuai.zeros(3, 4), kuai.tensor([0, 1, 5]))  # three scores, then four
        >>> made.output.detach(), made.loss.detach()
        (tensor([-1.0986, -1.0986, -2.4849]), tensor(1.5607))

    Reference: Grave et al., Efficient softmax approximation for GPUs, 2017.

    Differs from PyTorch: every cluster is computed for every example, so that shapes do not depend
    on the targets and a compiled step stays one program.
    """

    def __init__(
        self,
        in_features,
        n_classes,
        cutoffs,
        div_value=4.0,
        head_bias=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        made = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for number, (start, end) in enumerate(pairwise(self.cutoffs)):
            size = int(in_features // div_value ** (number + 1))
            into = Linear(in_features, size, bias=False, **made)
            self.tail.append(Sequential(into, Linear(size, end - start, bias=False, **made)))

    def reset_parameters(self):
        """Draw all parameters anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster:
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """The log-probability of each target, and the mean loss."""
        _check_target(input_, target_)
        self._check_range(target_)
        is_batched = target_.ndim > 0
        input = input_ if is_batched else input_.unsqueeze(0)
        target = target_ if is_batched else target_.unsqueeze(0)
        head = F.log_softmax(self.head(input), dim=1)
        chosen = target.clamp(max=self.shortlist_size - 1)
        output = head.gather(1, chosen.unsqueeze(1)).squeeze(1)
        for number, (start, end) in enumerate(pairwise(self.cutoffs)):
            inner = F.log_softmax(self.tail[number](input), dim=1)
            place = (target - start).clamp(0, end - start - 1).unsqueeze(1)
            inside = inner.gather(1, place).squeeze(1) + head[:, self.shortlist_size + number]
            output = where((target >= start) & (target < end), inside, output)
        loss = (-output).mean()
        return _ASMoutput(output if is_batched else output.squeeze(0), loss)

    def _check_range(self, target):
        if target.device.type != "cpu" or not is_concrete(target):
            return
        found = concrete(target, "the target")
        if found.size and (found.min() < 0 or found.max() >= self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{found.min()}, {found.max()}] were found. "
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, `(N, n_classes)`."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for number, cluster in enumerate(self.tail):
            inner = F.log_softmax(cluster(input), dim=1)
            parts.append(inner + head[:, self.shortlist_size + number].unsqueeze(1))
        return cat(parts, dim=1)

    def predict(self, input: Tensor) -> Tensor:
        """The class that the head or, where a cluster wins there, all classes rate highest."""
        best = self.head(input).argmax(dim=1)
        overall = self.log_prob(input).argmax(dim=1)
        return where(best < self.shortlist_size, best, overall)


def _check_cutoffs(cutoffs, n_classes):
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    if (
        cutoffs != sorted(set(cutoffs))
        or cutoffs[0] <= 0
        or cutoffs[-1] > n_classes - 1
        or any(int(cutoff) != cutoff for cutoff in cutoffs)
    ):
        raise ValueError(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
            "order, where each value is between 1 and n_classes-1"
        )


def _check_target(input, target):
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and input.shape[0] != target.shape[0]:
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
    if input.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with size {input.size()}"
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """A linear layer and the cross entropy of its scores.

        -log softmax(x Wᵀ + b)_y

    Args:
        in_features, num_classes: the sizes of x and of the scores.
        out_features: more dimensions of the target; there is a loss for each of its places.
        bias: whether there is a b.
        weight, reduction, ignore_index, label_smoothing: as for `CrossEntropyLoss`.
        options: `LinearCrossEntropyOptions`, to go through the batch in chunks.

    Shape:
        input `(N, in_features)` or `(in_features)`; target `(N, *out_features)` or `()`.

    Example:
        >>> loss = kuai.nn.LinearCrossEntropyLoss(2, 2)
        >>> _ = loss.linear.weight.data.copy_(kuai.tensor([[2.0, 0.0], [0.0, 2.0]]))
        >>> loss(kuai.eye(2), kuai.tensor([0, 1])).detach()
        tensor(0.1269)
    """

    def __init__(
        self,
        in_features,
        num_classes,
        *,
        out_features=(),
        bias=False,
        device=None,
        dtype=None,
        reduction="mean",
        weight=None,
        ignore_index=None,
        label_smoothing=0.0,
        options=None,
    ):
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        super().__init__(weight=weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The cross entropy of the scores of `input`, of which chunks are made one at a time."""
        layer, shape = self.linear, (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input,
            layer.weight.reshape(*shape, layer.in_features),
            target,
            linear_bias=None if layer.bias is None else layer.bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self):
        """What is printed between the parentheses."""
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )

"""What layers compute, under the names and with the arguments it has outside `nn.functional`.

Reductions are numbers: 0, the default, is none, 1 the mean, 2 the sum.
"""

from collections.abc import Callable

import kuai
from kuai.nn import functional as F

__all__ = [
    "affine_grid_generator",
    "alpha_dropout",
    "alpha_dropout_",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "convolution",
    "cosine_embedding_loss",
    "ctc_loss",
    "dropout",
    "dropout_",
    "embedding",
    "embedding_bag",
    "embedding_renorm_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "group_norm",
    "gru_cell",
    "hinge_embedding_loss",
    "instance_norm",
    "kl_div",
    "layer_norm",
    "lstm_cell",
    "margin_ranking_loss",
    "max_pool1d_with_indices",
    "native_batch_norm",
    "native_dropout",
    "native_group_norm",
    "native_layer_norm",
    "poisson_nll_loss",
    "rms_norm",
    "rnn_relu_cell",
    "rnn_tanh_cell",
    "triplet_margin_loss",
]

_REDUCTIONS = ("none", "mean", "sum")

# Normalization ------------------------------------------------------------------------------------


def layer_norm(
    input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True
) -> kuai.Tensor:
    """`nn.functional.layer_norm`.

    Example:
        >>> kuai.layer_norm(kuai.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None) -> kuai.Tensor:
    """`nn.functional.rms_norm`.

    Example:
        >>> kuai.rms_norm(kuai.tensor([[1.0, 7.0]]), (2,))
        tensor([[0.2000, 1.4000]])
    """
    return F.rms_norm(input, normalized_shape, weight, eps)


def group_norm(
    input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True
) -> kuai.Tensor:
    """`nn.functional.group_norm`.

    Example:
        >>> kuai.group_norm(kuai.tensor([[1.0, 3.0]]), 1)
        tensor([[-1.0000,  1.0000]])
    """
    return F.group_norm(input, num_groups, weight, bias, eps)


def batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled
) -> kuai.Tensor:
    """`nn.functional.batch_norm`.

    Example:
        >>> x = kuai.tensor([[1.0], [3.0]])
        >>> kuai.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
) -> kuai.Tensor:
    """`nn.functional.instance_norm`.

    Example:
        >>> x = kuai.tensor([[[1.0, 3.0]]])
        >>> kuai.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[[-1.,  1.]]])
    """
    return F.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """Layer norm, the means and 1 / the standard deviations.

    Example:
        >>> kuai.native_layer_norm(kuai.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)
        (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    dims = tuple(range(-len(normalized_shape), 0))
    variance, mean = kuai.var_mean(input, dims, correction=0, keepdim=True)
    made = F.layer_norm(input, normalized_shape, weight, bias, eps)
    return made, mean, kuai.rsqrt(variance + eps)


def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """Group norm, the means and 1 / the standard deviations of each group.

    Example:
        >>> kuai.native_group_norm(kuai.tensor([[[1.0, 3.0]]]), None, None, 1, 1, 2, 1, 0.0)
        (tensor([[[-1.,  1.]]]), tensor([[2.]]), tensor([[1.]]))
    """
    variance, mean = kuai.var_mean(input.reshape(N, group, -1), -1, correction=0)
    return F.group_norm(input, group, weight, bias, eps), mean, kuai.rsqrt(variance + eps)


def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """Batch norm, and in training the means and 1 / the standard deviations of the batch.

    Example:
        >>> x = kuai.tensor([[1.0], [3.0]])
        >>> kuai.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[1:]
        (tensor([2.]), tensor([1.0000]))
    """
    made = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return made, input.new_empty(0), input.new_empty(0)
    dims = tuple(dim for dim in range(input.ndim) if dim != 1)
    variance, mean = kuai.var_mean(input, dims, correction=0)
    return made, mean, kuai.rsqrt(variance + eps)


# Dropout ------------------------------------------------------------------------------------------


def _dropout(name: str, function: Callable, inplace: bool) -> Callable:
    def drop(input, p, train) -> kuai.Tensor:
        return function(input, p, train, inplace)

    drop.__name__ = drop.__qualname__ = name
    drop.__doc__ = f"""`nn.functional.{function.__name__}`{", in place" if inplace else ""}.

    Example:
        >>> kuai.{name}(kuai.ones(1, 1), 0.5, False)
        tensor([[1.]])
    """
    return drop


dropout = _dropout("dropout", F.dropout, False)
dropout_ = _dropout("dropout_", F.dropout, True)
alpha_dropout = _dropout("alpha_dropout", F.alpha_dropout, False)
alpha_dropout_ = _dropout("alpha_dropout_", F.alpha_dropout, True)
feature_dropout = _dropout("feature_dropout", F.dropout1d, False)
feature_dropout_ = _dropout("feature_dropout_", F.dropout1d, True)
feature_alpha_dropout = _dropout("feature_alpha_dropout", F.feature_alpha_dropout, False)
feature_alpha_dropout_ = _dropout("feature_alpha_dropout_", F.feature_alpha_dropout, True)


def native_dropout(input, p, train):
    """Dropout, and which elements were kept.

    Example:
        >>> kuai.native_dropout(kuai.ones(2), 0.0, True)
        (tensor([1., 1.]), tensor([True, True]))
    """
    kept = F.dropout(kuai.ones_like(input), p, train is None or train)
    return input * kept, kept != 0


# Losses -------------------------------------------------------------------------------------------


def kl_div(input, target, reduction=0, *, log_target=False) -> kuai.Tensor:
    """`nn.functional.kl_div`.

    Example:
        >>> kuai.kl_div(kuai.zeros(2), kuai.ones(2), 2)
        tensor(0.)
    """
    return F.kl_div(input, target, reduction=_REDUCTIONS[reduction], log_target=log_target)


def binary_cross_entropy_with_logits(
    input, target, weight=None, pos_weight=None, reduction=0
) -> kuai.Tensor:
    """`nn.functional.binary_cross_entropy_with_logits`.

    Example:
        >>> kuai.binary_cross_entropy_with_logits(kuai.zeros(1), kuai.ones(1))
        tensor([0.6931])
    """
    return F.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_REDUCTIONS[reduction], pos_weight=pos_weight
    )


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=0) -> kuai.Tensor:
    """`nn.functional.cosine_embedding_loss`.

    Example:
        >>> x, same = kuai.tensor([[1.0, 0.0]]), kuai.tensor([1])
        >>> kuai.cosine_embedding_loss(x, x, same)
        tensor([0.])
    """
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def hinge_embedding_loss(input, target, margin=1.0, reduction=0) -> kuai.Tensor:
    """`nn.functional.hinge_embedding_loss`.

    Example:
        >>> kuai.hinge_embedding_loss(kuai.tensor([0.25]), kuai.tensor([-1]))
        tensor([0.7500])
    """
    return F.hinge_embedding_loss(input, target, margin, reduction=_REDUCTIONS[reduction])


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=0) -> kuai.Tensor:
    """`nn.functional.margin_ranking_loss`.

    Example:
        >>> kuai.margin_ranking_loss(kuai.tensor([1.0]), kuai.tensor([3.0]), kuai.tensor([1]))
        tensor([2.])
    """
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def poisson_nll_loss(input, target, log_input, full, eps, reduction) -> kuai.Tensor:
    """`nn.functional.poisson_nll_loss`.

    Example:
        >>> kuai.poisson_nll_loss(kuai.zeros(1), kuai.ones(1), True, False, 1e-8, 1)
        tensor(1.)
    """
    return F.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_REDUCTIONS[reduction]
    )


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction=0
) -> kuai.Tensor:
    """`nn.functional.triplet_margin_loss`.

    Example:
        >>> x = kuai.tensor([[1.0, 0.0]])
        >>> kuai.triplet_margin_loss(x, x, x)
        tensor([1.])
    """
    return F.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_REDUCTIONS[reduction]
    )


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction=0,
    zero_infinity=False,
) -> kuai.Tensor:
    """`nn.functional.ctc_loss`.

    Example:
        >>> chances = kuai.full((1, 1, 2), 0.5).log()
        >>> kuai.ctc_loss(chances, kuai.tensor([[1]]), kuai.tensor([1]), kuai.tensor([1]))
        tensor([0.6931])
    """
    return F.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _REDUCTIONS[reduction],
        zero_infinity,
    )


# Embeddings, convolutions, places -----------------------------------------------------------------


def embedding(
    weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False
) -> kuai.Tensor:
    """`nn.functional.embedding`, with the weight first.

    Example:
        >>> kuai.embedding(kuai.tensor([[1.0], [2.0]]), kuai.tensor([1]))
        tensor([[2.]])
    """
    padding = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq)


def embedding_renorm_(input, indices, max_norm, norm_type) -> kuai.Tensor:
    """Scale the rows at `indices` whose norm is above `max_norm` down to it, in place.

    Example:
        >>> weight = kuai.tensor([[3.0, 4.0], [3.0, 4.0]])
        >>> kuai.embedding_renorm_(weight, kuai.tensor([1]), 1.0, 2.0)
        tensor([[3.0000, 4.0000],
                [0.6000, 0.8000]])
    """
    F.embedding(indices, input, max_norm=max_norm, norm_type=norm_type)
    return input


def convolution(
    input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
) -> kuai.Tensor:
    """A convolution, transposed or not, in as many dimensions as the weight has beside channels.

    Example:
        >>> x, w = kuai.ones(1, 1, 3), kuai.ones(1, 1, 2)
        >>> kuai.convolution(x, w, None, [1], [0], [1], False, [0], 1)
        tensor([[[2., 2.]]])
    """
    dims = weight.ndim - 2
    if transposed:
        run = getattr(F, f"conv_transpose{dims}d")
        return run(input, weight, bias, stride, padding, output_padding, groups, dilation)
    run = getattr(F, f"conv{dims}d")
    return run(input, weight, bias, stride, padding, dilation, groups)


def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners) -> kuai.Tensor:
    """`nn.functional.grid_sample`, with numbers for the modes in the order of its documentation.

    Example:
        >>> kuai.grid_sampler(kuai.ones(1, 1, 2, 2), kuai.zeros(1, 1, 1, 2), 0, 0, True)
        tensor([[[[1.]]]])
    """
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    return F.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta, size, align_corners) -> kuai.Tensor:
    """`nn.functional.affine_grid`.

    Example:
        >>> kuai.affine_grid_generator(kuai.eye(2, 3)[None], (1, 1, 1, 1), False)
        tensor([[[[0., 0.]]]])
    """
    return F.affine_grid(theta, size, align_corners)


def max_pool1d_with_indices(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """`nn.functional.max_pool1d_with_indices`.

    Example:
        >>> kuai.max_pool1d_with_indices(kuai.tensor([[[1.0, 3.0]]]), 2)
        (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return F.max_pool1d_with_indices(
        input, kernel_size, stride or None, padding, dilation, ceil_mode
    )


# Cells of recurrent layers ------------------------------------------------------------------------


def _gates(input, hidden, w_ih, w_hh, b_ih, b_hh) -> tuple[kuai.Tensor, kuai.Tensor]:
    return F.linear(input, w_ih, b_ih), F.linear(hidden, w_hh, b_hh)


def _joined(*arguments) -> kuai.Tensor:
    outer, inner = _gates(*arguments)
    return outer + inner


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> kuai.Tensor:
    """tanh(W x + b + U h + c).

    Example:
        >>> kuai.rnn_tanh_cell(kuai.zeros(1, 1), kuai.zeros(1, 1), kuai.ones(1, 1), kuai.ones(1, 1))
        tensor([[0.]])
    """
    return kuai.tanh(_joined(input, hx, w_ih, w_hh, b_ih, b_hh))


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> kuai.Tensor:
    """relu(W x + b + U h + c).

    Example:
        >>> kuai.rnn_relu_cell(kuai.ones(1, 1), kuai.zeros(1, 1), kuai.ones(1, 1), kuai.ones(1, 1))
        tensor([[1.]])
    """
    return kuai.relu(_joined(input, hx, w_ih, w_hh, b_ih, b_hh))


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of an LSTM: the new hidden state and cell state.

    Example:
        >>> state, w = (kuai.zeros(1, 1), kuai.zeros(1, 1)), kuai.zeros(4, 1)
        >>> kuai.lstm_cell(kuai.ones(1, 1), state, w, w)
        (tensor([[0.]]), tensor([[0.]]))
    """
    hidden, cell = hx
    enter, forget, made, leave = _joined(input, hidden, w_ih, w_hh, b_ih, b_hh).chunk(4, 1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * made.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> kuai.Tensor:
    """One step of a GRU: the new hidden state.

    Example:
        >>> w = kuai.zeros(3, 1)
        >>> kuai.gru_cell(kuai.ones(1, 1), kuai.ones(1, 1), w, w)
        tensor([[0.5000]])
    """
    outer, inner = _gates(input, hx, w_ih, w_hh, b_ih, b_hh)
    (reset_i, update_i, new_i), (reset_h, update_h, new_h) = outer.chunk(3, 1), inner.chunk(3, 1)
    new = kuai.tanh(new_i + (reset_i + reset_h).sigmoid() * new_h)
    return new + (update_i + update_h).sigmoid() * (hx - new)


def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq=False,
    mode=0,
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
) -> tuple[kuai.Tensor, kuai.Tensor, kuai.Tensor, kuai.Tensor]:
    """`nn.functional.embedding_bag`, with a number for the mode: 0 is the sum, 1 the mean, 2 max.

    Behind the result stand the bag of each index, the sizes of the bags and, of the greatest, where
    each was: what PyTorch keeps for the derivative; empty or 0 where it keeps nothing.

    Example:
        >>> table = kuai.tensor([[1.0], [2.0], [4.0]])
        >>> kuai.embedding_bag(table, kuai.tensor([0, 2]), kuai.tensor([0]))[0]
        tensor([[5.]])
    """
    result = F.embedding_bag(
        indices, weight, offsets, None, 2, scale_grad_by_freq, ("sum", "mean", "max")[mode],
        sparse, per_sample_weights, include_last_offset, padding_idx,
    )  # fmt: skip
    nothing, zeros = kuai.empty(0, dtype=kuai.int64), kuai.zeros_like(offsets)
    return result, nothing, zeros, zeros.clone()

"""Clipping gradients by their norm or by their values, in place.

Nothing here looks at a number, so a compiled step keeps the clipping inside its one program; only
`error_if_nonfinite=True` has to look, and makes such a step run eagerly.
"""

import types
import warnings

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.nn.modules.factory import zeros
from kuai.ops.nn.clipping import clamp_all, norm_of_all, scale_all

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _listed(tensors) -> list:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters) -> list:
    return [p.grad for p in parameters if p.grad is not None]


def _by_device(tensors) -> dict:
    groups = {}
    for tensor in tensors:
        groups.setdefault(tensor.device, []).append(tensor)
    return groups


def _replace(tensors, results) -> None:
    for tensor, result in zip(tensors, results, strict=True):
        overwrite(tensor, result)


@no_grad()
def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None) -> Tensor:
    """The norm of several tensors, as if they were one vector: (Σ |x|ᵖ)^(1/p).

    Args:
        tensors: an iterable of tensors, or one tensor.
        norm_type: the p; `inf` for the largest absolute value.
        error_if_nonfinite: raise a RuntimeError when the norm is inf or nan.
        foreach: accepted as in PyTorch; the tensors are always handled together.

    Example:
        >>> kuai.nn.utils.get_total_norm([kuai.tensor([3.0]), kuai.tensor([4.0])])
        tensor(5.)
    """
    tensors, norm_type = _listed(tensors), float(norm_type)
    if not tensors:
        return zeros(())
    norms = [norm_of_all(group, norm_type) for group in _by_device(tensors).values()]
    if len(norms) > 1:
        norms = [norm.to(tensors[0].device) for norm in norms]
        norms = [norm_of_all(norms, norm_type)]
    if error_if_nonfinite and not bool(norms[0].isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return norms[0]


@no_grad()
def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None) -> None:
    """Scale the gradients in place by min(1, max_norm / (total_norm + 1e-6)).

    Args:
        parameters: the tensors whose `.grad` is scaled.
        total_norm: the gradients' norm, as `get_total_norm` gives it.

    Example:
        >>> w = kuai.ones(2, requires_grad=True)
        >>> w.grad = kuai.tensor([30.0, 40.0])
        >>> kuai.nn.utils.clip_grads_with_norm_(w, 5.0, kuai.tensor(50.0))
        >>> w.grad
        tensor([3., 4.])
    """
    gradients = _gradients(_listed(parameters))
    if not gradients:
        return
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for device, group in _by_device(gradients).items():
        _replace(group, scale_all(group, factor.to(device)))


@no_grad()
def clip_grad_norm_(
    parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None
) -> Tensor:
    """Scale all gradients in place so that their norm together is at most `max_norm`.

    Args:
        parameters: the tensors whose `.grad` is scaled.
        norm_type: the p of the norm; `inf` for the largest absolute value.

    Returns:
        The norm before clipping.

    Example:
        >>> w = kuai.ones(2, requires_grad=True)
        >>> w.grad = kuai.tensor([30.0, 40.0])
        >>> kuai.nn.utils.clip_grad_norm_([w], 5.0)
        tensor(50.)

    Reference: Pascanu et al., On the difficulty of training recurrent neural networks, 2013.
    """
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = _listed(parameters)
    if is_generator and not parameters:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


@no_grad()
def clip_grad_value_(parameters, clip_value, foreach=None) -> None:
    """Move every element of the gradients into [-clip_value, clip_value], in place.

    Example:
        >>> w = kuai.ones(2, requires_grad=True)
        >>> w.grad = kuai.tensor([-3.0, 0.5])
        >>> kuai.nn.utils.clip_grad_value_([w], 1.0)
        >>> w.grad
        tensor([-1.0000,  0.5000])
    """
    clip_value = float(clip_value)
    for group in _by_device(_gradients(_listed(parameters))).values():
        _replace(group, clamp_all(group, clip_value))


def clip_grad_norm(
    parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None
) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated "
        "in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


_get_total_norm, _clip_grads_with_norm_ = get_total_norm, clip_grads_with_norm_

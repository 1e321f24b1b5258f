"""Pruning: weights kept at zero by a mask that is applied before every call.

A pruned parameter `weight` becomes the parameter `weight_orig`, the buffer `weight_mask`, and a
plain attribute `weight`, their product.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.nn.utils.convert_parameters import parameters_to_vector
from kuai.nn.utils.pruning import BasePruningMethod, PruningContainer
from kuai.nn.utils.pruning_methods import (
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    RandomStructured,
    RandomUnstructured,
)
from kuai.ops.array.creation import ones_like

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


def identity(module: Module, name: str) -> Module:
    """Prune nothing, but make mask and original."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements of a parameter at random.

    Args:
        amount: how many; a float is the part of them.
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the elements of a parameter that have the smallest absolute values, or scores.

    Args:
        amount: how many; a float is the part of them.

    Example:
        >>> net = kuai.nn.Linear(2, 1, bias=False)
        >>> _ = net.weight.data.copy_(kuai.tensor([[0.1, -2.0]]))
        >>> kuai.nn.utils.prune.l1_unstructured(net, "weight", amount=1).weight.detach()
        tensor([[ 0., -2.]])
    """
    L1Unstructured.apply(module, name, amount, importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices of a parameter along a dimension at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prune the slices of a parameter along a dimension that have the smallest n-norm.

    Example:
        >>> net = kuai.nn.Linear(1, 2, bias=False)
        >>> _ = net.weight.data.copy_(kuai.tensor([[3.0], [0.5]]))
        >>> kuai.nn.utils.prune.ln_structured(net, "weight", 0.5, n=2, dim=0).weight.detach()
        tensor([[3.],
                [0.]])
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune a parameter by a mask."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune elements of several parameters together.

    Args:
        parameters: (module, name) pairs.
        pruning_method: one of the unstructured methods; `kwargs` are its arguments.
        importance_scores: scores by (module, name) in the place of values.

    Example:
        >>> net = kuai.nn.Linear(2, 2)
        >>> prune = kuai.nn.utils.prune
        >>> pairs = [(net, "weight"), (net, "bias")]
        >>> prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.5)
        >>> int(net.weight_mask.sum() + net.bias_mask.sum())
        3
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    pairs = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    values = [getattr(module, name) for module, name in pairs]
    given = [scores.get(pair, value) for pair, value in zip(pairs, values, strict=True)]
    masks = [
        getattr(module, f"{name}_mask", ones_like(value))
        for (module, name), value in zip(pairs, values, strict=True)
    ]
    method._tensor_name = "temp"
    made = PruningContainer(method).compute_mask(
        parameters_to_vector(given).detach(), parameters_to_vector(masks).detach()
    )
    start = 0
    for (module, name), value in zip(pairs, values, strict=True):
        end = start + value.numel()
        custom_from_mask(module, name, made[start:end].view_as(value))
        start = end


def remove(module: Module, name: str) -> Module:
    """Make the pruned values a parameter's own, without mask and hook.

    Example:
        >>> net = kuai.nn.utils.prune.identity(kuai.nn.Linear(2, 2), "weight")
        >>> [name for name, _ in kuai.nn.utils.prune.remove(net, "weight").named_parameters()]
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether a parameter of a module, or of one inside it, is pruned."""
    hooks = (hook for part in module.modules() for hook in part._forward_pre_hooks.values())
    return any(isinstance(hook, BasePruningMethod) for hook in hooks)

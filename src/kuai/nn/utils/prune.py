"""Pruning: weights kept at zero by a mask that is applied before every call.

A pruned parameter `weight` becomes the parameter `weight_orig`, the buffer `weight_mask`, and a
plain attribute `weight`, their product.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.nn.utils.convert_parameters import parameters_to_vector
from kuai.nn.utils.pruning_amounts import (
    check_amount,
    check_structured,
    count_of,
    slices_only,
    without_smallest,
)
from kuai.ops.array.creation import ones_like
from kuai.ops.array.random_values import rand, rand_like

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


class BasePruningMethod(ABC):
    """A way to choose what is pruned; a subclass has `compute_mask` and PRUNING_TYPE.

    PRUNING_TYPE is "unstructured" (single elements), "structured" (slices along `dim`) or "global"
    (the whole mask): what of an already pruned tensor is left to choose from.

    Example:
        >>> class EveryOther(kuai.nn.utils.prune.BasePruningMethod):
        ...     PRUNING_TYPE = "unstructured"
        ...     def compute_mask(self, t, default_mask):
        ...         mask = default_mask.clone()
        ...         mask.view(-1)[::2] = 0
        ...         return mask
        >>> net = kuai.nn.Linear(3, 2, bias=False)
        >>> _ = EveryOther.apply(net, "weight")
        >>> net.weight_mask
        tensor([[0., 1., 0.],
                [1., 0., 1.]])
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of a tensor (or of importance scores), on top of the one so far."""

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned parameter."""
        if getattr(self, "_tensor_name", None) is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask, original = (getattr(module, f"{self._tensor_name}_{part}") for part in _PARTS)
        return mask.to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a parameter; what was pruned before stays so."""
        method, original = _chained(cls(*args, **kwargs), module, name), getattr(module, name)
        if importance_scores is not None and importance_scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {importance_scores.shape} vs {original.shape}"
            )
        scores = original if importance_scores is None else importance_scores
        is_first = not isinstance(method, PruningContainer)
        if is_first:
            module.register_parameter(f"{name}_orig", original)
            del module._parameters[name]
            before = ones_like(original)
        else:
            before = getattr(module, f"{name}_mask").detach().clone()
        try:
            mask = method.compute_mask(scores.detach(), default_mask=before.detach())
        except Exception:
            if is_first:
                del module._parameters[f"{name}_orig"]
                module.register_parameter(name, original)
            raise
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Any = None
    ) -> Tensor:
        """A pruned copy of a tensor."""
        if importance_scores is not None and importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{importance_scores.shape} vs {t.shape}"
            )
        scores = t if importance_scores is None else importance_scores
        before = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=before)

    def remove(self, module: Module) -> None:
        """Make the pruned values the parameter's own."""
        name, weight = self._tensor_name, self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters[f"{name}_orig"]
        original.data = weight.data
        del module._parameters[f"{name}_orig"]
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


_PARTS = ("mask", "orig")


def _chained(method, module, name):
    """The method, or one that adds it to what the parameter is pruned by."""
    method._tensor_name = name
    keys = [
        key
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]
    if not keys:
        return method
    old = module._forward_pre_hooks[keys[0]]
    for key in keys:
        del module._forward_pre_hooks[key]
    container = old if isinstance(old, PruningContainer) else PruningContainer(old)
    container.add_pruning_method(method)
    return container


class PruningContainer(BasePruningMethod):
    """Several ways to prune one parameter, one after the other."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """One more; it has to be for the same parameter."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after the last method, which chooses from what the others have left."""
        method, mask = self._pruning_methods[-1], default_mask.to(t.dtype).clone()
        left = _left(method, t, default_mask)
        chosen = method.compute_mask(t[left], default_mask=default_mask[left])
        mask[left] = chosen.to(mask.dtype)
        return mask


def _left(method, t, mask):
    """What a method may still choose from, as an index."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return (slice(None),) * t.ndim
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise AttributeError(
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    dim = method.dim + t.ndim if method.dim < 0 else method.dim
    if dim < 0:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
    kept = mask.sum([d for d in range(t.ndim) if d != dim]) != 0
    return (*(slice(None),) * dim, kept, *(slice(None),) * (t.ndim - dim - 1))


# The methods --------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing, but makes mask and original."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask

    @classmethod
    def apply(cls, module, name):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes elements at random: a number of them, or a part."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return without_smallest(rand_like(t), self.amount, default_mask)

    @classmethod
    def apply(cls, module, name, amount):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prunes the elements of the smallest absolute values."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return without_smallest(t.abs(), self.amount, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, importance_scores=None
    ):
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class RandomStructured(BasePruningMethod):
    """Prunes slices along a dimension at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        check_amount(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t, default_mask):
        check_structured(t, self.dim)
        size = t.shape[self.dim]
        count = count_of(self.amount, size)
        if count == 0:
            return default_mask
        kept = rand(size, device=t.device).argsort()[count:]
        return slices_only(t, self.dim, kept, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, dim=-1
    ):
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """Prunes the slices along a dimension that have the smallest n-norm."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, n, dim=-1):
        check_amount(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t, default_mask):
        check_structured(t, self.dim)
        size = t.shape[self.dim]
        count = count_of(self.amount, size)
        if count == 0:
            return default_mask
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        kept = t.norm(self.n, others).topk(size - count).indices
        return slices_only(t, self.dim, kept, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, module, name, amount, n, dim, importance_scores=None
    ):
        options = dict(amount=amount, n=n, dim=dim)
        return super().apply(module, name, importance_scores=importance_scores, **options)


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask that is given."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)

    @classmethod
    def apply(cls, module, name, mask):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().apply(module, name, mask=mask)


# Functions ----------------------------------------------------------------------------------------


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

"""What a way of pruning is, and several ways one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.ops.array.creation import ones_like

__all__ = ["BasePruningMethod", "PruningContainer"]


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

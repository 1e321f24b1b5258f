"""Lazy modules: layers that learn their input's size at the first call.

A lazy layer is made with uninitialized parameters and a forward pre-hook. The first call runs the
hook, which has the layer give its parameters their shapes (`initialize_parameters`), takes itself
away, and turns the layer into its `cls_to_become`. Loading a state dict does the same job.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.modes import no_grad
from kuai.nn.base.module import Module
from kuai.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """Makes a layer lazy; to be put before the layer's class among the bases.

    A lazy layer defines `initialize_parameters(*args)`, called with the first input, and
    `cls_to_become`, the class it is afterwards. Its shapes have to be known before an optimizer
    is given its parameters, so a dry run comes first.

    Example:
        >>> layer = kuai.nn.LazyLinear(2)
        >>> layer.weight
        <UninitializedParameter>
        >>> layer(kuai.ones(1, 3)).shape, type(layer).__name__
        (torch.Size([1, 2]), 'Linear')
    """

    cls_to_become: type[Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _own_tensors(self) -> Iterator[tuple[str, Tensor | None]]:
        yield from self._parameters.items()
        yield from self._buffers.items()

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        # An uninitialized tensor cannot be detached; it goes into the dictionary as it is.
        for name, tensor in self._own_tensors():
            if tensor is None or name in self._non_persistent_buffers_set:
                continue
            keep = keep_vars or is_lazy(tensor)
            destination[prefix + name] = tensor if keep else tensor.detach()

    def _lazy_load_hook(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        for name, tensor in self._own_tensors():
            given = state_dict.get(prefix + name)
            if given is not None and is_lazy(tensor) and not is_lazy(given):
                with no_grad():
                    tensor.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes, from the arguments of the first call."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {self.__class__.__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this layer has no shape yet."""
        return any(is_lazy(tensor) for _, tensor in self._own_tensors())

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        with modes.outside():  # real parameters, also while a step is being compiled
            module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

"""The old spectral normalization: a hook computes the weight before every call.

`kuai.nn.utils.parametrizations.spectral_norm` is the new one.
"""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.nn.parameter import Parameter, UninitializedParameter
from kuai.nn.utils.parametrizations import as_matrix, check_iterations, rows_of, unit_vector

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The hook: w / (uᵀ W v)."""

    _version = 1

    def __init__(
        self,
        name: str = "weight",
        n_power_iterations: int = 1,
        dim: int = 0,
        eps: float = 1e-12,
    ) -> None:
        check_iterations(n_power_iterations)
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def _parts(self, module: Module) -> list[Any]:
        return [getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v")]

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The normalized weight, after power iterations if wanted."""
        weight, u, v = self._parts(module)
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                self._iterate(matrix, u, v)
        u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def _iterate(self, matrix, u, v):
        for _ in range(self.n_power_iterations):
            v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
            u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))

    def remove(self, module: Module) -> None:
        """Make the weight a plain parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in ("", "_u", "_v", "_orig"):
            delattr(module, f"{self.name}{name}")
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        weight = self.compute_weight(module, do_power_iteration=module.training)
        setattr(module, self.name, weight)

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Put the hook, the original weight and the vectors into a module."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = _checked(module._parameters[name], name)
        with no_grad():
            rows, columns = as_matrix(weight, dim).shape
            u, v = unit_vector(weight, rows, eps), unit_vector(weight, columns, eps)
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(made)
        module._register_state_dict_hook(made._note_version)
        return made

    def _note_version(self, module, state_dict, prefix, local_metadata):
        local_metadata.setdefault("spectral_norm", {})[f"{self.name}.version"] = self._version


def _checked(weight: Parameter | None, name: str) -> Parameter:
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if isinstance(weight, UninitializedParameter):
        raise ValueError(
            "The module passed to `SpectralNorm` can't have uninitialized parameters. "
            "Make sure to run the dummy forward before applying spectral normalization"
        )
    return weight


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Have a weight divided by its largest singular value before every call, w / σ(w).

    Args:
        n_power_iterations, eps, dim: as for `kuai.nn.utils.parametrizations.spectral_norm`.

    Example:
        >>> net = kuai.nn.utils.spectral_norm(kuai.nn.Linear(20, 40))
        >>> net.weight_u.shape
        torch.Size([40])

    Reference: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
    """
    dim = rows_of(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`; the weight keeps its value."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for key, hook in module._state_dict_hooks.items():
        owner = getattr(hook, "__self__", None)
        if isinstance(owner, SpectralNorm) and owner.name == name:
            del module._state_dict_hooks[key]
            break
    return module

"""Parametrizations to register: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

import enum

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.modes import no_grad
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from kuai.nn.utils.parametrize import register_parametrization
from kuai.ops.array.creation import zeros_like
from kuai.ops.array.joining import cat
from kuai.ops.array.random_values import randn
from kuai.ops.math.orthogonal import (
    cayley_map,
    exponential_map,
    householder_map,
    orthonormal,
    reflectors,
)

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def tensor_of(module: Module, name: str) -> Tensor:
    """A module's parameter or buffer, or PyTorch's error."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# Weight normalization -----------------------------------------------------------------------------


def norm_except(tensor: Tensor, dim: int) -> Tensor:
    """The norm over all dimensions but one; over all of them if that is -1."""
    if dim == -1:
        return tensor.norm()
    dims = [d for d in range(tensor.ndim) if d != dim]
    return tensor.norm(2, dims, keepdim=True) if dims else tensor.abs()


def weight_of(size: Tensor, direction: Tensor, dim: int) -> Tensor:
    """g v / |v|."""
    return direction * (size / norm_except(direction, dim))


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Have a weight computed from its size and its direction, w = g v / |v|.

    Args:
        dim: the dimension that keeps sizes of its own, an output channel; None for one size.

    Example:
        >>> net = kuai.nn.utils.parametrizations.weight_norm(kuai.nn.Linear(20, 40))
        >>> net.parametrizations.weight.original0.shape
        torch.Size([40, 1])

    Reference: Salimans, Kingma, Weight normalization, 2016.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_old_names(state_dict, prefix, *rest):
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for number, key in enumerate(old):
                new = f"{prefix}parametrizations.{name}.original{number}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_old_names)
    return module


# Spectral normalization ---------------------------------------------------------------------------


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight as a matrix whose rows are along `dim`."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.flatten(1)


def unit_vector(weight: Tensor, size: int, eps: float) -> Tensor:
    """A random vector of length 1."""
    drawn = randn(size, dtype=weight.dtype, device=weight.device)
    return F.normalize(drawn, dim=0, eps=eps)


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[-{ndim}, {ndim - 1}] but got {dim})"
            )
        check_iterations(n_power_iterations)
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            self.register_buffer("_u", unit_vector(weight, matrix.shape[0], eps))
            self.register_buffer("_v", unit_vector(weight, matrix.shape[1], eps))
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Tensor, iterations: int) -> None:
        u, v = self._u, self._v
        for _ in range(iterations):
            u = F.normalize(matrix.mv(v), dim=0, eps=self.eps)
            v = F.normalize(matrix.mH.mv(u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def check_iterations(count: int) -> None:
    """There has to be a power iteration."""
    if count <= 0:
        raise ValueError(
            f"Expected n_power_iterations to be positive, but got n_power_iterations={count}"
        )


def rows_of(module: Module) -> int:
    """Which dimension of a layer's weight stands for what it gives."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Have a weight divided by its largest singular value, w / σ(w).

    σ = uᵀ W v with vectors that follow the weight by power iterations, one in each forward pass of
    training.

    Args:
        n_power_iterations: how many in each pass.
        eps: the least length of a vector.
        dim: the dimension of what the layer gives; 1 for transposed convolutions, else 0.

    Example:
        >>> net = kuai.nn.utils.parametrizations.spectral_norm(kuai.nn.Linear(20, 40))
        >>> bool((kuai.linalg.matrix_norm(net.weight, 2) - 1).abs() < 0.2)
        True

    Reference: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
    """
    weight = tensor_of(module, name)
    dim = rows_of(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, made)


# Orthogonal matrices ------------------------------------------------------------------------------


class _OrthMaps(enum.Enum):
    matrix_exp = enum.auto()
    cayley = enum.auto()
    householder = enum.auto()


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight, orthogonal_map: _OrthMaps, *, use_trivialization=True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        is_wide = X.shape[-2] < X.shape[-1]
        made = self._tall(X.mT if is_wide else X)
        if "base" in self._buffers and self.base is not None:
            made = self.base @ made
        return made.mT if is_wide else made

    def _tall(self, x):
        rows, columns = x.shape[-2:]
        if self.orthogonal_map is _OrthMaps.householder:
            signs = x.detach().diagonal(dim1=-2, dim2=-1).int()
            return householder_map(x) * signs.unsqueeze(-2)
        lower = x.tril()
        if rows != columns:
            lower = cat([lower, lower.new_zeros(*x.shape[:-1], rows - columns)], dim=-1)
        skew = lower - lower.mH
        is_exponential = self.orthogonal_map is _OrthMaps.matrix_exp
        made = exponential_map(skew) if is_exponential else cayley_map(skew)
        return made[..., :columns]

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        is_wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if is_wide else Q
        if "base" not in self._buffers:
            if self.orthogonal_map is not _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            made = reflectors(tall)
            return made.mT if is_wide else made
        self.base = _completed(tall)
        start = zeros_like(Q)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def _completed(tall: Tensor) -> Tensor:
    """A square orthogonal matrix that begins with the columns of a tall one, made orthogonal."""
    rows, columns = tall.shape[-2:]
    if rows == columns:
        return tall.clone() if _is_orthogonal(tall) else orthonormal(tall)
    shape = (*tall.shape[:-2], rows, rows - columns)
    others = randn(shape, dtype=tall.dtype, device=tall.device)
    return orthonormal(cat([tall, others], dim=-1))


def _is_orthogonal(matrix: Tensor) -> bool:
    kind = np.dtype(matrix.real.dtype.jax if matrix.is_complex() else matrix.dtype.jax)
    product = concrete(matrix.mH @ matrix, "orthogonal()")
    size = matrix.shape[-1]
    return np.allclose(product, np.eye(size), atol=10.0 * size * float(np.finfo(kind).eps))


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Have a matrix, or a batch of them, orthogonal: Qᴴ Q = I, or Q Qᴴ = I if it is wide.

    Args:
        orthogonal_map: "matrix_exp", Q = exp(A) for a skew-symmetric A; "cayley",
            Q = (I + A/2)(I - A/2)⁻¹; or "householder", a product of reflections. By default
            "matrix_exp" if the matrix is square or complex, else "householder".
        use_trivialization: multiply by a fixed orthogonal matrix, so that the start is A = 0.

    Example:
        >>> net = kuai.nn.utils.parametrizations.orthogonal(kuai.nn.Linear(4, 3))
        >>> bool((net.weight @ net.weight.T - kuai.eye(3)).abs().max() < 1e-5)
        True

    Reference: Lezcano-Casado, Trivializations for gradient-based optimization on manifolds, 2019.
    """
    weight = tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        plain = weight.shape[-2] == weight.shape[-1] or weight.is_complex()
        orthogonal_map = "matrix_exp" if plain else "householder"
    if orthogonal_map not in _OrthMaps.__members__:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    chosen = _OrthMaps[orthogonal_map]
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)

"""`kuai.autograd.forward_ad`: derivatives forward, by dual tensors.

A dual tensor has a value and a tangent, the direction in which it moves. Inside a level every
operation on it computes its result and how the result moves: a product of the Jacobian with a
vector, in one pass and without a tape. See Baydin et al., Automatic differentiation in machine
learning: a survey, JMLR 18 (2018).
"""

from typing import NamedTuple

from kuai.engine.autograd import around
from kuai.engine.autograd.duals import check_tangent, dual, plain, tangent_of
from kuai.engine.tensor import Tensor, modes

__all__ = [
    "UnpackedDualTensor",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
    "dual_level",
]


def enter_dual_level() -> int:
    """Begin a level; returns its number, which is 0, as levels cannot be nested.

    Example:
        >>> level = kuai.autograd.forward_ad.enter_dual_level()
        >>> x = kuai.autograd.forward_ad.make_dual(kuai.tensor(3.0), kuai.tensor(1.0))
        >>> kuai.autograd.forward_ad.unpack_dual(x * x).tangent
        tensor(6.)
        >>> kuai.autograd.forward_ad.exit_dual_level(level=level)
    """
    if modes.state.levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    around.new_level()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: from now on no tensor has a tangent."""
    if not modes.state.levels and level is None:
        raise RuntimeError("Dual level must be a positive number.")
    if not modes.state.levels or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This "
            "is not supported."
        )
    around.remove_level(modes.state.levels[-1])


class dual_level:
    """A level of forward mode: tangents exist inside of it; a context manager.

    Example:
        >>> import kuai.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     x = fwAD.make_dual(kuai.tensor([0.0, 1.0]), kuai.ones(2))
        ...     y = x.exp() * 2
        ...     fwAD.unpack_dual(y).tangent
        tensor([2.0000, 5.4366])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_) -> None:
        exit_dual_level(level=0)


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` gives: the value, and the tangent or None."""

    primal: Tensor
    tangent: Tensor | None


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A dual tensor: the tensor's values (shared, and differentiable) with a tangent.

    Raises:
        RuntimeError: there is no level, or the tangent has another size or dtype.
        ValueError: one of the two is not of floating point or complex dtype.
    """
    if not modes.state.levels and level is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for what, given in (("primal", tensor), ("tangent", tangent)):
        if not (given.is_floating_point() or given.is_complex()):
            raise ValueError(
                f"Expected {what} to be floating point or complex, but got: {given.dtype}"
            )
    current = modes.state.levels[-1]
    if tangent_of(tensor, current) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            "same level 0 is not supported."
        )
    check_tangent(tensor, tangent)
    return dual(tensor, tangent, current)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a dual tensor and its tangent, which is None if it has none."""
    if not modes.state.levels:
        return UnpackedDualTensor(tensor, None)
    current = modes.state.levels[-1]
    tangent = tangent_of(tensor, current)
    return UnpackedDualTensor(plain(tensor, current), tangent)


class _set_fwd_grad_enabled:
    """Whether tangents are passed on inside; a context manager."""

    def __init__(self, mode: bool):
        self.mode = mode

    def __enter__(self) -> None:
        self._context = around.no_forward_mode() if not self.mode else None
        if self._context is not None:
            self._context.__enter__()

    def __exit__(self, *error) -> None:
        if self._context is not None:
            self._context.__exit__(*error)

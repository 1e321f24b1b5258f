"""What optimizers check of their arguments, with PyTorch's words."""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor

__all__ = [
    "check_betas",
    "check_fused",
    "check_not_negative",
    "check_one_element",
    "check_rate",
    "number_of",
]


def check_one_element(lr: Any) -> None:
    """A learning rate is a number or a tensor of one element."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_rate(lr: Any) -> None:
    """As `check_one_element`, and it is not negative."""
    check_one_element(lr)
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(what: str, value: Any) -> None:
    """An option that may not be negative."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {what} value: {value}")


def check_betas(betas: Any) -> None:
    """Both decays of running means lie in [0, 1)."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")


def check_fused(fused: Any, foreach: Any, differentiable: bool) -> None:
    """Refuse what PyTorch's fused implementations do not have."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def number_of(value) -> float:
    """The number of a loss or a metric, without the warning that `float` gives of its graph."""
    return float(value.detach() if isinstance(value, Tensor) else value)

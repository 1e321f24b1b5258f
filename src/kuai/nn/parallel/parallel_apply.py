"""`kuai.nn.parallel.parallel_apply`: several modules, each on its inputs."""

from collections.abc import Sequence
from typing import Any

__all__ = ["get_a_var", "parallel_apply"]


def get_a_var(obj: Any) -> Any:
    """The first tensor in nested containers."""
    parts = obj.values() if isinstance(obj, dict) else obj if isinstance(obj, (list, tuple)) else ()
    found = next((part for part in map(get_a_var, parts) if part is not None), None)
    return obj if hasattr(obj, "requires_grad") else found


def parallel_apply(
    modules: Sequence[Any],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any] | None] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """What each module makes of its inputs; XLA runs them side by side where it can.

    Example:
        >>> from kuai.nn.parallel import parallel_apply
        >>> parallel_apply([kuai.nn.ReLU(), kuai.nn.Tanh()], [kuai.ones(1), kuai.zeros(1)])
        [tensor([1.]), tensor([0.])]
    """
    if len(modules) != len(inputs):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs "
            f"{len(inputs)}"
        )
    named = kwargs_tup or [None] * len(modules)
    if len(named) != len(modules):
        raise AssertionError("The number of modules and of their named arguments differ")
    calls = zip(modules, inputs, named, strict=True)
    return [
        module(*(given if isinstance(given, (list, tuple)) else (given,)), **(options or {}))
        for module, given, options in calls
    ]

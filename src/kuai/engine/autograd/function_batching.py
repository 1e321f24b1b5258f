"""How `vmap` runs a user's `Function`: as it is, or by the rule the user wrote."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kuai.engine.autograd.batching import cut_off, is_batched
from kuai.engine.autograd.function_values import with_values
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.views import held, value

__all__ = ["VmapInfo", "applies", "by_rule", "vectorized"]

_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a `vmap` rule is told: how many slices there are, and how random numbers differ."""

    batch_size: int
    randomness: str


def vectorized(cls, args) -> Any:
    """The outputs of `cls.forward`, which has no context, on slices if there are any."""
    if modes.state.old_functions or not applies(args):
        return with_values(cls.forward, *args)
    has_rule = "vmap" in {name for one in cls.__mro__[:-2] for name in vars(one)}
    if cls.generate_vmap_rule:
        if has_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True "
                "and an overridden vmap staticmethod. Please set generate_vmap_rule=False or "
                f"delete the overridden vmap staticmethod to avoid ambiguity. {_MORE}"
            )
        return cls.forward(*args)
    if not has_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. "
            f"{_MORE}"
        )
    return by_rule(cls.forward, cls.vmap, args)


def applies(args) -> bool:
    """Whether this is the inside of a `vmap`, and one of the arguments is a slice."""
    return modes.state.level is not None and bool(modes.state.transforms) and _any_slice(args)


def _any_slice(args):
    return any(isinstance(a, Tensor) and is_batched(held(a)) for a in args)


def by_rule(forward, rule, args):
    """The outputs of `forward` on slices, as a rule computes them: `rule(info, in_dims, *args)`."""
    level: Any = modes.state.level
    positions = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    single = []

    def put(arrays):
        made = list(args)
        for position, array in zip(positions, arrays, strict=True):
            made[position] = wrap(array)
        return made

    @jax.custom_batching.custom_vmap
    def sliced(*arrays):
        outputs = with_values(forward, *put(arrays))
        single.append(not isinstance(outputs, tuple))
        return tuple(map(value, (outputs,) if single[-1] else outputs))

    @sliced.def_vmap
    def batched(size, are_batched, *arrays):
        dims: list = [None] * len(args)
        for position, one in zip(positions, are_batched, strict=True):
            dims[position] = 0 if one else None
        info = VmapInfo(size, level.randomness)
        outputs, out_dims = _checked(with_values(rule, info, tuple(dims), *put(arrays)))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not isinstance(out_dims, tuple):
            out_dims = (out_dims,) * len(outputs)
        pairs = list(zip(map(value, outputs), out_dims, strict=True))
        moved = [a if d is None else jnp.moveaxis(a, d, 0) for a, d in pairs]
        return tuple(moved), tuple([d is not None for _, d in pairs])

    given = [value(args[i]) for i in positions]
    given = [cut_off(array) if level.follows else array for array in given]
    made = tuple(map(wrap, sliced(*given)))
    return made[0] if single[-1] else made


def _checked(result):
    start = "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree"
    if not isinstance(result, tuple) or len(result) != 2:
        what = f"{len(result)} returns" if isinstance(result, tuple) else f"a {type(result)}"
        raise RuntimeError(f"{start} structure compatible with the output. Got {what} instead")
    return result

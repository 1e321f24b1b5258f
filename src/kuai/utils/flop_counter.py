"""`kuai.utils.flop_counter`: multiplications and additions of the products in a forward pass."""

import math
from collections import Counter, defaultdict
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from kuai.utils import _pytree as pytree
from kuai.utils._python_dispatch import TorchDispatchMode

__all__ = ["FlopCounterMode"]


def _of_product(out, input, other, *rest, **options):
    """Two for each element and each step along the dimension that is summed."""
    return 2 * out.numel() * input.shape[-1]


def _of_added_product(out, input, first, *rest, **options):
    return 2 * out.numel() * first.shape[-1]


def _of_convolution(out, input, weight, *rest, **options):
    return 2 * out.numel() * math.prod(weight.shape[1:])


def _of_transposed_convolution(out, input, weight, *rest, **options):
    return 2 * input.numel() * math.prod(weight.shape[1:])


def _of_any_convolution(out, input, weight, bias, stride, padding, dilation, transposed, *rest):
    of_kind = _of_transposed_convolution if transposed else _of_convolution
    return of_kind(out, input, weight)


def _of_attention(out, query, key, value, *rest, **options):
    scores = 2 * math.prod(query.shape) * key.shape[-2]
    return scores + 2 * math.prod(query.shape[:-1]) * key.shape[-2] * value.shape[-1]


_FORMULAS = {
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "_scaled_mm"), _of_product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _of_added_product),
    "convolution": _of_any_convolution,
    **{f"conv{n}d": _of_convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _of_transposed_convolution for n in (1, 2, 3)},
    "scaled_dot_product_attention": _of_attention,
}


def flops_of(name: str, out: Any, args: tuple, kwargs: dict) -> int:
    """What an operation cost that gave `out`; 0 if it is none that is counted."""
    formula = _of_product if name == "linear" else _FORMULAS.get(name)
    return 0 if formula is None else formula(out, *args, **kwargs)


class FlopCounterMode(TorchDispatchMode):
    """Count what products of matrices, convolutions and attention inside cost.

    Args:
        mods, depth: accepted; all modules are told apart.
        display: print a table at the end.
        custom_mapping: by operation, `kuai.ops.aten.mm`, functions of its arguments' shapes and
            `out_shape=`.

    Example:
        >>> from kuai.utils.flop_counter import FlopCounterMode
        >>> with FlopCounterMode(display=False) as counter:
        ...     y = kuai.nn.Linear(3, 4)(kuai.ones(2, 3))
        >>> counter.get_total_flops()
        48

    Differs from PyTorch: a backward pass, which is no call of an operation here, is not counted.
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: Any = None
    ):
        self.display = display
        self._own = custom_mapping or {}
        self._counts: dict[str, Counter] = defaultdict(Counter)
        self._path: list[str] = ["Global"]
        self._names: dict[int, str] = {}
        self._hooks: list = []

    def get_total_flops(self) -> int:
        """All of it."""
        return sum(self._counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """By module, `Net.layer`, and `Global`: by operation."""
        return {name: dict(counts) for name, counts in self._counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The same as text."""
        rows = [f"{name:40} {sum(c.values()):>15}" for name, c in self._counts.items()]
        return "\n".join([f"{'Module':40} {'FLOP':>15}", *rows])

    def __enter__(self):
        self._counts.clear()
        self._hooks = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *error):
        for hook in self._hooks:
            hook.remove()
        if self.display:
            print(self.get_table())
        return super().__exit__(*error)

    def _enter_module(self, module, args):
        outermost = len(self._path) == 1
        if outermost:
            root = type(module).__name__
            for name, part in module.named_modules():
                self._names[id(part)] = f"{root}.{name}" if name else root
        self._path.append(self._names.get(id(module), type(module).__name__))

    def _leave_module(self, module, args, output):
        self._path.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run the operation and count it."""
        out = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        count = self._count(operation, out, args, kwargs or {})
        if count is not None:
            for place in dict.fromkeys(self._path):
                self._counts[place][operation] += count
        return out

    def _count(self, operation, out, args, kwargs):
        own = self._own.get(operation)
        if own is None:
            formula = _FORMULAS.get(operation.__name__)
            return None if formula is None else formula(out, *args, **kwargs)
        if getattr(own, "_get_raw", False):
            return own(*args, out_val=out, **kwargs)
        args, kwargs, shape = pytree.tree_map(_shape, (args, kwargs, out))
        return own(*args, out_shape=shape, **kwargs)


def _shape(each):
    return each.shape if isinstance(each, Tensor) else each

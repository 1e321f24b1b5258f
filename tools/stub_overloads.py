"""Functions whose arguments decide what they give; the stubs write them case by case.

A case is its parameters after the first one, and its result. The first parameter is `input`, or a
method's `self`. `REST` stands for every other call.
"""

_KERNEL = "kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1"

REST = ("...", "Any")
Cases = list[tuple[str, str]]


def _along_dim(name: str) -> Cases:
    """All elements, or some along a dimension together with their places."""
    return [
        ("", "Tensor"),
        ("dim: _int, keepdim: _bool = False, *, out: Any = None", f"return_types.{name}"),
    ]


def _extreme(name: str) -> Cases:
    return [*_along_dim(name), ("other: Tensor, *, out: Tensor | None = None", "Tensor")]


def _unique(first: str) -> Cases:
    """The elements alone, or with where each one is, or with how many there are, or with both."""
    last = "dim: _int | None = None"
    inverse, counts = "return_inverse: Literal[True]", "return_counts: Literal[True]"
    return [
        (f"{first}*, {last}", "Tensor"),
        (f"{first}*, {inverse}, {last}", "tuple[Tensor, Tensor]"),
        (f"{first}*, {counts}, {last}", "tuple[Tensor, Tensor]"),
        (f"{first}*, {inverse}, {counts}, {last}", "tuple[Tensor, Tensor, Tensor]"),
        REST,
    ]


def _pool(options: str, more: str = "") -> Cases:
    """Pooling, with or without the places of the greatest elements."""
    return [
        (f"{options}{more}, return_indices: Literal[False] = False", "Tensor"),
        (f"{options}, *{more}, return_indices: Literal[True]", "tuple[Tensor, Tensor]"),
        REST,
    ]


#: A function of `kuai`, and the method of the same name.
EVERYWHERE: dict[str, Cases] = {
    "max": _extreme("max"),
    "min": _extreme("min"),
    "median": _along_dim("median"),
    "nanmedian": _along_dim("nanmedian"),
    "nonzero": [
        ("*, as_tuple: Literal[False] = False", "Tensor"),
        ("*, as_tuple: Literal[True]", "tuple[Tensor, ...]"),
        REST,
    ],
    "unique": _unique("sorted: _bool = True, "),
    "unique_consecutive": _unique(""),
}

FUNCTIONS: dict[str, Cases] = {
    **EVERYWHERE,
    "where": [
        ("", "tuple[Tensor, ...]"),
        ("input: Any, other: Any, *, out: Tensor | None = None", "Tensor"),
    ],
}

METHODS: dict[str, Cases] = {
    **EVERYWHERE,
    "size": [("", "_Size"), ("dim: _int", "_int")],
    "stride": [("", "tuple[_int, ...]"), ("dim: _int", "_int")],
    "type": [
        ("dtype: None = None, non_blocking: _bool = False", "_str"),
        ("dtype: Any, non_blocking: _bool = False", "Tensor"),
    ],
}

FUNCTIONAL: dict[str, Cases] = {
    **{f"max_pool{n}d": _pool(_KERNEL, ", ceil_mode: _bool = False") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _pool("output_size: Any") for n in (1, 2, 3)},
}

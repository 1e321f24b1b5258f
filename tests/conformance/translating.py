"""From torch to Kuai: the arguments of a sample, and the function that an entry calls.

Many entries call a small Python function around torch's. Such a function is made again with `torch`
replaced by `kuai` in what it can see, so the same lines run on both.
"""

import dataclasses
import functools
import types
from typing import Any

import ml_dtypes
import numpy as np
import torch

import kuai

_MEMORY_FORMATS = ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")


class Missing(Exception):
    """Kuai has no such name."""


# Arguments ----------------------------------------------------------------------------------------


def to_kuai(value: Any, memo: dict | None = None) -> Any:
    """The same arguments for Kuai: tensors, dtypes, devices and functions, however deep."""
    memo = {} if memo is None else memo
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = tensor(value)
        return memo[id(value)]
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [to_kuai(part, memo) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: to_kuai(part, memo) for key, part in value.items()}
    if isinstance(value, slice):
        return slice(*(to_kuai(part, memo) for part in (value.start, value.stop, value.step)))
    return _constant(value)


def _constant(value: Any) -> Any:
    if isinstance(value, torch.Size):
        return kuai.Size(value)
    if isinstance(value, torch.dtype):
        return named(kuai, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return kuai.device(str(value))
    if isinstance(value, torch.layout):
        return named(kuai, str(value).removeprefix("torch."))
    if isinstance(value, torch.memory_format):
        return named(kuai, next(n for n in _MEMORY_FORMATS if getattr(torch, n) is value))
    if isinstance(value, torch.nn.Module):
        return module(value)
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return kuai.nn.LinearCrossEntropyOptions(**to_kuai(dataclasses.asdict(value)))
    if callable(value):
        return function(value)
    return value


def module(theirs: torch.nn.Module) -> Any:
    """A module that is an argument, with the same parameters."""
    made = getattr(kuai.nn, type(theirs).__name__)(**_settings(theirs))
    load(made, theirs)
    return made


def _settings(theirs: torch.nn.Module) -> dict[str, Any]:
    """The arguments of the few modules that are arguments themselves."""
    if isinstance(theirs, torch.nn.LayerNorm):
        return {"normalized_shape": theirs.normalized_shape, "eps": theirs.eps}
    if isinstance(theirs, torch.nn.TransformerEncoderLayer):
        return {
            "d_model": theirs.self_attn.embed_dim,
            "nhead": theirs.self_attn.num_heads,
            "dim_feedforward": theirs.linear1.out_features,
            "dropout": theirs.dropout.p,
            "activation": function(theirs.activation),
            "layer_norm_eps": theirs.norm1.eps,
            "bias": theirs.linear1.bias is not None,
            "batch_first": theirs.self_attn.batch_first,
            "norm_first": theirs.norm_first,
        }
    return {}


def load(ours: Any, theirs: torch.nn.Module) -> None:
    """Give a module of Kuai's the parameters and buffers of one of torch's."""
    ours.load_state_dict({name: tensor(value) for name, value in theirs.state_dict().items()})


def tensor(value: torch.Tensor) -> Any:
    """A Kuai tensor with the numbers, dtype and `requires_grad` of a torch tensor."""
    array = numbers(value)
    made = kuai.tensor(array, dtype=named(kuai, str(value.dtype).removeprefix("torch.")))
    return made.requires_grad_() if value.requires_grad else made


def numbers(value: torch.Tensor) -> np.ndarray:
    """A torch tensor's numbers as a NumPy array, bfloat16 included."""
    plain = value.detach().resolve_conj().resolve_neg().contiguous()
    if plain.dtype is torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy(force=True).copy()


# Functions ----------------------------------------------------------------------------------------


def named(root: Any, path: str) -> Any:
    """What a dotted name below a module stands for."""
    try:
        return functools.reduce(getattr, path.split("."), root)
    except AttributeError:
        raise Missing(path) from None


def function(theirs: Any) -> Any:
    """Kuai's function of the same name, or the same Python function with Kuai for torch."""
    if isinstance(theirs, functools.partial):
        return functools.partial(
            function(theirs.func), *to_kuai(theirs.args), **to_kuai(theirs.keywords)
        )
    path = _PATHS.get(id(theirs))
    if path is not None:
        return named(kuai, path)
    if isinstance(theirs, types.FunctionType) and _looks_at_torch(theirs):
        return _rewritten(theirs)
    return theirs


def _looks_at_torch(theirs: types.FunctionType) -> bool:
    cells = [cell.cell_contents for cell in theirs.__closure__ or ()]
    return "torch" in theirs.__globals__ or any(callable(cell) for cell in cells)


def _rewritten(theirs: types.FunctionType) -> types.FunctionType:
    seen = dict(theirs.__globals__)
    for name in _names_in(theirs.__code__):
        if seen.get(name) is torch:
            seen[name] = kuai
        elif name in seen and (id(seen[name]) in _PATHS or _is_helper(seen[name])):
            seen[name] = function(seen[name])
    cells = tuple(types.CellType(to_kuai(c.cell_contents)) for c in theirs.__closure__ or ())
    made = types.FunctionType(
        theirs.__code__, seen, theirs.__name__, to_kuai(theirs.__defaults__), cells
    )
    made.__kwdefaults__ = to_kuai(theirs.__kwdefaults__)
    return made


def _names_in(code: types.CodeType) -> set[str]:
    """The global names that a function, and those inside it, may look at."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))


def _is_helper(thing: Any) -> bool:
    module = getattr(thing, "__module__", "") or ""
    return isinstance(thing, types.FunctionType) and module.startswith("torch.testing._internal")


def _is_operator(name: str, space: Any) -> bool:
    """Whether it is one of the tensor's own special methods, such as `__radd__`."""
    return space is torch.Tensor and name not in vars(object) and not name.startswith("__torch")


def _paths() -> dict[int, str]:
    """Every public function of PyTorch, by what it is: the path below `torch`."""
    spaces = {
        "Tensor": torch.Tensor,
        "nn.functional": torch.nn.functional,
        "special": torch.special,
        "linalg": torch.linalg,
        "fft": torch.fft,
        "signal.windows": torch.signal.windows,
        "masked": torch.masked,
        "": torch,
    }
    found: dict[int, str] = {}
    for prefix, space in spaces.items():
        for name in dir(space):
            thing = getattr(space, name, None)
            if callable(thing) and (not name.startswith("__") or _is_operator(name, space)):
                found[id(thing)] = f"{prefix}.{name}" if prefix else name
    return found


_PATHS = _paths()

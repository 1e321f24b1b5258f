"""Between Kuai and the real PyTorch, for programs that have both: `from_torch` and `to_torch`.

Values pass through DLPack, so nothing is copied where the two agree on a layout. A layer becomes
the layer of the same name; a class of the user's own is traced by the `fx` of the side it comes
from, and its graph runs with the other side's layers and functions. Nothing here imports PyTorch
before it is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import kuai
import kuai.fx
from kuai.engine.tensor import Tensor, from_array, views
from kuai.engine.tensor.concrete import concrete
from kuai.errors import StandInError
from kuai.nn.base.module import Module

__all__ = ["from_torch", "to_torch"]


def from_torch(obj: Any) -> Any:
    """Kuai's tensor, module or state dict for one of the real PyTorch's; values are not copied.

    Both see one memory: what PyTorch writes in place shows in Kuai, until Kuai writes and has an
    array of its own. A module keeps its mode and its names; one of a class of your own comes back
    as a `kuai.fx.GraphModule` of what it does in the mode it is in. Lists, tuples and dicts of all
    these may be given. Where `torch` is Kuai, the object itself is given back.

    Raises:
        TypeError: it is nothing of PyTorch's, or a kind of tensor or layer that Kuai has not.
        RuntimeError: the tensor is a result with a history; detach it.

    Example:
        import torch
        net = kuai.from_torch(torch.nn.Linear(3, 2))
        net(kuai.from_torch(torch.ones(1, 3)))
    """
    real = sys.modules.get("torch")
    if real is kuai:
        return obj
    if real is None:
        raise TypeError(f"from_torch(): expected something of PyTorch's, got {_kind(obj)}")
    return _Converter(real, kuai, _tensor_from, "from_torch").any(obj)


def to_torch(obj: Any) -> Any:
    """The real PyTorch's tensor, module or state dict for one of Kuai's; values are not copied.

    It is `from_torch` the other way round; PyTorch must be installed. Do not write to the tensor in
    place: Kuai's arrays do not change.

    Raises:
        StandInError: `torch` is Kuai in this process.
        ModuleNotFoundError: PyTorch is not installed.
        TypeError: it is nothing of Kuai's, or a kind of layer that PyTorch has not.
        RuntimeError: the tensor is a result with a history; detach it.

    Example:
        kuai.to_torch(kuai.ones(2)).numpy()
    """
    real = importlib.import_module("torch")
    if real is kuai:
        raise StandInError(
            "to_torch needs the real PyTorch, and in this process `torch` is Kuai. Start the "
            "program without `kuai run` and kuai.as_torch().",
            name="torch",
        )
    return _Converter(kuai, real, _tensor_to, "to_torch").any(obj)


def _tensor_from(tensor: Any, real: Any) -> Tensor:
    if tensor.layout in (real.sparse_coo, real.sparse_csr):
        return _sparse(tensor, kuai, lambda part: _tensor_from(part, real))
    if tensor.layout is not real.strided or tensor.is_quantized or tensor.is_meta:
        raise TypeError(f"from_torch(): no tensor of Kuai's is like this one: {_described(tensor)}")
    plain = tensor.detach().resolve_conj().resolve_neg()
    try:
        return from_array(jnp.from_dlpack(plain if _is_dense(plain) else plain.contiguous()))
    except jax.errors.JaxRuntimeError as error:
        raise TypeError(f"from_torch(): no dtype of XLA's is {tensor.dtype}") from error


def _is_dense(tensor: Any) -> bool:
    """Whether its strides are those of a transposed compact array, which XLA can take."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _sparse(tensor: Any, target: Any, convert: Callable[[Any], Any]) -> Any:
    """A sparse tensor of the other library, of the same parts."""
    options = {"check_invariants": False}
    if str(tensor.layout) == "torch.sparse_coo":
        parts, make = (tensor._indices(), tensor._values()), target.sparse_coo_tensor
        options["is_coalesced"] = tensor.is_coalesced()
    else:
        parts = tensor.crow_indices(), tensor.col_indices(), tensor.detach().values()
        make = target.sparse_csr_tensor
    return make(*map(convert, parts), tuple(tensor.shape), **options)


def _tensor_to(tensor: Tensor, real: Any) -> Any:
    if tensor._specified is not None:
        return _sparse(tensor, real, lambda part: _tensor_to(part, real))
    concrete(tensor, "to_torch()")
    return real.from_dlpack(views.value(tensor))  # of a layer that goes on to be trained, say


def _described(tensor: Any) -> str:
    return f"layout {tensor.layout}, dtype {tensor.dtype}, device {tensor.device}"


def _kind(obj: Any) -> str:
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


class _Converter:
    """One conversion: what was shared is shared again.

    Args:
        source, target: `kuai` and `torch`, or the other way round.
        values: makes a tensor of the target of one of the source without a history.
    """

    def __init__(self, source: Any, target: Any, values: Callable[[Any, Any], Any], name: str):
        self.source, self.target, self.values, self.name = source, target, values, name
        self.real = source if target is kuai else target
        self.done: dict[int, Any] = {}
        self.alive: list[Any] = []  # so that nobody else gets its id

    def any(self, obj: Any) -> Any:
        """What has a tensor or a module in it somewhere."""
        if isinstance(obj, (list, tuple)):
            return _like(obj, [self.any(part) for part in obj])
        if isinstance(obj, dict):
            return self.dictionary(obj)
        if not isinstance(obj, (self.source.Tensor, self.source.nn.Module)):
            side = "PyTorch's" if self.target is kuai else "Kuai's"
            raise TypeError(
                f"{self.name}(): expected a tensor or a module of {side}, got {_kind(obj)}"
            )
        return self.value(obj, "")

    def dictionary(self, given: dict) -> dict:
        """A dict with the same keys, such as a state dict; plain values stay."""
        made = {key: self.value(part, str(key)) for key, part in given.items()}
        return type(given)(made) if type(given).__module__ == "collections" else made

    def value(self, value: Any, path: str) -> Any:
        """Whatever an attribute or an argument may be."""
        if isinstance(value, (self.source.Tensor, self.source.nn.Module)):
            if id(value) not in self.done:
                make = self.tensor if isinstance(value, self.source.Tensor) else self.module
                self.alive.append(value)
                self.done[id(value)] = make(value, path)
            return self.done[id(value)]
        if isinstance(value, (list, tuple)) and not isinstance(value, self.source.Size):
            return _like(value, [self.value(part, path) for part in value])
        if isinstance(value, dict):
            return {key: self.value(part, path) for key, part in value.items()}
        if isinstance(value, slice):
            return slice(*(self.value(v, path) for v in (value.start, value.stop, value.step)))
        return self.plain(value, path)

    def plain(self, value: Any, path: str) -> Any:
        """A number, a text, a dtype, a device, a function."""
        if isinstance(value, self.source.Size):
            return self.target.Size(value)
        if isinstance(value, self.source.device):
            return self.target.device(str(value))
        named = str(value)
        if isinstance(value, (self.source.dtype, self.source.memory_format, self.source.layout)):
            return getattr(self.target, named.removeprefix("torch."))
        if inspect.isroutine(value) or callable(value) and not isinstance(value, type):
            return self.function(value, path)
        return value

    # Tensors ------------------------------------------------------------------------------

    def tensor(self, tensor: Any, path: str) -> Any:
        """A leaf stays a leaf with its gradient, a parameter a parameter."""
        if not tensor.is_leaf:
            raise RuntimeError(
                f"{self.name}(): the tensor was computed from others that require gradients, and "
                "the two sides' graphs do not join. Use tensor.detach()"
            )
        made = self.values(tensor, self.real)
        if isinstance(tensor, self.source.nn.Parameter):
            made = self.target.nn.Parameter(made, requires_grad=tensor.requires_grad)
        elif tensor.requires_grad:
            made.requires_grad_()
        if tensor.grad is not None:
            made.grad = self.values(tensor.grad.detach(), self.real)
        return made

    # Functions ----------------------------------------------------------------------------

    def function(self, function: Any, path: str) -> Any:
        """The function of the same name."""
        module = (getattr(function, "__module__", None) or "").partition(".")[0]
        if module not in ("torch", "kuai", "torch_C", "") and not module.startswith("_"):
            return function  # of Python's, or of somebody else's
        found = self.source.overrides.resolve_name(function)
        if found is None:
            found = self._by_name(function)
        if found is None:
            if module in ("torch", "kuai"):
                self.refuse(path, f"the function {function!r}")
            return function
        place = self.target
        for part in found.split(".")[1:]:
            place = getattr(place, part, None)
        return self.refuse(path, f"the function {found}") if place is None else place

    def _by_name(self, function):
        name = getattr(function, "__name__", "")
        for place in ("nn.functional", ""):
            owner = self.source.nn.functional if place else self.source
            if name and getattr(owner, name, None) is function:
                return ".".join(filter(None, ("torch", place, name)))
        return None

    def refuse(self, path: str, what: str) -> Any:
        """Say that the other side has it not."""
        side = "Kuai" if self.target is kuai else "PyTorch"
        where = f" of the block {path!r}" if path else ""
        raise TypeError(f"{self.name}(): {what}{where} has no counterpart in {side}")

    # Modules ------------------------------------------------------------------------------

    def module(self, module: Any, path: str) -> Any:
        """A layer becomes the layer of its name, anything else a graph."""
        kind: Any = self.layer(type(module))
        if kind is None:
            return self.graph(module, path)
        _refuse_hooks(module, path, self.name)
        made = kind.__new__(kind)
        self.target.nn.Module.__init__(made)
        self.fill(module, made, path)
        _complete(made, self.real)
        return made

    def layer(self, kind: type) -> type | None:
        """The target's class for one of the source's, None for a class of somebody else's."""
        if kind.__module__.partition(".")[0] != self.source.__name__:
            return None
        name = kind.__name__
        found = getattr(self.target.nn, name, None) or self._beside(kind)
        return found if isinstance(found, type) else None

    def _beside(self, kind: type) -> Any:
        """What stands under the same name in the file of the same path."""
        path = kind.__module__.replace(self.source.__name__, self.target.__name__, 1)
        if importlib.util.find_spec(path) is None:
            return None
        return getattr(importlib.import_module(path), kind.__name__, None)

    def fill(self, module: Any, made: Any, path: str) -> None:
        """Give a module what the other one has."""
        below = f"{path}." if path else ""
        for name, child in module._modules.items():
            made._modules[name] = None if child is None else self.value(child, f"{below}{name}")
        for slots in ("_parameters", "_buffers"):
            for name, tensor in getattr(module, slots).items():
                converted = None if tensor is None else self.value(tensor, f"{below}{name}")
                getattr(made, slots)[name] = converted
        made._non_persistent_buffers_set = set(module._non_persistent_buffers_set)
        made.training = module.training
        for name, value in vars(module).items():
            if name not in vars(made) and not name.startswith("_flat_weight"):
                made.__dict__[name] = self.value(value, f"{below}{name}")

    def graph(self, module: Any, path: str) -> Any:
        """What a module of somebody's own class does, as a module of the target's."""
        fx = importlib.import_module(f"{self.source.__name__}.fx")
        where = f" (the block {path!r})" if path else ""
        try:
            traced = fx.symbolic_trace(module)
        except Exception as error:
            raise TypeError(
                f"{self.name}(): the class {type(module).__qualname__}{where} is written for the "
                "other side, and what it does cannot be traced. Make the module from a class of "
                f"this side, and give its load_state_dict the converted state dict. ({error})"
            ) from error
        return self.from_graph(module, traced, path)

    def from_graph(self, module: Any, traced: Any, path: str) -> Any:
        """A GraphModule of the target's for one of the source's."""
        fx = importlib.import_module(f"{self.target.__name__}.fx")
        graph, nodes, root = fx.Graph(), {}, self.target.nn.Module()
        for node in traced.graph.nodes:
            args, kwargs = (
                self.value(self.source.fx.node.map_arg(a, _Held), path)
                for a in (node.args, node.kwargs)
            )
            target = node.target if isinstance(node.target, str) else self.value(node.target, path)
            made = graph.create_node(
                node.op, target, _released(args, nodes), _released(kwargs, nodes), node.name
            )
            nodes[node] = made
        self.fill(module, root, path)
        made = fx.GraphModule(root, graph, type(module).__name__)
        with contextlib.suppress(AttributeError):
            made.delete_all_unused_submodules()
        return made


class _Held:
    """A node, while the rest of a tree is converted."""

    def __init__(self, node: Any):
        self.node = node


def _released(tree: Any, nodes: dict) -> Any:
    if isinstance(tree, _Held):
        return nodes[tree.node]
    if isinstance(tree, (list, tuple)):
        return _like(tree, [_released(part, nodes) for part in tree])
    if isinstance(tree, dict):
        return {key: _released(part, nodes) for key, part in tree.items()}
    if isinstance(tree, slice):
        return slice(*(_released(v, nodes) for v in (tree.start, tree.stop, tree.step)))
    return tree


def _like(given: Any, parts: list) -> Any:
    if isinstance(given, tuple):
        return type(given)(*parts) if hasattr(given, "_fields") else tuple(parts)
    return parts


def _refuse_hooks(module: Any, path: str, name: str) -> None:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, kind) for kind in hooks):
        where = f" (the block {path!r})" if path else ""
        raise TypeError(
            f"{name}(): {type(module).__name__}{where} has hooks, which are functions for the "
            "other side. Remove them first, and register hooks on the result"
        )


def _complete(made: Any, real: Any) -> None:
    """Give one of PyTorch's layers what it keeps besides and Kuai's does not."""
    if isinstance(made, Module):
        return
    if isinstance(made, real.nn.RNNBase):
        made._flat_weights_names = [name for names in made._all_weights for name in names]
        made._init_flat_weights()
    if isinstance(made, real.nn.MultiheadAttention):
        for name in ("bias_k", "bias_v"):
            if name not in made._parameters:
                made.__dict__[name] = None
    if isinstance(made, real.nn.modules.conv._ConvNd):
        made.__dict__.setdefault("_reversed_padding_repeated_twice", _reversed_padding(made))


def _reversed_padding(conv: Any) -> list[int]:
    """How `nn.functional.pad` is told a convolution's padding."""
    if conv.padding == "valid":
        return [0, 0] * len(conv.kernel_size)
    if conv.padding != "same":
        return [p for p in reversed(conv.padding) for _ in range(2)]
    totals = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    return [p for total in reversed(totals) for p in (total // 2, total - total // 2)]

"""`kuai.nn.utils._named_member_accessor`: a module's tensors, put in place by name."""

from collections.abc import Iterable, Iterator
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module

__all__ = ["NamedMemberAccessor", "swap_submodule", "swap_tensor"]

_ABSENT = object()


def swap_tensor(
    module: Module, name: str, tensor: Tensor | None, allow_missing: bool = False
) -> Any:
    """Put a tensor where a module has a parameter or a buffer of that name; the old one is given.

    Unlike `setattr` it takes any tensor where a parameter is.

    Raises:
        AttributeError: the module has no tensor of that name, and none is allowed to be missing.
        KeyError: the name is empty or has a dot in it.

    Example:
        >>> net = kuai.nn.Linear(1, 1)
        >>> old = swap_tensor(net, "bias", kuai.ones(1))
        >>> type(old).__name__, type(net.bias).__name__
        ('Parameter', 'Tensor')
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    if "." in name or not name:
        raise KeyError(f'tensor name can\'t contain "." or be empty, got: {name!r}')
    for held in (module._parameters, module._buffers):
        if name in held:
            old, held[name] = held[name], tensor  # type: ignore[assignment]
            return old
    old = getattr(module, name, _ABSENT)
    if old is _ABSENT and not allow_missing:
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
    if old is not _ABSENT and not isinstance(old, Tensor):
        raise TypeError(f"{type(module).__name__}.{name} is not an instance of torch.Tensor")
    setattr(module, name, tensor)
    return None if old is _ABSENT else old


def swap_submodule(module: Module, name: str, submodule: Module) -> Module:
    """Put a module where another one has a child of that name; the old child is given.

    Raises:
        KeyError: there is no child of that name.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.ReLU())
        >>> swap_submodule(net, "0", kuai.nn.Tanh()), net[0]
        (ReLU(), Tanh())
    """
    for each in (module, submodule):
        if not isinstance(each, Module):
            raise TypeError(f"{each} is not an instance of torch.nn.Module")
    old = module._modules.get(name)
    if old is None:
        raise KeyError(f"submodule {name} does not exist")
    module._modules[name] = submodule
    return old


class NamedMemberAccessor:
    """The tensors and submodules of a module by their names with dots in them.

    Example:
        >>> names = NamedMemberAccessor(kuai.nn.Sequential(kuai.nn.Linear(1, 1)))
        >>> names.set_tensor("0.bias", kuai.ones(1))
        >>> names.get_tensor("0.bias")
        tensor([1.])
    """

    def __init__(self, module: Module) -> None:
        self.module = module

    def __repr__(self) -> str:
        return f"NamedMemberAccessor({self.module!r})"

    def _place(self, name: str) -> tuple[Module, str]:
        """The submodule that has a tensor, and its name there."""
        path, _, last = name.rpartition(".")
        return self.get_submodule(path), last

    # One ------------------------------------------------------------------------------------------

    def get_submodule(self, name: str) -> Module:
        """The submodule of a name; that of the empty name is the module itself."""
        return self.module.get_submodule(name) if name else self.module

    def swap_submodule(self, path: str, value: Module) -> Module:
        """Put another submodule in the place of one, which is given."""
        return swap_submodule(*self._place(path), value)

    def get_tensor(self, name: str) -> Tensor:
        """The parameter, buffer or other tensor of a name."""
        holder, last = self._place(name)
        found = getattr(holder, last, _ABSENT)
        if found is _ABSENT:
            raise AttributeError(f"{type(holder).__name__} has no attribute `{last}`")
        if not isinstance(found, Tensor):
            raise TypeError(f"{found} is not an instance of torch.Tensor")
        return found

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Put a tensor in the place of one."""
        swap_tensor(*self._place(name), value, allow_missing=True)

    def del_tensor(self, name: str) -> None:
        """Take a tensor away."""
        self.get_tensor(name)
        holder, last = self._place(name)
        delattr(holder, last)

    def swap_tensor(self, name: str, value: Tensor, allow_missing: bool = False) -> Any:
        """Put a tensor in the place of one, which is given."""
        return swap_tensor(*self._place(name), value, allow_missing=allow_missing)

    # Several --------------------------------------------------------------------------------------

    def get_tensors(self, names: Iterable[str]) -> list[Tensor]:
        """`get_tensor` of each name."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Tensor]) -> None:
        """`set_tensor` for each name."""
        self.set_tensors_dict(dict(zip(list(names), list(values), strict=True)))

    def set_tensors_dict(self, named_tensors: dict[str, Tensor]) -> None:
        """`set_tensor` for each name."""
        for name, tensor in named_tensors.items():
            self.set_tensor(name, tensor)

    def del_tensors(self, names: Iterable[str]) -> None:
        """`del_tensor` of each name."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(
        self, names: Iterable[str], values: Iterable[Tensor], allow_missing: bool = False
    ) -> list[Any]:
        """`swap_tensor` for each name."""
        pairs = zip(list(names), list(values), strict=True)
        return [self.swap_tensor(name, value, allow_missing) for name, value in pairs]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Tensor], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """`swap_tensor` for each name: the tensors that were there, and the names of none.

        Raises:
            RuntimeError: there is none of some name; the others are put back.
        """
        before, missing = {}, []
        for name, tensor in named_tensors.items():
            try:
                before[name] = self.swap_tensor(name, tensor, allow_missing=True)
            except AttributeError:
                before[name] = None
            if before[name] is None:
                missing.append(name)
        if missing and not allow_missing:
            for name, tensor in before.items():
                if tensor is not None:
                    self.set_tensor(name, tensor)
                elif isinstance(getattr(*self._place(name), None), Tensor):
                    self.del_tensor(name)
            raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        return before, missing

    # All ------------------------------------------------------------------------------------------

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """The names that are missing among the given ones, and those that are no tensor's."""
        given, own = set(keys), {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(own - given), sorted(given - own)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The module's own `named_parameters`."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The module's own `named_buffers`."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Parameters, then buffers."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """The module's own `named_modules`."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)

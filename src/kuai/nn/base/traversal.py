"""Going through a module's children, parameters and buffers.

`Module` binds these functions as its methods. A member that can be reached by several ways
(a tied parameter, a shared block) is visited once, under its first name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kuai.engine.tensor import Tensor
from kuai.nn.parameter import Parameter

if TYPE_CHECKING:
    from kuai.nn.base.module import Module


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def children(self: Module) -> Iterator[Module]:
    """The direct children, each once.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.Linear(2, 2), kuai.nn.ReLU())
        >>> list(net.children())
        [Linear(in_features=2, out_features=2, bias=True), ReLU()]
    """
    for _, module in self.named_children():
        yield module


def named_children(self: Module) -> Iterator[tuple[str, Module]]:
    """Names and modules of the direct children, each child once."""
    seen = set()
    for name, module in self._modules.items():
        if module is not None and module not in seen:
            seen.add(module)
            yield name, module


def modules(self: Module, remove_duplicate: bool = True) -> Iterator[Module]:
    """This module and everything below it, each once unless `remove_duplicate=False`."""
    for _, module in self.named_modules(remove_duplicate=remove_duplicate):
        yield module


def named_modules(
    self: Module,
    memo: set[Module] | None = None,
    prefix: str = "",
    remove_duplicate: bool = True,
) -> Iterator[tuple[str, Module]]:
    """Dotted names and modules: this one under `prefix`, then everything below it.

    Args:
        memo: the modules already visited.
        prefix: put before every name.
        remove_duplicate: visit a shared module only once.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.Sequential(kuai.nn.ReLU()))
        >>> [name for name, _ in net.named_modules()]
        ['', '0', '0.0']
    """
    memo = set() if memo is None else memo
    if self in memo:
        return
    if remove_duplicate:
        memo.add(self)
    yield prefix, self
    for name, module in self._modules.items():
        if module is not None:
            yield from module.named_modules(memo, _joined(prefix, name), remove_duplicate)


def _named_members(
    self: Module,
    get_members_fn: Callable[[Module], Iterable],
    prefix: str = "",
    recurse: bool = True,
    remove_duplicate: bool = True,
) -> Iterator[tuple[str, Any]]:
    """Dotted names and tensors out of `get_members_fn(module)` of each module."""
    seen: set[int] = set()
    found = [(prefix, self)]
    for module_prefix, module in (
        self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else found
    ):
        for name, member in get_members_fn(module):
            if member is None or id(member) in seen:
                continue
            if remove_duplicate:
                seen.add(id(member))
            yield _joined(module_prefix, name), member


def parameters(self: Module, recurse: bool = True) -> Iterator[Parameter]:
    """The parameters of this module and, with `recurse`, of everything below it.

    Example:
        >>> [p.shape for p in kuai.nn.Linear(3, 2).parameters()]
        [torch.Size([2, 3]), torch.Size([2])]
    """
    for _, parameter in self.named_parameters(recurse=recurse):
        yield parameter


def named_parameters(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Parameter]]:
    """Dotted names and parameters; a tied parameter comes once, under its first name.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.Linear(3, 2))
        >>> [name for name, _ in net.named_parameters()]
        ['0.weight', '0.bias']
    """
    yield from self._named_members(
        lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
    )


def buffers(self: Module, recurse: bool = True) -> Iterator[Tensor]:
    """The buffers of this module and, with `recurse`, of everything below it."""
    for _, buffer in self.named_buffers(recurse=recurse):
        yield buffer


def named_buffers(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Dotted names and buffers; a shared buffer comes once, under its first name."""
    yield from self._named_members(
        lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
    )

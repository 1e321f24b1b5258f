"""Graphs for inference: batch norms inside of convolutions, no dropout."""

from __future__ import annotations

import copy
from typing import Any

from kuai.fx import Proxy, Transformer, symbolic_trace
from kuai.fx.graph_module import GraphModule
from kuai.fx.node import Node
from kuai.nn.base.module import Module
from kuai.nn.modules import batchnorm, conv, dropout
from kuai.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]

_PATTERNS = (
    (conv.Conv1d, batchnorm.BatchNorm1d),
    (conv.Conv2d, batchnorm.BatchNorm2d),
    (conv.Conv3d, batchnorm.BatchNorm3d),
)


def matches_module_pattern(
    pattern: tuple[type, ...], node: Node, modules: dict[str, Module]
) -> bool:
    """Whether a node and the one that it uses are calls of two kinds of modules."""
    if not node.args or not isinstance(node.args[0], Node):
        return False
    pair = (node.args[0], node)
    return all(
        each.op == "call_module" and type(modules.get(str(each.target))) is kind
        for each, kind in zip(pair, pattern, strict=True)
    )


def replace_node_module(node: Node, modules: dict[str, Module], new_module: Module) -> None:
    """Let a node call another module."""
    parent, _, name = str(node.target).rpartition(".")
    modules[str(node.target)] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: Module, inplace: bool = False, no_trace: bool = False) -> GraphModule:
    """A module in evaluation mode with its batch norms inside of the convolutions before them.

    Example:
        >>> from kuai.fx.experimental.optimization import fuse
        >>> net = kuai.nn.Sequential(kuai.nn.Conv2d(1, 2, 3), kuai.nn.BatchNorm2d(2)).eval()
        >>> [name for name, _ in fuse(net).named_children()]
        ['0']
    """
    model = model if inplace else copy.deepcopy(model)
    traced: Any = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    modules = dict(traced.named_modules())
    for pattern in _PATTERNS:
        for node in list(traced.graph.nodes):
            if matches_module_pattern(pattern, node, modules):
                _fuse_pair(node, modules, traced.graph)
    return GraphModule(traced, traced.graph)


def _fuse_pair(node: Node, modules: dict[str, Module], graph: Any) -> None:
    before: Any = node.args[0]
    norm: Any = modules[str(node.target)]
    if len(before.users) > 1 or not norm.track_running_stats:
        return
    fused = fuse_conv_bn_eval(modules[str(before.target)], norm)  # type: ignore[arg-type]
    replace_node_module(before, modules, fused)
    node.replace_all_uses_with(before)
    graph.erase_node(node)


def remove_dropout(model: Module) -> Module:
    """A module without its dropout layers."""

    class WithoutDropout(Transformer):
        def call_module(self, target: Any, args: tuple, kwargs: dict) -> Any:
            if isinstance(self.submodules[target], dropout.Dropout):
                assert isinstance(args[0], Proxy)
                return args[0]
            return super().call_module(target, args, kwargs)

    return WithoutDropout(symbolic_trace(model)).transform()

"""Blocks: in which part of a network an operation ran.

While a program is traced, and while `kuai.debug` or `kuai.profile` is on, the thread's `block` says
which module's `forward` is running. Operations on the tape remember it, so that their backward
pass, which runs outside of every module, can be named after it too. Otherwise `block` is None, and
an operation asks no more than that.
"""

import contextlib
import weakref

import jax

from kuai.engine.tensor import modes

__all__ = ["Block", "backward", "inside", "watching"]


class Block:
    """One call of a module, inside the call of another.

    A block has from its outer one: `checks`, which look at every result (see `checks`); `shapes`,
    which is told about every call of a module; `annotates`, whether calls are named in a profile;
    and `steps`, whether compiled functions are to run step by step.
    """

    __slots__ = (
        "_module", "_names", "annotates", "checks", "kind", "outer", "path", "root", "scope",
        "shapes", "steps",
    )  # fmt: skip

    def __init__(self, module, outer, *, checks=None, shapes=None, annotates=False, steps=False):
        # the tape holds blocks longer than their modules need live
        self._module = None if module is None else weakref.ref(module)
        self.kind = None if module is None else type(module).__name__
        self.outer, self._names = outer, None
        self.checks = checks or (outer and outer.checks)
        self.shapes = shapes or (outer and outer.shapes)
        self.annotates = bool(annotates or (outer and outer.annotates))
        self.steps = bool(steps or (outer and outer.steps))
        self._place(module)

    @property
    def module(self):
        """The module, or None if there is none, or none any more."""
        return None if self._module is None else self._module()

    def _place(self, module):
        """Find the module whose part this one is, and its names there."""
        self.root, self.path, above = self.kind, (), self.outer
        self.scope = self.kind or ""
        while above is not None and module is not None:
            name = above.name_of(module)
            if name is not None:
                self.root, self.path = above.root, (*above.path, name)
                self.scope = f"{name}({self.kind})"
                return
            above = above.outer

    def name_of(self, module):
        """The dotted name of a module below this block's own, or None."""
        if self._names is None:
            own = self.module
            self._names = {} if own is None else dict(_descendants(own))
        return self._names.get(id(module))

    def __str__(self):
        """Such as `block net.3 (Conv2d) of LeNet`."""
        if self.kind is None:
            return "no block"
        if not self.path:
            return f"block {self.kind}"
        return f"block {'.'.join(self.path)} ({self.kind}) of {self.root}"

    def scopes(self) -> str:
        """The names from the outermost block to this one, such as `LeNet/net(Sequential)`."""
        above = self.outer.scopes() if self.outer is not None else ""
        return f"{above}/{self.scope}" if above and self.scope else above or self.scope

    def ran(self, operation, values, results, node) -> None:
        """Note that an operation ran here."""
        if node is not None:
            node.block = self
        if self.checks is not None:
            self.checks.forward(self, operation, values, results)
            self.checks.recorded(node)


def _descendants(module, prefix=""):
    for key, child in module._modules.items():
        if child is not None:
            yield from _descendants(child, f"{prefix}{key}.")
            yield id(child), f"{prefix}{key}"


@contextlib.contextmanager
def inside(module):
    """Have operations run in a module's block for a while."""
    state = modes.state
    outer = state.block
    state.block = block = Block(module, outer)
    try:
        with _named(block, block.scope):
            yield block
    finally:
        state.block = outer


@contextlib.contextmanager
def watching(**options):
    """Have operations of this thread watched for a while; the options are those of `Block`."""
    state = modes.state
    outer = state.block
    block = Block(None, outer, **options)
    with modes.unrecorded("kuai.debug") if block.steps else contextlib.nullcontext():
        state.block = block
        try:
            yield block
        finally:
            state.block = outer


def _named(block, name):
    """A name for what runs: in the program that is made, or in the profile that is written."""
    if modes.state.capture is not None or modes.state.recorder is not None:
        return jax.named_scope(name)
    if block.annotates:
        return jax.profiler.TraceAnnotation(name)
    return contextlib.nullcontext()


def backward(node, cotangents, create_graph, checks):
    """The backward pass of a node, under its block's name and with checks."""
    block = node.block
    if block is None:
        made = node.apply(cotangents, create_graph)
    else:
        scopes = block.scopes()
        with _named(block, f"{scopes}/backward" if scopes else "backward"):
            made = node.apply(cotangents, create_graph)
    if checks is not None:
        checks.backward(node, cotangents, made)
    return made

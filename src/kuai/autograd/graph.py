"""`kuai.autograd.graph`: what the tape keeps between forward and backward."""

import contextlib

from kuai.engine.autograd.tape import Node

__all__ = ["Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "save_on_cpu"]


class allow_mutation_on_saved_tensors(contextlib.nullcontext):
    """A context that changes nothing: what the tape keeps can never be overwritten."""


class save_on_cpu(contextlib.nullcontext):
    """A context that changes nothing: what is kept stays on its device; see `checkpoint`."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__()


class disable_saved_tensors_hooks(contextlib.nullcontext):
    """A context that changes nothing: there are no such hooks."""

    def __init__(self, error_message: str):
        super().__init__()

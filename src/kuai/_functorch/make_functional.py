"""`kuai._functorch.make_functional`: modules as functions of their parameters, in the older way.

`kuai.func.functional_call` is the newer one, and what these call.
"""

import copy

from kuai.func import functional_call
from kuai.nn.base.module import Module
from kuai.ops.array.joining import stack

__all__ = [
    "FunctionalModule",
    "FunctionalModuleWithBuffers",
    "combine_state_for_ensemble",
    "make_functional",
    "make_functional_with_buffers",
]


class FunctionalModuleWithBuffers(Module):
    """A module that is called with its parameters and buffers before its arguments."""

    def __init__(self, stateless_model):
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = tuple(name for name, _ in stateless_model.named_parameters())
        self.buffer_names = tuple(name for name, _ in stateless_model.named_buffers())

    def forward(self, params, buffers, *args, **kwargs):
        """What the module gives with these values."""
        given = dict(zip(self.param_names, params, strict=True))
        given |= dict(zip(self.buffer_names, buffers, strict=True))
        return functional_call(self.stateless_model, given, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """A module that is called with its parameters before its arguments."""

    def forward(self, params, *args, **kwargs):
        """What the module gives with these values."""
        buffers = tuple(self.stateless_model.buffers())
        return super().forward(params, buffers, *args, **kwargs)


def make_functional_with_buffers(model, disable_autograd_tracking=False):
    """A copy of a module as a function of its parameters and buffers, and these.

    Example:
        >>> from kuai._functorch.make_functional import make_functional_with_buffers
        >>> net = kuai.nn.BatchNorm1d(3)
        >>> function, params, buffers = make_functional_with_buffers(net)
        >>> function(params, buffers, kuai.ones(2, 3)).shape, len(params), len(buffers)
        (torch.Size([2, 3]), 2, 3)
    """
    model = copy.deepcopy(model)
    function, params = FunctionalModuleWithBuffers(model), tuple(model.parameters())
    if disable_autograd_tracking:
        for each in params:
            each.requires_grad_(False)
    return function, params, tuple(model.buffers())


def make_functional(model, disable_autograd_tracking=False):
    """A copy of a module without buffers as a function of its parameters, and these.

    Example:
        >>> from kuai._functorch.make_functional import make_functional
        >>> function, (weight, bias) = make_functional(kuai.nn.Linear(3, 1))
        >>> function((weight * 0, bias * 0 + 1), kuai.ones(2, 3)).tolist()
        [[1.0], [1.0]]
    """
    if next(model.buffers(), None) is not None:
        raise ValueError(
            "make_functional(model): `model` has buffers. Please use "
            "make_functional_with_buffers(model) instead."
        )
    function, params, _ = make_functional_with_buffers(model, disable_autograd_tracking)
    return FunctionalModule(function.stateless_model), params


def combine_state_for_ensemble(models):
    """Models of one kind as one function for `vmap`, with their parameters and buffers stacked."""
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    functions, params, buffers = zip(*map(make_functional_with_buffers, models), strict=True)
    together = [tuple(map(stack, zip(*each, strict=True))) for each in (params, buffers)]
    return functions[0], *together

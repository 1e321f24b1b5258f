"""Modules as functions of their parameters."""

import copy

import jax

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.frames import folding
from kuai.nn.base.module import Module
from kuai.nn.modules.batchnorm import _BatchNorm
from kuai.nn.parameter import Parameter
from kuai.nn.utils.stateless import merged, replaced
from kuai.ops.array.joining import stack

__all__ = ["combine", "functional_call", "partition", "replace_all_batch_norm_modules_"]
__all__ += ["stack_module_state"]


@folding
def functional_call(
    module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """Call a module with other parameters and buffers in the place of its own.

    Args:
        module: the module; it is not changed.
        parameter_and_buffer_dicts: tensors by their names in `state_dict`, or several such
            dictionaries.
        args, kwargs: the arguments; a single one need not be in a tuple.
        tie_weights: a tensor given for one name also stands in for those tied to it.
        strict: every parameter and buffer has to be given, and nothing else.

    Example:
        >>> net = kuai.nn.Linear(2, 1, bias=False)
        >>> kuai.func.functional_call(net, {"weight": kuai.ones(1, 2)}, kuai.ones(2))
        tensor([2.])
    """
    given = merged(parameter_and_buffer_dicts)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Have all batch norms of a module use the batch's own statistics, and keep none.

    Example:
        >>> net = kuai.nn.Sequential(kuai.nn.BatchNorm1d(2))
        >>> kuai.func.replace_all_batch_norm_modules_(net)[0].running_mean is None
        True
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root


def stack_module_state(models):
    """Parameters and buffers of several modules of one class, stacked along a new first dimension.

    With `vmap` and `functional_call` they run as an ensemble.

    Returns:
        Two dictionaries: parameters (leaves that require gradients as the first model's do) and
        buffers.

    Example:
        >>> nets = [kuai.nn.Linear(2, 3) for _ in range(4)]
        >>> parameters, buffers = kuai.func.stack_module_state(nets)
        >>> parameters["weight"].shape
        torch.Size([4, 3, 2])
    """
    models = list(models)
    start = "stack_module_state: Expected "
    if not models:
        raise RuntimeError(f"{start}at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(f"{start}all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError(f"{start}all models to be of the same class.")
    parameters = _stacked([dict(model.named_parameters()) for model in models])
    buffers = _stacked([dict(model.named_buffers()) for model in models])
    return parameters, buffers


def _stacked(dicts):
    made = {}
    for name, first in dicts[0].items():
        tensors = [members[name] for members in dicts]
        if len({t.requires_grad for t in tensors}) > 1:
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        made[name] = stack(tensors).detach()
        made[name].requires_grad = first.requires_grad
    return made


# For JAX ------------------------------------------------------------------------------------------


def partition(module, wanted=None):
    """Two modules: one with the parameters, one with everything else, and None in the gaps.

    For JAX transforms that may not see every tensor: `jax.grad` and `optax` want floating point
    parameters and no counters. `combine` puts the two together again.

    Args:
        wanted: `wanted(tensor)` says whether the first gets it; default: parameters that require
            gradients.

    Example:
        >>> parameters, rest = kuai.func.partition(kuai.nn.BatchNorm1d(2))
        >>> [leaf.shape for leaf in jax.tree.leaves(parameters)]
        [(2,), (2,)]
    """
    if wanted is None:
        wanted = _is_trainable
    return _kept(module, wanted), _kept(module, lambda tensor: not wanted(tensor))


def _is_trainable(tensor):
    return isinstance(tensor, Parameter) and tensor.requires_grad


def combine(first, second):
    """The module of two that `partition` made, or that came out of JAX in their place.

    Its tensors are new ones: what it changes, a running mean for instance, does not reach the two.

    Example:
        >>> net = kuai.func.combine(*kuai.func.partition(kuai.nn.BatchNorm1d(2)))
        >>> net(kuai.ones(3, 2)).shape
        torch.Size([3, 2])
    """
    made, boxes = _copied(first, {}), {}
    for ours, theirs in zip(made.modules(), second.modules(), strict=True):
        for mine, others in (
            (ours._parameters, theirs._parameters),
            (ours._buffers, theirs._buffers),
        ):
            for name, tensor in mine.items():
                found = others[name] if tensor is None else tensor
                if found is not None:
                    mine[name] = boxes.setdefault(id(found), _boxed(found))
    return made


def _boxed(tensor):
    """The same values in a box of its own."""
    leaves, tree = jax.tree.flatten(tensor)
    return jax.tree.unflatten(tree, leaves)


def _kept(module, wanted):
    made = _copied(module, {})
    for block in made.modules():
        for slots in (block._parameters, block._buffers):
            for name, tensor in slots.items():
                if isinstance(tensor, Tensor) and not wanted(tensor):
                    slots[name] = None
    return made


def _copied(module: Module, memo):
    """The same tensors in other modules of the same classes."""
    if id(module) not in memo:
        made = memo[id(module)] = object.__new__(type(module))
        made.__dict__.update(module.__getstate__())
        for slots in ("_parameters", "_buffers", "_modules"):
            made.__dict__[slots] = copy.copy(module.__dict__[slots])
        for name, child in made._modules.items():
            if child is not None:
                made._modules[name] = _copied(child, memo)
    return memo[id(module)]

"""Selective checkpoints: what some operations give is kept, all else is computed again.

The contexts stand around the two runs of a checkpointed function. In the first a policy says of
each operation whether its results are kept: then its node keeps its memory, too. In the second run
such an operation is not run; its results are those of the first.
"""

import enum
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from kuai import _ops
from kuai.engine.autograd import around
from kuai.engine.autograd.recomputing import run_alone
from kuai.engine.autograd.tape import Node, edge_of
from kuai.engine.tensor import Tensor, modes, wrap
from kuai.engine.tensor.views import held

__all__ = ["SAC_IGNORED_OPS", "CheckpointPolicy", "SelectiveCheckpointContext"]
__all__ += ["create_selective_checkpoint_contexts"]


class CheckpointPolicy(enum.Enum):
    """What is done with an operation's results: kept, or computed again.

    Example:
        >>> kuai.utils.checkpoint.CheckpointPolicy.MUST_SAVE.value
        0
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_KEPT = (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)


class SelectiveCheckpointContext:
    """What a policy is told: `is_recompute`, which is False, and the operation's results.

    Example:
        >>> kuai.utils.checkpoint.SelectiveCheckpointContext(is_recompute=False).is_recompute
        False
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None):
        self.is_recompute, self.op_output = is_recompute, op_output


#: Operations that no policy is asked about.
SAC_IGNORED_OPS = {_ops.namespace("aten").detach.default}


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Callable | list, allow_cache_entry_mutation: bool = False
):
    """Two contexts, to be given to a checkpoint by its `context_fn`.

    Args:
        policy_fn_or_list: `policy(context, operation, *arguments)`, which gives a
            `CheckpointPolicy` or whether to save; or the operations to save, such as
            `kuai.ops.aten.mm.default`.
        allow_cache_entry_mutation: changes nothing: what is kept cannot be changed.

    Operations are Kuai's: one that PyTorch makes of several is one, under the name of its
    derivative. Inside a compiled step nothing is selected.

    Example:
        >>> import functools
        >>> from kuai.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
        >>> contexts = functools.partial(
        ...     create_selective_checkpoint_contexts, [kuai.ops.aten.mm.default])
        >>> x = kuai.ones(2, 2, requires_grad=True)
        >>> y = checkpoint(lambda a: (a @ a).exp(), x, use_reentrant=False, context_fn=contexts)
        >>> y.sum().backward()
    """
    policy = _policy_of(policy_fn_or_list)
    kept: dict = defaultdict(dict)
    return _FirstRun(policy, kept), _SecondRun(kept)


def _policy_of(given) -> Callable:
    if callable(given):
        return given
    if not isinstance(given, list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    for operation in given:
        if not isinstance(operation, _ops.OpOverload):
            found, more = f"{operation} of type {type(operation)}", ""
            if isinstance(operation, _ops.OpOverloadPacket):
                more = (
                    "Please update the OpOverloadPacket to a specific OpOverload."
                    "For example, if you have `torch.ops.aten.mm`, change it to "
                    "`torch.ops.aten.mm.default`."
                )
            raise ValueError(
                f"Expected op in `op_list` to be an OpOverload but got: {found}. {more}"
            )
    return lambda context, operation, *arguments, **keywords: operation in given


def _overload_of(operation, values):
    """PyTorch's name for an operation, by that of its derivative."""
    name = operation.grad_name
    if not isinstance(name, str):
        name = name(*[held(v) if isinstance(v, Tensor) else v for v in values])
    words = re.sub(r"Backward\d*$", "", name)
    found = re.sub(r"(?<!^)(?=[A-Z])", "_", words).lower()
    for each in (found, f"_{found}", operation.name):
        try:
            return getattr(_ops.namespace("aten"), each).default
        except AttributeError:
            continue
    return operation.name


class _Around:
    """A context in which operations are run by it; within a record or a capture it does nothing."""

    def __init__(self, kept):
        self.kept, self.counts = kept, defaultdict(int)
        self.inner: Any = None

    def __enter__(self):
        state = modes.state
        self.counts.clear()
        self.inner = state.around
        self.is_active = state.recorder is None and state.capture is None
        if self.is_active and self.inner is not None:
            around.add_keeper(self)
        return self

    def __exit__(self, *_):
        if self.is_active and self.inner is not None:
            around.remove_hooks()

    def keep(self, tensors):
        """Tensors that a user's function saves are kept as they would be without this."""
        return self.inner.keep(tensors)

    def place(self, overload):
        """The number of this call among those of an operation."""
        self.counts[overload] += 1
        return self.counts[overload] - 1


class _FirstRun(_Around):
    """Asks the policy, and keeps results."""

    def __init__(self, policy, kept):
        super().__init__(kept)
        self.policy = policy

    def run(self, operation, key, make_function, values):
        """The results; their node has its memory taken unless they are to be kept."""
        values = list(values)
        results, node = run_alone(self, operation, key, make_function, values)
        overload = _overload_of(operation, values)
        if overload in SAC_IGNORED_OPS:
            self.inner.empty(results, node, values)
            return results
        modes.state.around = None
        context = SelectiveCheckpointContext(is_recompute=False, op_output=results)
        try:
            policy = self.policy(context, overload, *values)
        finally:
            modes.state.around = self
        made = results if isinstance(results, tuple) else (results,)
        saves = policy if isinstance(policy, bool) else policy in _KEPT
        self.kept[overload][self.place(overload)] = [held(t) for t in made] if saves else None
        if not saves:
            self.inner.empty(results, node, values)
        return results


_CONSUMED = object()


class _SecondRun(_Around):
    """Runs what was not kept."""

    def run(self, operation, key, make_function, values):
        """The results, of the first run or of this one."""
        values = list(values)
        overload = _overload_of(operation, values)
        if overload in SAC_IGNORED_OPS:
            return self._again(operation, key, make_function, values)
        place = self.place(overload)
        if place not in self.kept[overload]:
            raise RuntimeError(
                f"{overload} encountered during backward but not found in storage. This can happen "
                "if the operations in the checkpointed region are nondeterministic or depend on "
                "global state that changed between forward and backward."
            )
        arrays = self.kept[overload][place]
        if arrays is None:
            return self._again(operation, key, make_function, values)
        if arrays is _CONSUMED:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any "
                "region computed under selective activation checkpoint."
            )
        self.kept[overload][place] = _CONSUMED
        return _standing_for(arrays, values)

    def _again(self, operation, key, make_function, values):
        try:
            return self.inner.run(operation, key, make_function, values)
        finally:
            modes.state.around = self


def _standing_for(arrays, values):
    """Tensors of kept values, at a place in the graph of the second run, which nobody walks."""
    edges = [edge_of(v) for v in values if isinstance(v, Tensor)]
    made = [wrap(array) for array in arrays]
    if any(edge is not None for edge in edges):
        node = Node("KeptBackward", tuple(edges))
        for number, tensor in enumerate(made):
            tensor._node, tensor._output = node, number
    return made[0] if len(made) == 1 else tuple(made)

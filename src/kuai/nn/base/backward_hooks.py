"""Backward hooks: identity steps on the tape around a module's inputs and outputs.

`BackwardHook` passes the inputs and the outputs of one call through an identity `Function`. During
the backward pass the outputs' step fires first and leaves the gradients of the outputs here; the
inputs' step fires when all gradients of the inputs are known, and calls the user's hooks with
both. If no input requires a gradient there is no inputs' step, and the outputs' step calls them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from kuai.engine.autograd.function import Function
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import is_grad_enabled


class BackwardHookFunction(Function):
    """The identity, visible on the tape."""

    @staticmethod
    def forward(ctx, *args):
        """The arguments themselves."""
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx, *grads):
        """The gradients themselves."""
        return grads


def _spread(indices: Sequence[int], values: Sequence, size: int) -> tuple:
    """A tuple of `size` with `values` at `indices` and None elsewhere."""
    result = [None] * size
    for index, value in zip(indices, values, strict=True):
        result[index] = value
    return tuple(result)


def _through_identity(values: Any) -> tuple[Any, list[int], Any]:
    """`values` with its tensors passed through the identity, their indices, its node or None."""
    indices = [index for index, value in enumerate(values) if isinstance(value, Tensor)]
    tensors = [values[index] for index in indices]
    if not (is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return values, indices, None
    passed = BackwardHookFunction.apply(*tensors)
    node = next(tensor.grad_fn for tensor in passed if tensor.grad_fn is not None)
    result = list(values)
    for index, tensor in zip(indices, passed, strict=True):
        result[index] = tensor
    # A namedtuple is rebuilt from its fields, a tuple from one sequence.
    return (tuple(result) if type(values) is tuple else type(values)(*result)), indices, node


class BackwardHook:
    """The backward hooks of one call of a module.

    Args:
        module: the module called.
        user_hooks: `hook(module, grad_input, grad_output)`, may return another grad_input.
        user_pre_hooks: `hook(module, grad_output)`, may return another grad_output.
    """

    def __init__(self, module: Any, user_hooks: list[Callable], user_pre_hooks: list[Callable]):
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: tuple | None = None
        self.inputs: tuple[list[int] | None, int] = (None, 0)

    def setup_input_hook(self, args: tuple) -> tuple:
        """The arguments to call the module with instead of `args`."""
        passed, indices, node = _through_identity(args)
        self.inputs = (None if node is None else indices, len(args))
        if node is not None:
            node.register_hook(lambda grad_inputs, _: self._after_inputs(grad_inputs))
        return passed

    def setup_output_hook(self, result: Any) -> Any:
        """What the module's call returns instead of `result`."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called,"
                " module output should be a Tensor or a tuple of Tensors"
                f" but received {type(result)}",
                stacklevel=2,
            )
        outputs = result if isinstance(result, tuple) else (result,)
        passed, indices, node = _through_identity(outputs)
        if node is not None:
            size = len(outputs)
            node.register_hook(lambda _, grads: self._after_outputs(indices, size, grads))
        return passed if isinstance(result, tuple) else passed[0]

    def _after_outputs(self, indices: list[int], size: int, grads: tuple) -> tuple:
        replaced = self._run_pre_hooks(_spread(indices, grads, size))
        if self.inputs[0] is None:
            self._run_hooks_without_inputs(replaced)
        else:
            self.grad_outputs = replaced
        return tuple(replaced[index] for index in indices)

    def _run_pre_hooks(self, grad_outputs: tuple) -> tuple:
        expected = len(grad_outputs)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != expected:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(replaced)}, but expected {expected}"
                )
            grad_outputs = replaced
        return grad_outputs

    def _run_hooks_without_inputs(self, grad_outputs: tuple) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        grad_inputs = (None,) * self.inputs[1]
        for hook in self.user_hooks:
            result = hook(self.module, grad_inputs, grad_outputs)
            only_none = isinstance(result, tuple) and all(gradient is None for gradient in result)
            if result is not None and not only_none:
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient "
                    "should always return None or None for all gradients."
                )

    def _after_inputs(self, grads: tuple) -> tuple | None:
        if self.grad_outputs is None:  # the backward pass did not come through the outputs
            return None
        indices, size = self.inputs
        grad_inputs = _spread(indices or [], grads, size)
        for hook in self.user_hooks:
            replaced = hook(self.module, grad_inputs, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(replaced)}, but expected {len(grad_inputs)}"
                )
            grad_inputs = replaced
        self.grad_outputs = None
        return tuple(grad_inputs[index] for index in indices or [])


def attach_to_grad_fn(hooks: list[Callable], inputs: Any, result: Any) -> None:
    """Register deprecated (not full) backward hooks on the node that made the first output."""
    first = result
    while not isinstance(first, Tensor):
        values = first.values() if isinstance(first, dict) else first
        tensors = (value for value in values if isinstance(value, Tensor))
        first = next(tensors) if isinstance(first, dict) else first[0]
    if first.grad_fn is None:
        return
    for hook in hooks:
        first.grad_fn.register_hook(hook)
    _warn_of_missing_gradients(inputs, result, first.grad_fn)


def _warn_of_missing_gradients(inputs: Any, result: Any, grad_fn: Any) -> None:
    if not _only_tensors(result):
        _warn_deprecated(
            "on a Module that does not return a single Tensor or a tuple of Tensors", "output"
        )
        return
    if not _only_tensors(inputs):
        _warn_deprecated(
            "on a Module that does not take as input a single Tensor or a tuple of Tensors",
            "input",
        )
        return
    made_by = _grad_fns(result)
    if not made_by or (len(made_by) == 1 and grad_fn not in made_by):
        _warn_nested()
    elif len(made_by) > 1:
        _warn_deprecated("when outputs are generated by different autograd Nodes", "output")
    elif _grad_fns(inputs) != {function for function, _ in grad_fn.next_functions}:
        _warn_deprecated("when the forward contains multiple autograd Nodes", "input")


def _only_tensors(values: Any) -> bool:
    if isinstance(values, Tensor):
        return True
    return isinstance(values, tuple) and all(isinstance(value, Tensor) for value in values)


def _grad_fns(values: Any) -> set:
    tensors = (values,) if isinstance(values, Tensor) else values
    return {tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None}


def _warn_deprecated(when: str, missing: str) -> None:
    hooks = "a non-full backward hook" if when.startswith("when") else "non-full backward hooks"
    warnings.warn(
        f"Using {hooks} {when} is deprecated and will be removed in future versions. This hook "
        f"will be missing some {'of the ' if hooks.startswith('non') else ''}grad_{missing}. "
        "Please use register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=6,
    )


def _warn_nested() -> None:
    warnings.warn(
        "Using a non-full backward hook when outputs are nested in python data structure is "
        "deprecated and will be removed in future versions. This hook will be missing some "
        "grad_output.",
        FutureWarning,
        stacklevel=6,
    )

"""`kuai.autograd.functional`: derivatives of functions, as PyTorch had them before `kuai.func`.

Inputs are a tensor or a tuple of tensors, and so are the results. `create_graph` keeps the results
connected to the inputs.
"""

from typing import Any

from kuai import func as transforms
from kuai.autograd.strictness import as_tensors, check_single, check_strict, check_vectors
from kuai.engine.tensor import Tensor, modes
from kuai.func.differentiating import jvp_backward
from kuai.ops.array.creation import ones_like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _as_tuple(given):
    return given if isinstance(given, tuple) else (given,)


def _detached(nested):
    if isinstance(nested, Tensor):
        return nested.detach()
    return tuple(map(_detached, nested))


def _run(transform, inputs, create_graph):
    """`transform(*inputs)`, connected to the inputs only if asked for."""
    inputs = _as_tuple(inputs)
    modes.state.old_functions += 1
    try:
        if create_graph:
            inputs = tuple(x if x.requires_grad else x.detach().requires_grad_() for x in inputs)
            with modes.enable_grad():
                return transform(*inputs)
        return _detached(transform(*_detached(inputs)))
    finally:
        modes.state.old_functions -= 1


def _like(inputs, results):
    """Results in the form of the inputs: a tuple only if those were one."""
    return results if isinstance(inputs, tuple) else results[0]


def _default_v(output):
    if isinstance(output, Tensor) and output.numel() == 1:
        return ones_like(output)
    raise RuntimeError(
        "The vector v can only be None if the user-provided function returns a single Tensor "
        "with a single element."
    )


def _default_input_v(inputs):
    if len(inputs) == 1 and inputs[0].numel() == 1:
        return ones_like(inputs[0])
    raise RuntimeError(
        "The vector v can only be None if the input to the user-provided function is a single "
        "Tensor with a single element."
    )


def _of_tensors(func, name):
    """The function, with PyTorch's error if it returns anything but tensors."""

    def checked(*inputs):
        outputs = func(*inputs)
        as_tensors(outputs, "outputs of the user-provided function", name)
        return outputs

    return checked


def _check_strategy(create_graph, strict, vectorize, strategy):
    """PyTorch's errors for combinations that it does not have."""
    forward = strategy == "forward-mode"
    for wrong, what, kind in (
        (create_graph and forward, "create_graph=True", NotImplementedError),
        (strict and forward, "strict=True", RuntimeError),
    ):
        if wrong:
            raise kind(
                f'torch.autograd.functional.jacobian: `{what}` and `strategy="forward-mode"` are '
                f"not supported together (yet). Please either set `{what.replace('True', 'False')}`"
                ' or `strategy="reverse-mode"`.'
            )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if forward and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )


def vjp(func, inputs, v=None, create_graph=False, strict=False) -> Any:
    """The value of a function, and the product of `v` with its Jacobian.

    Example:
        >>> kuai.autograd.functional.vjp(kuai.sin, kuai.zeros(2), kuai.ones(2))
        (tensor([0., 0.]), tensor([1., 1.]))
    """

    given = as_tensors(inputs, "inputs", "vjp")
    if strict:
        check_strict(func, given, create_graph, "vjp")

    def transform(*inputs):
        output, pull_back = transforms.vjp(_of_tensors(func, "vjp"), *inputs)
        if v is not None:
            check_vectors(as_tensors(v, "v", "vjp"), _as_tuple(output))
        return output, pull_back(_default_v(output) if v is None else v)

    output, found = _run(transform, inputs, create_graph)
    return output, _like(inputs, found)


def jvp(func, inputs, v=None, create_graph=False, strict=False) -> Any:
    """The value of a function, and the product of its Jacobian with `v`.

    Example:
        >>> kuai.autograd.functional.jvp(kuai.sin, kuai.zeros(2), kuai.ones(2))
        (tensor([0., 0.]), tensor([1., 1.]))
    """

    given = as_tensors(inputs, "inputs", "jvp")
    if v is not None:
        check_vectors(as_tensors(v, "v", "jvp"), given)
    if strict:
        check_strict(func, given, create_graph, "jvp")

    def transform(*inputs):
        given = (_default_input_v(inputs),) if v is None else _as_tuple(v)
        return jvp_backward(_of_tensors(func, "jvp"), inputs, given)

    return _run(transform, inputs, create_graph)


def jacobian(
    func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"
) -> Any:
    """The Jacobian of a function: for several outputs and inputs a tuple of tuples.

    Args:
        strict: refuse a function whose results do not depend on an input.
        vectorize: all rows at once, which is done in any case; forward mode asks for it.
        strategy: "reverse-mode" or "forward-mode".

    Example:
        >>> kuai.autograd.functional.jacobian(lambda x: x * x, kuai.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    given = as_tensors(inputs, "inputs", "jacobian")
    _check_strategy(create_graph, strict, vectorize, strategy)
    if strict:
        check_strict(func, given, create_graph, "jacobian")
    func = _of_tensors(func, "jacobian")
    chosen = tuple(range(len(inputs))) if isinstance(inputs, tuple) else 0
    if strategy == "forward-mode":
        return _as_lists(_run(transforms.jacfwd(func, chosen), inputs, create_graph))
    return _run(transforms.jacrev(func, chosen), inputs, create_graph)


def _as_lists(blocks):
    """Nested tuples as nested lists, which PyTorch's forward mode gives."""
    return list(map(_as_lists, blocks)) if isinstance(blocks, tuple) else blocks


def hessian(
    func,
    inputs,
    create_graph=False,
    strict=False,
    vectorize=False,
    outer_jacobian_strategy="reverse-mode",
) -> Any:
    """The second derivatives of a scalar-valued function: for several inputs a tuple of tuples.

    Example:
        >>> kuai.autograd.functional.hessian(lambda x: (x ** 3).sum(), kuai.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    given = as_tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    _check_strategy(False, False, vectorize, outer_jacobian_strategy)
    if strict:
        check_strict(func, given, create_graph, "hessian")
    chosen = tuple(range(len(inputs))) if isinstance(inputs, tuple) else 0

    def scalar(*arguments):
        output = func(*arguments)
        check_single(output, "hessian")
        return output.reshape(())

    found = _run(transforms.hessian(scalar, chosen), inputs, create_graph)
    return _as_lists(found) if outer_jacobian_strategy == "forward-mode" else found


def _second(func, inputs, v, create_graph, strict, name):
    """The value, and the product of the (symmetric) Hessian with `v`."""
    tensors = as_tensors(inputs, "inputs", name)
    if v is not None:
        check_vectors(as_tensors(v, "v", name), tensors)
    if strict:
        check_strict(func, tensors, create_graph, name)

    def scalar(*arguments):
        output = func(*arguments)
        check_single(output, name)
        return output.reshape(())

    def transform(*inputs):
        given = (_default_input_v(inputs),) if v is None else _as_tuple(v)

        def gradient(*arguments):
            numbers = tuple(range(len(arguments)))
            return transforms.grad_and_value(scalar, numbers)(*arguments)

        (_, output), pull_back = transforms.vjp(gradient, *inputs)
        return output, pull_back((given, output.new_zeros(())))

    output, found = _run(transform, inputs, create_graph)
    return output, _like(inputs, found)


def hvp(func, inputs, v=None, create_graph=False, strict=False) -> Any:
    """The value of a scalar-valued function, and the product of its Hessian with `v`.

    Example:
        >>> square = lambda x: (x ** 2).sum()
        >>> kuai.autograd.functional.hvp(square, kuai.ones(2), kuai.ones(2))
        (tensor(2.), tensor([2., 2.]))
    """
    return _second(func, inputs, v, create_graph, strict, "hvp")


def vhp(func, inputs, v=None, create_graph=False, strict=False) -> Any:
    """The value of a scalar-valued function, and the product of `v` with its Hessian.

    Example:
        >>> square = lambda x: (x ** 2).sum()
        >>> kuai.autograd.functional.vhp(square, kuai.ones(2), kuai.ones(2))
        (tensor(2.), tensor([2., 2.]))
    """
    return _second(func, inputs, v, create_graph, strict, "vhp")

"""What `autograd.functional` refuses: arguments that are no tensors, and with `strict=True`
functions whose results do not depend on their inputs."""

from kuai.engine.autograd.backward import grad
from kuai.engine.tensor import Tensor, modes
from kuai.ops.array.creation import ones_like

__all__ = ["as_tensors", "check_single", "check_strict", "check_vectors"]


def as_tensors(given, what: str, function: str) -> tuple:
    """One tensor or several as a tuple, or PyTorch's error."""
    several = given if isinstance(given, tuple) else (given,)
    for number, tensor in enumerate(several):
        if isinstance(tensor, Tensor):
            continue
        start = f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but "
        if isinstance(given, tuple):
            raise TypeError(f"{start}the value at index {number} has type {type(tensor)}.")
        raise TypeError(f"{start}the given {what} has type {type(given)}.")
    return tuple(several)


def check_vectors(vectors: tuple, others: tuple) -> None:
    """PyTorch's errors for vectors that do not go with what they are multiplied by."""
    if len(vectors) != len(others):
        if len(others) == 1:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(others)} but got {len(vectors)}."
        )
    for number, (vector, other) in enumerate(zip(vectors, others, strict=True)):
        if vector.shape != other.shape:
            place = f"Entry {number} in " if len(others) > 1 else ""
            raise RuntimeError(
                f"{place}v has invalid size: should be {other.shape} but got {vector.shape}."
            )


def check_single(outputs, function: str) -> None:
    """PyTorch's errors where a function has to return one number."""
    if not isinstance(outputs, Tensor):
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs.numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single "
            "element"
        )


def check_strict(func, inputs: tuple, create_graph: bool, function: str) -> None:
    """Run the function twice more, and refuse results that do not depend on an input.

    Whether a derivative depends on an input is seen at a second point nearby: the tape of linear
    operations knows their inputs, too.
    """
    second = function in ("hessian", "hvp", "vhp")
    derivatives = _derivatives(func, inputs, function)
    if not (second or create_graph):
        return
    others = _derivatives(func, tuple(map(_moved, inputs)), function)
    for found, elsewhere in zip(derivatives, others, strict=True):
        for place, (one, other) in enumerate(zip(found, elsewhere, strict=True)):
            if not bool((one == other).all()):
                continue
            if second:
                raise RuntimeError(_FLAT.format(place))
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {place}. "
                "This is not allowed in strict mode when create_graph=True."
            )


def _moved(tensor):
    return tensor.detach() * 1.01 + 0.001


def _derivatives(func, inputs, function):
    """For each output the gradients of its sum, after a look at whether there are any."""
    inputs = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    with modes.enable_grad():
        outputs = func(*inputs)
    outputs = as_tensors(outputs, "outputs of the user-provided function", function)
    return [_gradients(number, output, inputs, function) for number, output in enumerate(outputs)]


def _gradients(number, output, inputs, function):
    if not output.requires_grad:
        raise RuntimeError(
            f"Output {number} of the user-provided function does not require gradients. "
            "The outputs must be computed in a differentiable manner from the input when "
            "running in strict mode."
        )
    found = grad(output, inputs, ones_like(output), retain_graph=True, allow_unused=True)
    what = f"Output {number}" if function == "jacobian" else "The output"
    for place, gradient in enumerate(found):
        if gradient is None and function == "hessian":
            raise RuntimeError(_FLAT.format(place))
        if gradient is None:
            raise RuntimeError(
                f"{what} of the user-provided function is independent of input {place}. This is "
                "not allowed in strict mode."
            )
    return found


_FLAT = (
    "While computing the hessian, found that the jacobian of the user-provided function with "
    "respect to input {} is independent of the input. This is not allowed in strict mode. You "
    "should ensure that your function is twice differentiable and that the jacobian depends on the "
    "inputs (this would be violated by a linear function for example)."
)

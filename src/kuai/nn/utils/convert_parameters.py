"""All parameters as one vector, and back."""

from kuai.engine.tensor import Tensor
from kuai.nn.base.typename import typename
from kuai.ops.array.joining import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _on_one_device(parameters):
    """The parameters one by one, as long as they are all in the same place."""
    device = None
    for parameter in parameters:
        if device is not None and parameter.device != device:
            raise TypeError(
                "Found two parameters on different devices, this is currently not supported."
            )
        device = parameter.device
        yield parameter


def parameters_to_vector(parameters) -> Tensor:
    """All elements of the parameters in one vector, in their order.

    Example:
        >>> net = kuai.nn.Linear(3, 2)
        >>> kuai.nn.utils.parameters_to_vector(net.parameters()).shape
        torch.Size([8])
    """
    return cat([parameter.view(-1) for parameter in _on_one_device(parameters)])


def vector_to_parameters(vec, parameters) -> None:
    """Give the parameters the elements of a vector; they share its storage afterwards.

    Example:
        >>> net = kuai.nn.Linear(1, 2, bias=False)
        >>> kuai.nn.utils.vector_to_parameters(kuai.tensor([1.0, 2.0]), net.parameters())
        >>> net.weight.data
        tensor([[1.],
                [2.]])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for parameter in _on_one_device(parameters):
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).data
        start = end

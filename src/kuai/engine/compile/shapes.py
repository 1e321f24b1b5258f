"""infer_shapes: a dry run that computes nothing but shapes."""

import jax

from kuai.engine.autograd.tape import Node
from kuai.engine.autograd.tracing import Capture
from kuai.engine.tensor import Tensor, dtypes, modes, wrap
from kuai.engine.tensor.devices import get_default_device
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.views import outline
from kuai.errors import drop_jax_note

__all__ = ["infer_shapes"]


def infer_shapes(function, *inputs, **keywords):
    """The shapes a function or module would return, found without computing any value.

    Lazy layers get their shapes and real parameters; nothing else changes.

    Args:
        function: a module or a function of tensors.
        inputs: for each argument its shape (a tuple of integers), or a tensor of the shape and
            dtype.
        keywords: passed on as they are.

    Returns:
        A Size, nested as the function's result.

    Example:
        >>> net = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))
        >>> kuai.infer_shapes(net, (2, 20))
        torch.Size([2, 10])
        >>> net[0].weight.shape
        torch.Size([256, 20])
    """
    capture = Capture(get_default_device(), Node("capture", ()).sequence)
    given = [_shape_and_dtype(item) for item in inputs]
    found = []

    def traced():
        before, modes.state.capture = modes.state.capture, capture
        try:
            stand_ins = [
                wrap(capture.new_input(("argument", i), *aval)) for i, aval in enumerate(given)
            ]
            result = function(*stand_ins, **keywords)
            found.append(jax.tree.map(_shape, result, is_leaf=_is_tensor))
            return ()
        finally:
            modes.state.capture = before

    try:
        jax.make_jaxpr(traced)()
    except Exception as error:
        drop_jax_note(error)
        raise
    finally:
        capture.close()
    return found[0]


def _is_tensor(thing):
    return isinstance(thing, Tensor)


def _shape(thing):
    return thing.shape if isinstance(thing, Tensor) else thing


def _shape_and_dtype(item):
    if isinstance(item, Tensor):
        array = outline(item)
        return array.shape, array.dtype
    if isinstance(item, (tuple, list)) and all(isinstance(n, int) for n in item):
        return Size(item), dtypes.default_float_jax()
    raise TypeError(
        f"infer_shapes takes a shape (a tuple of integers) or a tensor for each argument, not "
        f"{item!r}"
    )

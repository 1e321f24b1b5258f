"""`torch.nn.functional`: every operation that was declared `functional=True`, under its name.

The operations themselves are in `kuai.ops`, one family a file.
"""

from kuai.engine.door import REGISTRY
from kuai.ops import (
    activation,
    classification,
    loss,
    normalization,
    padding,
    pointwise,
    similarity,
    trigonometry,
)
from kuai.ops import (
    dropout as _dropout,
)
from kuai.ops import (
    embedding as _embedding,
)
from kuai.ops import (
    linear as _linear,
)
from kuai.ops import (
    softmax as _softmax,
)

_FAMILIES = (
    activation,
    classification,
    _dropout,
    _embedding,
    _linear,
    loss,
    normalization,
    padding,
    pointwise,
    similarity,
    _softmax,
    trigonometry,
)

globals().update(REGISTRY.functional)


def __getattr__(name: str):
    # Families imported after this file have put their functions into the table since.
    if name in REGISTRY.functional:
        return REGISTRY.functional[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(REGISTRY.functional)

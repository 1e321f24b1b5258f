"""`torch.nn.functional`: every operation that was declared `functional=True`, under its name.

The operations themselves are in `kuai.ops`, one family a file.
"""

from kuai.engine.op import REGISTRY
from kuai.ops import table as table  # every family has registered its functions once it is imported

globals().update(REGISTRY.functional)


def __getattr__(name: str):
    # for type checkers, who do not see the line above, and for a name that does not exist
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(REGISTRY.functional)

"""Building blocks: modules, containers, layers and losses, under PyTorch's names."""

import typing

from kuai.engine.late import late
from kuai.nn import (
    functional as functional,
    init as init,
    modules as modules,
    parameter as parameter,
)
from kuai.nn.modules import *  # noqa: F403  one list of the layers, which PyTorch has there, too
from kuai.nn.modules.factory import factory_kwargs as factory_kwargs
from kuai.nn.parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

if typing.TYPE_CHECKING:
    from kuai.nn import attention as attention, grad as grad, parallel as parallel, utils as utils
    from kuai.nn.parallel import DataParallel as DataParallel

_HIDDEN = {"base", "deferred", "late", "typing"}
_MODULES, _NAMES = ("attention", "grad", "parallel", "utils"), {"DataParallel": "parallel"}

__all__ = [name for name in globals() if name[0] != "_" and name not in _HIDDEN]
__all__ += [*_MODULES, *_NAMES]

__getattr__, __dir__ = late("kuai.nn", (*_MODULES, "_reduction", "common_types", "grad"), _NAMES)

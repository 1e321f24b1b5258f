"""Utilities around modules: gradients, parametrizations, pruning, packed sequences."""

import typing

from kuai.engine.late import by_name, late
from kuai.nn.utils import clip_grad, parametrizations, parametrize
from kuai.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from kuai.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from kuai.nn.utils.weight_norm import remove_weight_norm, weight_norm

if typing.TYPE_CHECKING:
    from kuai.nn.utils import convert_parameters, fusion, prune, rnn, stateless
    from kuai.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
    from kuai.nn.utils.fusion import (
        fuse_conv_bn_eval,
        fuse_conv_bn_weights,
        fuse_linear_bn_eval,
        fuse_linear_bn_weights,
    )
    from kuai.nn.utils.memory_format import (
        convert_conv2d_weight_memory_format,
        convert_conv3d_weight_memory_format,
    )
    from kuai.nn.utils.skipping import skip_init

__all__ = [
    "clip_grad",
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "convert_parameters",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "fusion",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

_LATE_NAMES = {
    "convert_parameters": ("parameters_to_vector", "vector_to_parameters"),
    "fusion": (
        "fuse_conv_bn_eval",
        "fuse_conv_bn_weights",
        "fuse_linear_bn_eval",
        "fuse_linear_bn_weights",
    ),
    "memory_format": (
        "convert_conv2d_weight_memory_format",
        "convert_conv3d_weight_memory_format",
    ),
    "skipping": ("skip_init",),
}
__getattr__, __dir__ = late(
    "kuai.nn.utils",
    (
        "_named_member_accessor",
        "convert_parameters",
        "fusion",
        "init",
        "memory_format",
        "prune",
        "rnn",
        "skipping",
        "stateless",
    ),
    by_name(_LATE_NAMES),
)

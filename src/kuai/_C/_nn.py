"""`kuai._C._nn`: functions that PyTorch has compiled, and what `Module.to` has been asked for."""

from kuai.nn import functional as _F
from kuai.nn.base.conversion import parse_to as _parse_to

__all__ = [
    "avg_pool2d",
    "avg_pool3d",
    "elu_",
    "gelu",
    "hardtanh_",
    "leaky_relu_",
    "linear",
    "log_sigmoid",
    "one_hot",
    "scaled_dot_product_attention",
    "softplus",
]

_parse_to = _parse_to
avg_pool2d, avg_pool3d = _F.avg_pool2d, _F.avg_pool3d
elu_, hardtanh_, leaky_relu_ = _F.elu_, _F.hardtanh_, _F.leaky_relu_
gelu, softplus, log_sigmoid = _F.gelu, _F.softplus, _F.logsigmoid
linear, one_hot = _F.linear, _F.one_hot
scaled_dot_product_attention = _F.scaled_dot_product_attention

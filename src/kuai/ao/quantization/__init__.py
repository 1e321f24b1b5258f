"""`kuai.ao.quantization`: quantized networks, which Kuai does not have.

The two stubs, which mark where a network would be quantized, are modules that change nothing, as
they are in PyTorch before a network is converted; so networks that are prepared for it run. What
would quantize them says what to do instead.
"""

from kuai.nn.base.module import Module
from kuai.standin.refusing import refused, refused_class

__all__ = [
    "DeQuantStub",
    "FakeQuantize",
    "HistogramObserver",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "PerChannelMinMaxObserver",
    "PlaceholderObserver",
    "QConfig",
    "QuantStub",
    "QuantWrapper",
    "convert",
    "default_dynamic_qconfig",
    "default_qconfig",
    "fuse_modules",
    "fuse_modules_qat",
    "get_default_qat_qconfig",
    "get_default_qconfig",
    "prepare",
    "prepare_qat",
    "quantize",
    "quantize_dynamic",
]

_WHY = (
    "XLA has no quantized tensors as PyTorch has them",
    "Use bfloat16 (`model.to(kuai.bfloat16)`, `kuai.autocast`)",
)


class QuantStub(Module):
    """Marks where inputs would be quantized; gives what it gets.

    Example:
        >>> kuai.ao.quantization.QuantStub()(kuai.ones(1))
        tensor([1.])
    """

    def __init__(self, qconfig=None):
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x):
        """The input."""
        return x


class DeQuantStub(QuantStub):
    """Marks where results would be numbers again; gives what it gets."""


class QuantWrapper(Module):
    """A module between two stubs."""

    def __init__(self, module):
        super().__init__()
        self.quant, self.dequant, self.module = QuantStub(), DeQuantStub(), module
        self.train(module.training)

    def forward(self, X):
        """What the module gives."""
        return self.dequant(self.module(self.quant(X)))


def _function(name):
    return refused(f"torch.ao.quantization.{name}", *_WHY)


def _class(name):
    return refused_class(f"torch.ao.quantization.{name}", *_WHY)


prepare, prepare_qat, convert = _function("prepare"), _function("prepare_qat"), _function("convert")
quantize, quantize_qat = _function("quantize"), _function("quantize_qat")
quantize_dynamic = _function("quantize_dynamic")
fuse_modules, fuse_modules_qat = _function("fuse_modules"), _function("fuse_modules_qat")
get_default_qconfig = _function("get_default_qconfig")
get_default_qat_qconfig = _function("get_default_qat_qconfig")
get_default_qconfig_mapping = _function("get_default_qconfig_mapping")
QConfig, QConfigMapping = _class("QConfig"), _class("QConfigMapping")
FakeQuantize, ObserverBase = _class("FakeQuantize"), _class("ObserverBase")
MinMaxObserver, HistogramObserver = _class("MinMaxObserver"), _class("HistogramObserver")
MovingAverageMinMaxObserver = _class("MovingAverageMinMaxObserver")
PerChannelMinMaxObserver = _class("PerChannelMinMaxObserver")
PlaceholderObserver = _class("PlaceholderObserver")
default_qconfig = default_dynamic_qconfig = None

#: Classes and functions that packages name, in annotations and tables, at import.
_CLASSES = (
    "AffineQuantizedObserverBase FakeQuantizeBase FixedQParamsFakeQuantize "
    "FixedQParamsObserver FusedMovingAvgObsFakeQuantize Granularity MappingType "
    "MovingAveragePerChannelMinMaxObserver NoopObserver PerAxis PerBlock PerGroup PerRow "
    "PerTensor PerToken QConfigDynamic RecordingObserver ReuseInputObserver TorchAODType "
    "UniformQuantizationObserverBase ZeroPointDomain default_debug_observer "
    "default_placeholder_observer default_reuse_input_observer "
)
_FUNCTIONS = (
    "add_quant_dequant convert_dynamic_jit convert_jit default_eval_fn disable_fake_quant "
    "disable_observer enable_fake_quant enable_observer fuse_conv_bn fuse_conv_bn_jit "
    "fuse_conv_bn_relu fuse_convtranspose_bn fuse_linear_bn get_block_size "
    "get_default_compare_output_module_list get_default_custom_config_dict "
    "get_default_dynamic_quant_module_mappings "
    "get_default_dynamic_sparse_quant_module_mappings "
    "get_default_float_to_quantized_operator_mappings get_default_qat_module_mappings "
    "get_default_qat_qconfig_dict get_default_qat_qconfig_mapping "
    "get_default_qconfig_dict get_default_qconfig_propagation_list "
    "get_default_static_quant_module_mappings "
    "get_default_static_quant_reference_module_mappings "
    "get_default_static_sparse_quant_module_mappings get_dynamic_quant_module_class "
    "get_embedding_qat_module_mappings get_embedding_static_quant_module_mappings "
    "get_fuser_method get_fuser_method_new get_observer_state_dict get_quantized_operator "
    "get_static_quant_module_class load_observer_state_dict no_observer_set "
    "prepare_dynamic_jit prepare_jit propagate_qconfig_ qconfig_equals "
    "quantize_dynamic_jit quantize_jit script_qconfig script_qconfig_dict swap_module "
)
_DEFAULTS = (  # classes with some arguments given
    "affine_fixed_qparams dynamic dynamic_quant embedding fixed_qparams_range_0to1 "
    "fixed_qparams_range_neg1to1 float_qparams fused_act fused_per_channel_wt fused_wt histogram "
    "per_channel_weight symmetric_fixed_qparams weight"
)
for _name in ["", *(f"{name}_" for name in _DEFAULTS.split())]:
    for _kind in ("fake_quant", "observer"):
        globals()[f"default_{_name}{_kind}"] = _function(f"default_{_name}{_kind}")
globals().update({name: _class(name) for name in _CLASSES.split()})
globals().update({name: _function(name) for name in _FUNCTIONS.split()})

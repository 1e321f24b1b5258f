"""A run's settings and results, as TensorBoard's page about them reads them."""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from tensorboard.compat.proto.summary_pb2 import (
    Summary,
    SummaryMetadata,
)
from tensorboard.plugins.hparams.api_pb2 import (
    DataType,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
    Status,
)
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    PLUGIN_DATA_VERSION,
    PLUGIN_NAME,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)

from kuai.engine.tensor import Tensor
from kuai.utils.tensorboard.arrays import make_np

__all__ = ["hparams"]

_DOMAINS = "parameter: hparam_domain_discrete should be a dictionary of lists of known settings."


def hparams(hparam_dict=None, metric_dict=None, hparam_domain_discrete=None):
    """Three summaries: of the experiment, of its start with the settings, and of its end."""
    settings, metrics = hparam_dict or {}, metric_dict or {}
    for name, given in (("hparam_dict", settings), ("metric_dict", metrics)):
        if not isinstance(given, dict):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    domains = _checked(hparam_domain_discrete or {}, settings)
    infos, start = [], SessionStartInfo()
    for name, value in settings.items():
        if value is None:
            continue
        kind, field = _kind(value)
        setattr(start.hparams[name], field, _plain(value))
        info = HParamInfo(name=name, type=kind)
        for allowed in domains.get(name, ()):
            setattr(info.domain_discrete.values.add(), _kind(allowed)[1], _plain(allowed))
        infos.append(info)
    found = [MetricInfo(name=MetricName(tag=tag)) for tag in metrics]
    experiment = Experiment(hparam_infos=infos, metric_infos=found)
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return (
        _summary(EXPERIMENT_TAG, experiment=experiment),
        _summary(SESSION_START_INFO_TAG, session_start_info=start),
        _summary(SESSION_END_INFO_TAG, session_end_info=end),
    )


def _checked(domains, settings):
    if not isinstance(domains, dict) or not all(
        name in settings
        and isinstance(values, list)
        and all(isinstance(value, type(settings[name])) for value in values)
        for name, values in domains.items()
    ):
        raise TypeError(_DOMAINS)
    return domains


def _kind(value):
    """A setting's type, and where a protocol buffer keeps it; truth values are numbers, too."""
    if isinstance(value, (int, float, Tensor)):
        return DataType.Value("DATA_TYPE_FLOAT64"), "number_value"
    if isinstance(value, str):
        return DataType.Value("DATA_TYPE_STRING"), "string_value"
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def _plain(value):
    return float(make_np(value).reshape(-1)[0]) if isinstance(value, Tensor) else value


def _summary(tag, **content):
    data = HParamsPluginData(version=PLUGIN_DATA_VERSION, **content).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=data)
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])

"""Building blocks: modules, containers, layers and losses, under PyTorch's names."""

from kuai.nn import functional as functional
from kuai.nn import init as init
from kuai.nn import modules as modules
from kuai.nn import parameter as parameter
from kuai.nn import utils as utils
from kuai.nn.activation import (
    CELU as CELU,
)
from kuai.nn.activation import (
    ELU as ELU,
)
from kuai.nn.activation import (
    GELU as GELU,
)
from kuai.nn.activation import (
    GLU as GLU,
)
from kuai.nn.activation import (
    SELU as SELU,
)
from kuai.nn.activation import (
    Hardshrink as Hardshrink,
)
from kuai.nn.activation import (
    Hardsigmoid as Hardsigmoid,
)
from kuai.nn.activation import (
    Hardswish as Hardswish,
)
from kuai.nn.activation import (
    Hardtanh as Hardtanh,
)
from kuai.nn.activation import (
    LeakyReLU as LeakyReLU,
)
from kuai.nn.activation import (
    LogSigmoid as LogSigmoid,
)
from kuai.nn.activation import (
    LogSoftmax as LogSoftmax,
)
from kuai.nn.activation import (
    Mish as Mish,
)
from kuai.nn.activation import (
    PReLU as PReLU,
)
from kuai.nn.activation import (
    ReLU as ReLU,
)
from kuai.nn.activation import (
    ReLU6 as ReLU6,
)
from kuai.nn.activation import (
    RReLU as RReLU,
)
from kuai.nn.activation import (
    Sigmoid as Sigmoid,
)
from kuai.nn.activation import (
    SiLU as SiLU,
)
from kuai.nn.activation import (
    Softmax as Softmax,
)
from kuai.nn.activation import (
    Softmax2d as Softmax2d,
)
from kuai.nn.activation import (
    Softmin as Softmin,
)
from kuai.nn.activation import (
    Softplus as Softplus,
)
from kuai.nn.activation import (
    Softshrink as Softshrink,
)
from kuai.nn.activation import (
    Softsign as Softsign,
)
from kuai.nn.activation import (
    Tanh as Tanh,
)
from kuai.nn.activation import (
    Tanhshrink as Tanhshrink,
)
from kuai.nn.activation import (
    Threshold as Threshold,
)
from kuai.nn.attention import (
    MultiheadAttention as MultiheadAttention,
)
from kuai.nn.containers import (
    ModuleDict as ModuleDict,
)
from kuai.nn.containers import (
    ModuleList as ModuleList,
)
from kuai.nn.containers import (
    Sequential as Sequential,
)
from kuai.nn.convolution import (
    Conv1d as Conv1d,
)
from kuai.nn.convolution import (
    Conv2d as Conv2d,
)
from kuai.nn.convolution import (
    Conv3d as Conv3d,
)
from kuai.nn.convolution import (
    ConvTranspose1d as ConvTranspose1d,
)
from kuai.nn.convolution import (
    ConvTranspose2d as ConvTranspose2d,
)
from kuai.nn.convolution import (
    ConvTranspose3d as ConvTranspose3d,
)
from kuai.nn.dropout import (
    AlphaDropout as AlphaDropout,
)
from kuai.nn.dropout import (
    Dropout as Dropout,
)
from kuai.nn.dropout import (
    Dropout1d as Dropout1d,
)
from kuai.nn.dropout import (
    Dropout2d as Dropout2d,
)
from kuai.nn.dropout import (
    Dropout3d as Dropout3d,
)
from kuai.nn.dropout import (
    FeatureAlphaDropout as FeatureAlphaDropout,
)
from kuai.nn.embedding import (
    Embedding as Embedding,
)
from kuai.nn.embedding import (
    EmbeddingBag as EmbeddingBag,
)
from kuai.nn.flatten import (
    Flatten as Flatten,
)
from kuai.nn.flatten import (
    Unflatten as Unflatten,
)
from kuai.nn.layer_normalization import (
    GroupNorm as GroupNorm,
)
from kuai.nn.layer_normalization import (
    LayerNorm as LayerNorm,
)
from kuai.nn.layer_normalization import (
    LocalResponseNorm as LocalResponseNorm,
)
from kuai.nn.layer_normalization import (
    RMSNorm as RMSNorm,
)
from kuai.nn.lazy_convolution import (
    LazyConv1d as LazyConv1d,
)
from kuai.nn.lazy_convolution import (
    LazyConv2d as LazyConv2d,
)
from kuai.nn.lazy_convolution import (
    LazyConv3d as LazyConv3d,
)
from kuai.nn.lazy_convolution import (
    LazyConvTranspose1d as LazyConvTranspose1d,
)
from kuai.nn.lazy_convolution import (
    LazyConvTranspose2d as LazyConvTranspose2d,
)
from kuai.nn.lazy_convolution import (
    LazyConvTranspose3d as LazyConvTranspose3d,
)
from kuai.nn.linear import (
    Bilinear as Bilinear,
)
from kuai.nn.linear import (
    Identity as Identity,
)
from kuai.nn.linear import (
    LazyLinear as LazyLinear,
)
from kuai.nn.linear import (
    Linear as Linear,
)
from kuai.nn.loss import (
    BCELoss as BCELoss,
)
from kuai.nn.loss import (
    BCEWithLogitsLoss as BCEWithLogitsLoss,
)
from kuai.nn.loss import (
    CosineEmbeddingLoss as CosineEmbeddingLoss,
)
from kuai.nn.loss import (
    CosineSimilarity as CosineSimilarity,
)
from kuai.nn.loss import (
    CrossEntropyLoss as CrossEntropyLoss,
)
from kuai.nn.loss import (
    GaussianNLLLoss as GaussianNLLLoss,
)
from kuai.nn.loss import (
    HingeEmbeddingLoss as HingeEmbeddingLoss,
)
from kuai.nn.loss import (
    HuberLoss as HuberLoss,
)
from kuai.nn.loss import (
    KLDivLoss as KLDivLoss,
)
from kuai.nn.loss import (
    L1Loss as L1Loss,
)
from kuai.nn.loss import (
    MarginRankingLoss as MarginRankingLoss,
)
from kuai.nn.loss import (
    MSELoss as MSELoss,
)
from kuai.nn.loss import (
    MultiLabelMarginLoss as MultiLabelMarginLoss,
)
from kuai.nn.loss import (
    MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss,
)
from kuai.nn.loss import (
    MultiMarginLoss as MultiMarginLoss,
)
from kuai.nn.loss import (
    NLLLoss as NLLLoss,
)
from kuai.nn.loss import (
    PairwiseDistance as PairwiseDistance,
)
from kuai.nn.loss import (
    PoissonNLLLoss as PoissonNLLLoss,
)
from kuai.nn.loss import (
    SmoothL1Loss as SmoothL1Loss,
)
from kuai.nn.loss import (
    SoftMarginLoss as SoftMarginLoss,
)
from kuai.nn.loss import (
    TripletMarginLoss as TripletMarginLoss,
)
from kuai.nn.loss import (
    TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss,
)
from kuai.nn.module import (
    Module as Module,
)
from kuai.nn.normalization import (
    BatchNorm1d as BatchNorm1d,
)
from kuai.nn.normalization import (
    BatchNorm2d as BatchNorm2d,
)
from kuai.nn.normalization import (
    BatchNorm3d as BatchNorm3d,
)
from kuai.nn.normalization import (
    InstanceNorm1d as InstanceNorm1d,
)
from kuai.nn.normalization import (
    InstanceNorm2d as InstanceNorm2d,
)
from kuai.nn.normalization import (
    InstanceNorm3d as InstanceNorm3d,
)
from kuai.nn.normalization import (
    LazyBatchNorm1d as LazyBatchNorm1d,
)
from kuai.nn.normalization import (
    LazyBatchNorm2d as LazyBatchNorm2d,
)
from kuai.nn.normalization import (
    LazyBatchNorm3d as LazyBatchNorm3d,
)
from kuai.nn.normalization import (
    LazyInstanceNorm1d as LazyInstanceNorm1d,
)
from kuai.nn.normalization import (
    LazyInstanceNorm2d as LazyInstanceNorm2d,
)
from kuai.nn.normalization import (
    LazyInstanceNorm3d as LazyInstanceNorm3d,
)
from kuai.nn.padding import (
    CircularPad1d as CircularPad1d,
)
from kuai.nn.padding import (
    CircularPad2d as CircularPad2d,
)
from kuai.nn.padding import (
    CircularPad3d as CircularPad3d,
)
from kuai.nn.padding import (
    ConstantPad1d as ConstantPad1d,
)
from kuai.nn.padding import (
    ConstantPad2d as ConstantPad2d,
)
from kuai.nn.padding import (
    ConstantPad3d as ConstantPad3d,
)
from kuai.nn.padding import (
    ReflectionPad1d as ReflectionPad1d,
)
from kuai.nn.padding import (
    ReflectionPad2d as ReflectionPad2d,
)
from kuai.nn.padding import (
    ReflectionPad3d as ReflectionPad3d,
)
from kuai.nn.padding import (
    ReplicationPad1d as ReplicationPad1d,
)
from kuai.nn.padding import (
    ReplicationPad2d as ReplicationPad2d,
)
from kuai.nn.padding import (
    ReplicationPad3d as ReplicationPad3d,
)
from kuai.nn.padding import (
    ZeroPad1d as ZeroPad1d,
)
from kuai.nn.padding import (
    ZeroPad2d as ZeroPad2d,
)
from kuai.nn.padding import (
    ZeroPad3d as ZeroPad3d,
)
from kuai.nn.parallel import (
    DataParallel as DataParallel,
)
from kuai.nn.parameter import (
    Buffer as Buffer,
)
from kuai.nn.parameter import (
    Parameter as Parameter,
)
from kuai.nn.parameter import (
    UninitializedBuffer as UninitializedBuffer,
)
from kuai.nn.parameter import (
    UninitializedParameter as UninitializedParameter,
)
from kuai.nn.parameter_containers import (
    ParameterDict as ParameterDict,
)
from kuai.nn.parameter_containers import (
    ParameterList as ParameterList,
)
from kuai.nn.pooling import (
    AdaptiveAvgPool1d as AdaptiveAvgPool1d,
)
from kuai.nn.pooling import (
    AdaptiveAvgPool2d as AdaptiveAvgPool2d,
)
from kuai.nn.pooling import (
    AdaptiveAvgPool3d as AdaptiveAvgPool3d,
)
from kuai.nn.pooling import (
    AdaptiveMaxPool1d as AdaptiveMaxPool1d,
)
from kuai.nn.pooling import (
    AdaptiveMaxPool2d as AdaptiveMaxPool2d,
)
from kuai.nn.pooling import (
    AdaptiveMaxPool3d as AdaptiveMaxPool3d,
)
from kuai.nn.pooling import (
    AvgPool1d as AvgPool1d,
)
from kuai.nn.pooling import (
    AvgPool2d as AvgPool2d,
)
from kuai.nn.pooling import (
    AvgPool3d as AvgPool3d,
)
from kuai.nn.pooling import (
    LPPool1d as LPPool1d,
)
from kuai.nn.pooling import (
    LPPool2d as LPPool2d,
)
from kuai.nn.pooling import (
    LPPool3d as LPPool3d,
)
from kuai.nn.pooling import (
    MaxPool1d as MaxPool1d,
)
from kuai.nn.pooling import (
    MaxPool2d as MaxPool2d,
)
from kuai.nn.pooling import (
    MaxPool3d as MaxPool3d,
)
from kuai.nn.recurrent import (
    GRU as GRU,
)
from kuai.nn.recurrent import (
    LSTM as LSTM,
)
from kuai.nn.recurrent import (
    RNN as RNN,
)
from kuai.nn.recurrent import (
    RNNBase as RNNBase,
)
from kuai.nn.recurrent_cells import (
    GRUCell as GRUCell,
)
from kuai.nn.recurrent_cells import (
    LSTMCell as LSTMCell,
)
from kuai.nn.recurrent_cells import (
    RNNCell as RNNCell,
)
from kuai.nn.recurrent_cells import (
    RNNCellBase as RNNCellBase,
)
from kuai.nn.transformer import (
    Transformer as Transformer,
)
from kuai.nn.transformer import (
    TransformerDecoder as TransformerDecoder,
)
from kuai.nn.transformer import (
    TransformerEncoder as TransformerEncoder,
)
from kuai.nn.transformer_layers import (
    TransformerDecoderLayer as TransformerDecoderLayer,
)
from kuai.nn.transformer_layers import (
    TransformerEncoderLayer as TransformerEncoderLayer,
)
from kuai.nn.vision import (
    ChannelShuffle as ChannelShuffle,
)
from kuai.nn.vision import (
    PixelShuffle as PixelShuffle,
)
from kuai.nn.vision import (
    PixelUnshuffle as PixelUnshuffle,
)
from kuai.nn.vision import (
    Upsample as Upsample,
)
from kuai.nn.vision import (
    UpsamplingBilinear2d as UpsamplingBilinear2d,
)
from kuai.nn.vision import (
    UpsamplingNearest2d as UpsamplingNearest2d,
)

"""Layers that Keras lacks."""

from fr_models.layers.axis_sum import AxisSum
from fr_models.layers.channel_shuffle import ChannelShuffle
from fr_models.layers.cross_covariance import CrossCovarianceAttention
from fr_models.layers.feature_norm import FeatureNorm
from fr_models.layers.fourier_position import FourierPosition
from fr_models.layers.fused_batch_norm import FusedBatchNormalization
from fr_models.layers.grouped_conv import GroupedConv2D
from fr_models.layers.hard_sigmoid import HardSigmoid
from fr_models.layers.hard_swish import HardSwish
from fr_models.layers.layer_scale import LayerScale
from fr_models.layers.nearest_resize import NearestResize
from fr_models.layers.norm_aware_pooling import NormAwarePooling
from fr_models.layers.patch_merging import PatchMerging
from fr_models.layers.position_embedding import PositionEmbedding
from fr_models.layers.prelu import ChannelPReLU
from fr_models.layers.relative_attention import RelativeAttention
from fr_models.layers.self_attention import SelfAttention
from fr_models.layers.split_channels import SplitChannels
from fr_models.layers.stochastic_depth import StochasticDepth
from fr_models.layers.window_attention import WindowAttention

__all__ = [
    "AxisSum",
    "ChannelPReLU",
    "ChannelShuffle",
    "CrossCovarianceAttention",
    "FeatureNorm",
    "FourierPosition",
    "FusedBatchNormalization",
    "GroupedConv2D",
    "HardSigmoid",
    "HardSwish",
    "LayerScale",
    "NearestResize",
    "NormAwarePooling",
    "PatchMerging",
    "PositionEmbedding",
    "RelativeAttention",
    "SelfAttention",
    "SplitChannels",
    "StochasticDepth",
    "WindowAttention",
]

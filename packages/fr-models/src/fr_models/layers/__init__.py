"""Layers that Keras lacks."""

from fr_models.layers.axis_sum import AxisSum
from fr_models.layers.feature_norm import FeatureNorm
from fr_models.layers.grouped_conv import GroupedConv2D
from fr_models.layers.hard_sigmoid import HardSigmoid
from fr_models.layers.hard_swish import HardSwish
from fr_models.layers.norm_aware_pooling import NormAwarePooling
from fr_models.layers.patch_merging import PatchMerging
from fr_models.layers.position_embedding import PositionEmbedding
from fr_models.layers.prelu import ChannelPReLU
from fr_models.layers.relative_attention import RelativeAttention
from fr_models.layers.self_attention import SelfAttention
from fr_models.layers.window_attention import WindowAttention

__all__ = [
    "AxisSum",
    "ChannelPReLU",
    "FeatureNorm",
    "GroupedConv2D",
    "HardSigmoid",
    "HardSwish",
    "NormAwarePooling",
    "PatchMerging",
    "PositionEmbedding",
    "RelativeAttention",
    "SelfAttention",
    "WindowAttention",
]

"""Layers that Keras lacks."""

from fr_models.layers.channel_shuffle import ChannelShuffle
from fr_models.layers.cross_covariance import CrossCovarianceAttention
from fr_models.layers.feature_norm import FeatureNorm
from fr_models.layers.fourier_position import FourierPosition
from fr_models.layers.fused_batch_norm import FusedBatchNormalization
from fr_models.layers.hard_sigmoid import HardSigmoid
from fr_models.layers.layer_scale import LayerScale
from fr_models.layers.nearest_resize import NearestResize
from fr_models.layers.norm_aware_pooling import NormAwarePooling
from fr_models.layers.prelu import ChannelPReLU
from fr_models.layers.split_channels import SplitChannels

__all__ = [
    "ChannelPReLU",
    "ChannelShuffle",
    "CrossCovarianceAttention",
    "FeatureNorm",
    "FourierPosition",
    "FusedBatchNormalization",
    "HardSigmoid",
    "LayerScale",
    "NearestResize",
    "NormAwarePooling",
    "SplitChannels",
]

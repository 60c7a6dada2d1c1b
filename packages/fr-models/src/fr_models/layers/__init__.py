"""Layers that Keras lacks."""

from fr_models.layers.feature_norm import FeatureNorm
from fr_models.layers.norm_aware_pooling import NormAwarePooling
from fr_models.layers.prelu import ChannelPReLU
from fr_models.layers.stochastic_depth import StochasticDepth

__all__ = ["ChannelPReLU", "FeatureNorm", "NormAwarePooling", "StochasticDepth"]

"""VarGFaceNet: convolutions in groups of 8 channels, however many there are, and an embedding by one of them.

As Keras_insightface builds it. The last grouped convolution covers the whole map, so that the feature map has
one place.
"""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.layers import GroupedConv2D

VAR_G_FACE_NET = Paper(
    "VarGFaceNet: An Efficient Variable Group Convolutional Neural Network for Lightweight Face Recognition",
    "https://arxiv.org/abs/1910.04985",
)
OPTIONS = Options("relu", bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit")
GROUP = 8
STEM_CHANNELS = 32
STACKS = ((3, 64), (7, 128), (4, 256))  # blocks and channels of each
LAST_CHANNELS = 1024


@register(VAR_G_FACE_NET, OPTIONS, least_size=16)
def vargface(x: Tensor, build: Builder) -> Tensor:
    """VarGFaceNet, with a feature map of one place and 1024 channels."""
    build = build.with_initializer(_he_fan_out)
    x = build.act(build.bn(build.conv(x, STEM_CHANNELS, 3, "stem_conv"), "stem_bn"), "stem_act")
    x = _block(x, build, STEM_CHANNELS, "stem_block", strides=2, expansion=1)
    for stack, (blocks, channels) in enumerate(STACKS, start=1):
        x = _block(x, build, channels, f"stack{stack}_block1", strides=2, is_merged=True)
        for block in range(2, blocks + 1):
            x = _block(x, build, channels, f"stack{stack}_block{block}")
    x = build.bn(build.conv(x, LAST_CHANNELS, 1, "last_conv"), "last_bn")
    x = build.act(x, "last_act")
    x = GroupedConv2D(
        LAST_CHANNELS,
        tuple(x.shape[1:3]),
        groups=LAST_CHANNELS // GROUP,
        use_bias=False,
        kernel_initializer=_he_fan_out(),
        name="last_grouped",
    )(x)
    return build.bn(x, "last_grouped_bn")


def _he_fan_out() -> Any:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def _block(
    x: Tensor,
    build: Builder,
    channels: int,
    name: str,
    strides: int = 1,
    expansion: int = 2,
    is_merged: bool = False,
) -> Tensor:
    """Two separable convolutions beside a shortcut, which is a third one if the block has strides.

    A merged block adds two of them before the second.
    """
    shortcut = x
    if strides > 1:
        shortcut = _separable(x, build, channels, f"{name}_shortcut", strides, expansion)
    if is_merged:
        branches = [
            _separable(x, build, channels, f"{name}_1{branch}", strides, expansion) for branch in ("a", "b")
        ]
        x = keras.layers.Add(name=f"{name}_merge")(branches)
    else:
        x = _separable(x, build, channels, f"{name}_1", strides, expansion)
    x = build.act(x, f"{name}_1_act")
    x = _separable(x, build, channels, f"{name}_2", 1, expansion)
    return build.act(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_act")


def _separable(x: Tensor, build: Builder, channels: int, name: str, strides: int, expansion: int) -> Tensor:
    """3x3 in groups, BN, activation, 1x1, BN."""
    inputs = int(x.shape[-1])
    x = build.conv(x, inputs * expansion, 3, f"{name}_grouped", strides=strides, groups=inputs // GROUP)
    x = build.act(build.bn(x, f"{name}_grouped_bn"), f"{name}_grouped_act")
    return build.bn(build.conv(x, channels, 1, f"{name}_conv"), f"{name}_bn")

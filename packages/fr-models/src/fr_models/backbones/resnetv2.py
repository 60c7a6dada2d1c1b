"""ResNetV2, as in keras.applications: BN and activation come first; a stack is strided in its last block."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register

RESNETV2 = Paper("Identity Mappings in Deep Residual Networks", "https://arxiv.org/abs/1603.05027")
OPTIONS = Options(bn_epsilon=1.001e-5, padding="explicit")
CHANNELS = (64, 128, 256, 512)
EXPANSION = 4


@register(RESNETV2, OPTIONS, least_size=32)
def resnet50v2(x: Tensor, build: Builder) -> Tensor:
    """ResNet-50 V2."""
    return resnetv2(x, build, (3, 4, 6, 3))


@register(RESNETV2, OPTIONS, least_size=32)
def resnet101v2(x: Tensor, build: Builder) -> Tensor:
    """ResNet-101 V2."""
    return resnetv2(x, build, (3, 4, 23, 3))


@register(RESNETV2, OPTIONS, least_size=32)
def resnet152v2(x: Tensor, build: Builder) -> Tensor:
    """ResNet-152 V2."""
    return resnetv2(x, build, (3, 8, 36, 3))


def resnetv2(x: Tensor, build: Builder, depths: tuple[int, int, int, int]) -> Tensor:
    """Lay the stem, four stacks, BN and activation.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    depths : tuple of int
        Blocks of each stack.
    """
    x = build.conv(x, 64, 7, "stem_conv", strides=2, use_bias=True)
    # Explicit zeros hide what is negative at the edges, as they do in keras.applications.
    x = build.max_pool(x, 3, "stem_pool", strides=2)
    for stack, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True), start=1):
        for block in range(1, depth + 1):
            strides = 2 if block == depth and stack < len(depths) else 1
            x = _block(x, build, channels, strides, block == 1, f"stack{stack}_block{block}")
    return build.act(build.bn(x, "last_bn"), "last_act")


def _block(x: Tensor, build: Builder, channels: int, strides: int, project: bool, name: str) -> Tensor:
    """BN, activation, 1x1, BN, activation, strided 3x3, BN, activation, 1x1."""
    shortcut = x
    x = build.act(build.bn(x, f"{name}_1_bn"), f"{name}_1_act")
    if project:
        shortcut = build.conv(
            x, EXPANSION * channels, 1, f"{name}_shortcut_conv", strides=strides, use_bias=True
        )
    elif strides > 1:
        shortcut = keras.layers.MaxPooling2D(1, strides=strides, name=f"{name}_shortcut_pool")(shortcut)
    x = build.conv(x, channels, 1, f"{name}_1_conv")
    x = build.act(build.bn(x, f"{name}_2_bn"), f"{name}_2_act")
    x = build.conv(x, channels, 3, f"{name}_2_conv", strides=strides)
    x = build.act(build.bn(x, f"{name}_3_bn"), f"{name}_3_act")
    x = build.conv(x, EXPANSION * channels, 1, f"{name}_3_conv", use_bias=True)
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])

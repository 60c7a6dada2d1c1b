"""ResNet, as in keras.applications: convolutions with biases, and strides in the first 1x1 of a block."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register

RESNET = Paper("Deep Residual Learning for Image Recognition", "https://arxiv.org/abs/1512.03385")
OPTIONS = Options(bn_epsilon=1.001e-5, padding="explicit")
CHANNELS = (64, 128, 256, 512)
EXPANSION = 4


@register(RESNET, OPTIONS, least_size=32)
def resnet50(x: Tensor, build: Builder) -> Tensor:
    """ResNet-50."""
    return resnet(x, build, (3, 4, 6, 3))


@register(RESNET, OPTIONS, least_size=32)
def resnet101(x: Tensor, build: Builder) -> Tensor:
    """ResNet-101."""
    return resnet(x, build, (3, 4, 23, 3))


@register(RESNET, OPTIONS, least_size=32)
def resnet152(x: Tensor, build: Builder) -> Tensor:
    """ResNet-152."""
    return resnet(x, build, (3, 8, 36, 3))


def resnet(x: Tensor, build: Builder, depths: tuple[int, int, int, int]) -> Tensor:
    """Lay the stem and four stacks.

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
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    x = build.max_pool(x, 3, "stem_pool", strides=2)
    for stack, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True), start=1):
        for block in range(1, depth + 1):
            strides = 2 if block == 1 and stack > 1 else 1
            x = _block(x, build, channels, strides, f"stack{stack}_block{block}")
    return x


def _block(x: Tensor, build: Builder, channels: int, strides: int, name: str) -> Tensor:
    """Strided 1x1, 3x3 and 1x1, each with BN and activation, the last activation after the sum."""
    shortcut = x
    if strides > 1 or x.shape[-1] != EXPANSION * channels:
        shortcut = build.conv(
            x, EXPANSION * channels, 1, f"{name}_shortcut_conv", strides=strides, use_bias=True
        )
        shortcut = build.bn(shortcut, f"{name}_shortcut_bn")
    x = build.conv(x, channels, 1, f"{name}_1_conv", strides=strides, use_bias=True)
    x = build.act(build.bn(x, f"{name}_1_bn"), f"{name}_1_act")
    x = build.conv(x, channels, 3, f"{name}_2_conv", use_bias=True)
    x = build.act(build.bn(x, f"{name}_2_bn"), f"{name}_2_act")
    x = build.conv(x, EXPANSION * channels, 1, f"{name}_3_conv", use_bias=True)
    x = build.bn(x, f"{name}_3_bn")
    return build.act(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_act")

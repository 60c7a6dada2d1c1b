"""IResNet: the residual networks of ArcFace, with batch normalisation first in each block.

The stem keeps the size of its input, and the first block of every stack halves it: 112 pixels end in a map of
7 x 7.
"""

from __future__ import annotations

from dataclasses import replace

from tensorflow import keras

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register

ARCFACE = Paper(
    "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", "https://arxiv.org/abs/1801.07698"
)
OPTIONS = Options(
    "prelu", use_se=False, use_max_pool=False, bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit"
)
WITH_SE = replace(OPTIONS, use_se=True)
CHANNELS = (64, 128, 256, 512)
SE_RATIO = 16


@register(ARCFACE, OPTIONS, least_size=16)
def r18(x: Tensor, build: Builder) -> Tensor:
    """IResNet-18."""
    return iresnet(x, build, (2, 2, 2, 2))


@register(ARCFACE, OPTIONS, least_size=16)
def r34(x: Tensor, build: Builder) -> Tensor:
    """IResNet-34."""
    return iresnet(x, build, (3, 4, 6, 3))


@register(ARCFACE, OPTIONS, least_size=16)
def r50(x: Tensor, build: Builder) -> Tensor:
    """IResNet-50, with the 14 blocks of insightface in its third stack."""
    return iresnet(x, build, (3, 4, 14, 3))


@register(ARCFACE, OPTIONS, least_size=16)
def r100(x: Tensor, build: Builder) -> Tensor:
    """IResNet-100, with the 13 and 30 blocks of insightface."""
    return iresnet(x, build, (3, 13, 30, 3))


@register(ARCFACE, OPTIONS, least_size=16)
def r101(x: Tensor, build: Builder) -> Tensor:
    """IResNet-101, with the depths of ResNet-101."""
    return iresnet(x, build, (3, 4, 23, 3))


@register(ARCFACE, OPTIONS, least_size=16)
def r152(x: Tensor, build: Builder) -> Tensor:
    """IResNet-152, with the depths of ResNet-152."""
    return iresnet(x, build, (3, 8, 36, 3))


@register(ARCFACE, OPTIONS, least_size=16)
def r200(x: Tensor, build: Builder) -> Tensor:
    """IResNet-200, with the depths of insightface."""
    return iresnet(x, build, (6, 26, 60, 6))


@register(ARCFACE, WITH_SE, least_size=16)
def se_r18(x: Tensor, build: Builder) -> Tensor:
    """IR-SE-18."""
    return iresnet(x, build, (2, 2, 2, 2))


@register(ARCFACE, WITH_SE, least_size=16)
def se_r34(x: Tensor, build: Builder) -> Tensor:
    """IR-SE-34."""
    return iresnet(x, build, (3, 4, 6, 3))


@register(ARCFACE, WITH_SE, least_size=16)
def se_r50(x: Tensor, build: Builder) -> Tensor:
    """IR-SE-50."""
    return iresnet(x, build, (3, 4, 14, 3))


@register(ARCFACE, WITH_SE, least_size=16)
def se_r100(x: Tensor, build: Builder) -> Tensor:
    """IR-SE-100."""
    return iresnet(x, build, (3, 13, 30, 3))


@register(ARCFACE, WITH_SE, least_size=16)
def se_r101(x: Tensor, build: Builder) -> Tensor:
    """IR-SE-101."""
    return iresnet(x, build, (3, 4, 23, 3))


def iresnet(x: Tensor, build: Builder, depths: tuple[int, int, int, int]) -> Tensor:
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
    build = build.with_initializer(he_fan_out)
    x = build.act(build.bn(build.conv(x, 64, 3, "stem_conv"), "stem_bn"), "stem_act")
    for stack, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True), start=1):
        for block in range(1, depth + 1):
            x = _block(x, build, channels, 2 if block == 1 else 1, f"stack{stack}_block{block}")
    return x


def _block(x: Tensor, build: Builder, channels: int, strides: int, name: str) -> Tensor:
    """BN, 3x3, BN, activation, strided 3x3, BN, and squeeze-and-excitation if chosen."""
    shortcut = x
    if build.options.use_max_pool and x.shape[-1] == channels:
        if strides > 1:
            shortcut = keras.layers.MaxPooling2D(1, strides=strides, name=f"{name}_shortcut_pool")(x)
    elif strides > 1 or x.shape[-1] != channels:
        shortcut = build.conv(x, channels, 1, f"{name}_shortcut_conv", strides=strides)
        shortcut = build.bn(shortcut, f"{name}_shortcut_bn")
    x = build.bn(x, f"{name}_1_bn")
    x = build.conv(x, channels, 3, f"{name}_1_conv")
    x = build.bn(x, f"{name}_2_bn")
    x = build.act(x, f"{name}_2_act")
    x = build.conv(x, channels, 3, f"{name}_2_conv", strides=strides)
    x = build.bn(x, f"{name}_3_bn")
    if build.options.use_se:
        x = build.squeeze_excite(x, channels // SE_RATIO, f"{name}_se")
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])

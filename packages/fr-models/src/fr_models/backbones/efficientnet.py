"""EfficientNet, as in keras.applications, without its preprocessing and stochastic depth."""

from __future__ import annotations

import math

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._inverted_residual import divisible_by_8, inverted_residual

EFFICIENTNET = Paper(
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    "https://arxiv.org/abs/1905.11946",
)
OPTIONS = Options("swish")
SE_RATIO = 4

# table 1 of the paper: kernel size, expansion, channels, repeats, strides of the first
STACKS = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb0(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B0."""
    return efficientnet(x, build, 1.0, 1.0)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb1(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B1."""
    return efficientnet(x, build, 1.0, 1.1)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb2(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B2."""
    return efficientnet(x, build, 1.1, 1.2)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb3(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B3."""
    return efficientnet(x, build, 1.2, 1.4)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb4(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B4."""
    return efficientnet(x, build, 1.4, 1.8)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb5(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B5."""
    return efficientnet(x, build, 1.6, 2.2)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb6(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B6."""
    return efficientnet(x, build, 1.8, 2.6)


@register(EFFICIENTNET, OPTIONS, least_size=32)
def efficientnetb7(x: Tensor, build: Builder) -> Tensor:
    """EfficientNet-B7."""
    return efficientnet(x, build, 2.0, 3.1)


def efficientnet(x: Tensor, build: Builder, width: float, depth: float) -> Tensor:
    """Lay the stem, seven stacks and a 1x1 convolution.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    width, depth : float
        How many times the channels, rounded to multiples of 8, and the blocks, rounded up, of B0.
    """
    build = build.with_initializer(he_fan_out)
    x = build.conv(x, divisible_by_8(32 * width), 3, "stem_conv", strides=2)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for stack, (size, expansion, channels, repeats, first_strides) in enumerate(STACKS, start=1):
        for block in range(1, math.ceil(depth * repeats) + 1):
            inputs = int(x.shape[-1])
            x = inverted_residual(
                x,
                build,
                expansion * inputs,
                divisible_by_8(channels * width),
                size,
                first_strides if block == 1 else 1,
                f"stack{stack}_block{block}",
                squeezed=inputs // SE_RATIO,
            )
    x = build.conv(x, divisible_by_8(1280 * width), 1, "last_conv")
    return build.act(build.bn(x, "last_bn"), "last_act")

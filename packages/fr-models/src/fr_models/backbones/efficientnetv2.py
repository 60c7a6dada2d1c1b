"""EfficientNetV2, as in keras.applications, without its preprocessing and stochastic depth; and T."""

from __future__ import annotations

import math
from typing import NamedTuple

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._inverted_residual import inverted_residual, with_shortcut

EFFICIENTNETV2 = Paper(
    "EfficientNetV2: Smaller Models and Faster Training", "https://arxiv.org/abs/2104.00298"
)
OPTIONS = Options("swish", bn_momentum=0.9)
SE_RATIO = 4


class Stack(NamedTuple):
    """Blocks of one size: those that are fused have one 3x3 in place of a 1x1 and a depthwise one."""

    fused: bool
    repeats: int
    channels: int
    expansion: int
    strides: int


B0 = (
    Stack(True, 1, 16, 1, 1),
    Stack(True, 2, 32, 4, 2),
    Stack(True, 2, 48, 4, 2),
    Stack(False, 3, 96, 4, 2),
    Stack(False, 5, 112, 6, 1),
    Stack(False, 8, 192, 6, 2),
)
T = (
    Stack(True, 2, 24, 1, 1),
    Stack(True, 4, 40, 4, 2),
    Stack(True, 4, 48, 4, 2),
    Stack(False, 6, 104, 4, 2),
    Stack(False, 9, 128, 6, 1),
    Stack(False, 14, 208, 6, 2),
)
S = (
    Stack(True, 2, 24, 1, 1),
    Stack(True, 4, 48, 4, 2),
    Stack(True, 4, 64, 4, 2),
    Stack(False, 6, 128, 4, 2),
    Stack(False, 9, 160, 6, 1),
    Stack(False, 15, 256, 6, 2),
)
M = (
    Stack(True, 3, 24, 1, 1),
    Stack(True, 5, 48, 4, 2),
    Stack(True, 5, 80, 4, 2),
    Stack(False, 7, 160, 4, 2),
    Stack(False, 14, 176, 6, 1),
    Stack(False, 18, 304, 6, 2),
    Stack(False, 5, 512, 6, 1),
)
L = (
    Stack(True, 4, 32, 1, 1),
    Stack(True, 7, 64, 4, 2),
    Stack(True, 7, 96, 4, 2),
    Stack(False, 10, 192, 4, 2),
    Stack(False, 19, 224, 6, 1),
    Stack(False, 25, 384, 6, 2),
    Stack(False, 7, 640, 6, 1),
)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2b0(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-B0."""
    return efficientnetv2(x, build, B0, 32, 1280)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2b1(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-B1."""
    return efficientnetv2(x, build, _scaled(B0, 1.0, 1.1), 32, 1280)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2b2(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-B2."""
    return efficientnetv2(x, build, _scaled(B0, 1.1, 1.2), 32, 1408)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2b3(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-B3."""
    return efficientnetv2(x, build, _scaled(B0, 1.2, 1.4), 40, 1536)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2t(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-T, timm's efficientnetv2_rw_t: S of 0.8 times the channels and 0.9 times the blocks."""
    return efficientnetv2(x, build, T, 24, 1024)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2s(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-S."""
    return efficientnetv2(x, build, S, 24, 1280)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2m(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-M."""
    return efficientnetv2(x, build, M, 24, 1280)


@register(EFFICIENTNETV2, OPTIONS, least_size=32)
def efficientnetv2l(x: Tensor, build: Builder) -> Tensor:
    """EfficientNetV2-L."""
    return efficientnetv2(x, build, L, 32, 1280)


def efficientnetv2(
    x: Tensor, build: Builder, stacks: tuple[Stack, ...], stem_channels: int, last_channels: int
) -> Tensor:
    """Lay the stem, the stacks and a 1x1 convolution.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    stacks : tuple of Stack
        What is between.
    stem_channels, last_channels : int
        Channels of the first and of the last convolution.
    """
    build = build.with_initializer(he_fan_out)
    x = build.conv(x, stem_channels, 3, "stem_conv", strides=2)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for number, stack in enumerate(stacks, start=1):
        for block in range(1, stack.repeats + 1):
            inputs = int(x.shape[-1])
            expanded = stack.expansion * inputs
            strides = stack.strides if block == 1 else 1
            name = f"stack{number}_block{block}"
            if stack.fused:
                x = _fused(x, build, expanded, stack.channels, strides, name)
            else:
                x = inverted_residual(
                    x, build, expanded, stack.channels, 3, strides, name, squeezed=inputs // SE_RATIO
                )
    x = build.conv(x, last_channels, 1, "last_conv")
    return build.act(build.bn(x, "last_bn"), "last_act")


def _scaled(stacks: tuple[Stack, ...], width: float, depth: float) -> tuple[Stack, ...]:
    """Round channels to the nearest multiple of 8, and blocks up."""
    return tuple(
        stack._replace(
            channels=max(8, int(stack.channels * width + 4) // 8 * 8),
            repeats=math.ceil(stack.repeats * depth),
        )
        for stack in stacks
    )


def _fused(x: Tensor, build: Builder, expanded: int, channels: int, strides: int, name: str) -> Tensor:
    """Strided 3x3 and 1x1, or one 3x3 where nothing is expanded."""
    shortcut = x
    if expanded == x.shape[-1]:
        x = build.conv(x, channels, 3, f"{name}_conv", strides=strides)
        x = build.act(build.bn(x, f"{name}_bn"), f"{name}_act")
    else:
        x = build.conv(x, expanded, 3, f"{name}_expand", strides=strides)
        x = build.act(build.bn(x, f"{name}_expand_bn"), f"{name}_expand_act")
        x = build.bn(build.conv(x, channels, 1, f"{name}_project"), f"{name}_project_bn")
    return with_shortcut(x, shortcut, name)

"""ResNeXt of 32 groups of 4 channels, without and with squeeze-and-excitation."""

from __future__ import annotations

from dataclasses import replace

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._bottleneck import conv_middle, stack, stem

RESNEXT = Paper(
    "Aggregated Residual Transformations for Deep Neural Networks", "https://arxiv.org/abs/1611.05431"
)
SENET = Paper("Squeeze-and-Excitation Networks", "https://arxiv.org/abs/1709.01507")
OPTIONS = Options(use_se=False, bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit")
WITH_SE = replace(OPTIONS, use_se=True)
GROUPS = 32
WIDTHS = (128, 256, 512, 1024)


@register(RESNEXT, OPTIONS, least_size=32)
def resnext50(x: Tensor, build: Builder) -> Tensor:
    """ResNeXt-50 (32x4d)."""
    return resnext(x, build, (3, 4, 6, 3))


@register(RESNEXT, OPTIONS, least_size=32)
def resnext101(x: Tensor, build: Builder) -> Tensor:
    """ResNeXt-101 (32x4d)."""
    return resnext(x, build, (3, 4, 23, 3))


@register(SENET, WITH_SE, least_size=32)
def se_resnext50(x: Tensor, build: Builder) -> Tensor:
    """SE-ResNeXt-50 (32x4d)."""
    return resnext(x, build, (3, 4, 6, 3))


@register(SENET, WITH_SE, least_size=32)
def se_resnext101(x: Tensor, build: Builder) -> Tensor:
    """SE-ResNeXt-101 (32x4d)."""
    return resnext(x, build, (3, 4, 23, 3))


def resnext(x: Tensor, build: Builder, depths: tuple[int, int, int, int]) -> Tensor:
    """Lay the stem and four stacks, strides in the 3x3.

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
    x = stem(x, build)
    for number, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True), start=1):
        x = stack(x, build, number, depth, width, conv_middle(GROUPS))
    return x

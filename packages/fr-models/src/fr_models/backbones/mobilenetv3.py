"""MobileNetV3, as in keras.applications, up to the last map.

The activation of the options is that of the blocks with hard swish; those with ReLU keep it.
"""

from __future__ import annotations

from typing import NamedTuple

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._inverted_residual import divisible_by_8, inverted_residual

MOBILENETV3 = Paper("Searching for MobileNetV3", "https://arxiv.org/abs/1905.02244")
OPTIONS = Options("hard_swish", bn_momentum=0.999)
SE_RATIO = 4


class _Block(NamedTuple):
    """A line of tables 1 and 2 of the paper."""

    size: int
    expanded: int
    channels: int
    with_se: bool
    hard_swish: bool
    strides: int


SMALL = (
    _Block(3, 16, 16, True, False, 2),
    _Block(3, 72, 24, False, False, 2),
    _Block(3, 88, 24, False, False, 1),
    _Block(5, 96, 40, True, True, 2),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 120, 48, True, True, 1),
    _Block(5, 144, 48, True, True, 1),
    _Block(5, 288, 96, True, True, 2),
    _Block(5, 576, 96, True, True, 1),
    _Block(5, 576, 96, True, True, 1),
)
LARGE = (
    _Block(3, 16, 16, False, False, 1),
    _Block(3, 64, 24, False, False, 2),
    _Block(3, 72, 24, False, False, 1),
    _Block(5, 72, 40, True, False, 2),
    _Block(5, 120, 40, True, False, 1),
    _Block(5, 120, 40, True, False, 1),
    _Block(3, 240, 80, False, True, 2),
    _Block(3, 200, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 480, 112, True, True, 1),
    _Block(3, 672, 112, True, True, 1),
    _Block(5, 672, 160, True, True, 2),
    _Block(5, 960, 160, True, True, 1),
    _Block(5, 960, 160, True, True, 1),
)


@register(MOBILENETV3, OPTIONS, least_size=32)
def mobilenetv3_small(x: Tensor, build: Builder) -> Tensor:
    """MobileNetV3-Small of width 1."""
    return _mobilenetv3(x, build, SMALL)


@register(MOBILENETV3, OPTIONS, least_size=32)
def mobilenetv3_large(x: Tensor, build: Builder) -> Tensor:
    """MobileNetV3-Large of width 1."""
    return _mobilenetv3(x, build, LARGE)


def _mobilenetv3(x: Tensor, build: Builder, blocks: tuple[_Block, ...]) -> Tensor:
    x = build.conv(x, 16, 3, "stem_conv", strides=2)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for number, block in enumerate(blocks, start=1):
        x = inverted_residual(
            x,
            build,
            block.expanded,
            block.channels,
            block.size,
            block.strides,
            f"block{number}",
            squeezed=divisible_by_8(block.expanded / SE_RATIO) if block.with_se else 0,
            activation=None if block.hard_swish else "relu",
            squeezed_activation="relu",
            gate="hard_sigmoid",
        )
    x = build.conv(x, 6 * int(x.shape[-1]), 1, "last_conv")
    return build.act(build.bn(x, "last_bn"), "last_act")

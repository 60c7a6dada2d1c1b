"""MobileNet: depthwise and 1x1 convolutions in turn, as in keras.applications."""

from __future__ import annotations

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register

MOBILENET = Paper(
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "https://arxiv.org/abs/1704.04861",
)
OPTIONS = Options("relu6", padding="trailing")

# channels and strides of each block
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


@register(MOBILENET, OPTIONS, least_size=32)
def mobilenet(x: Tensor, build: Builder) -> Tensor:
    """MobileNet of width 1; a map of 3 x 3 for 112 pixels."""
    return _mobilenet(x, build, stem_strides=2)


@register(MOBILENET, OPTIONS, least_size=16)
def mobilenet_m1(x: Tensor, build: Builder) -> Tensor:
    """MobileNet of width 1 whose stem keeps the size; a map of 7 x 7 for 112 pixels."""
    return _mobilenet(x, build, stem_strides=1)


def _mobilenet(x: Tensor, build: Builder, stem_strides: int) -> Tensor:
    x = build.conv(x, 32, 3, "stem_conv", strides=stem_strides)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for block, (channels, strides) in enumerate(BLOCKS, start=1):
        name = f"block{block}"
        x = build.depthwise(x, 3, f"{name}_depthwise", strides=strides)
        x = build.act(build.bn(x, f"{name}_depthwise_bn"), f"{name}_depthwise_act")
        x = build.conv(x, channels, 1, f"{name}_pointwise")
        x = build.act(build.bn(x, f"{name}_pointwise_bn"), f"{name}_pointwise_act")
    return x

"""MobileNetV2, as in keras.applications."""

from __future__ import annotations

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._inverted_residual import inverted_residual

MOBILENETV2 = Paper(
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks", "https://arxiv.org/abs/1801.04381"
)
OPTIONS = Options("relu6", bn_momentum=0.999)

# table 2 of the paper: expansion, channels, repeats, strides of the first
STACKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@register(MOBILENETV2, OPTIONS, least_size=32)
def mobilenetv2(x: Tensor, build: Builder) -> Tensor:
    """MobileNetV2 of width 1."""
    x = build.conv(x, 32, 3, "stem_conv", strides=2)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for stack, (expansion, channels, repeats, first_strides) in enumerate(STACKS, start=1):
        for block in range(1, repeats + 1):
            strides = first_strides if block == 1 else 1
            expanded = expansion * int(x.shape[-1])
            x = inverted_residual(x, build, expanded, channels, 3, strides, f"stack{stack}_block{block}")
    x = build.conv(x, 1280, 1, "last_conv")
    return build.act(build.bn(x, "last_bn"), "last_act")

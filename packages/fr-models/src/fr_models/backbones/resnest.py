"""ResNeSt: ResNet with split attention, three convolutions in its stem, and averages in place of strides."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._bottleneck import stack
from fr_models.layers.axis_sum import AxisSum

RESNEST = Paper("ResNeSt: Split-Attention Networks", "https://arxiv.org/abs/2004.08955")
OPTIONS = Options(bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit")
WIDTHS = (64, 128, 256, 512)
RADIX = 2
ATTENTION_RATIO = 4


@register(RESNEST, OPTIONS, least_size=32)
def resnest50(x: Tensor, build: Builder) -> Tensor:
    """ResNeSt-50 (2s1x64d)."""
    return resnest(x, build, (3, 4, 6, 3), stem_width=32)


@register(RESNEST, OPTIONS, least_size=32)
def resnest101(x: Tensor, build: Builder) -> Tensor:
    """ResNeSt-101 (2s1x64d), with twice the channels in its stem."""
    return resnest(x, build, (3, 4, 23, 3), stem_width=64)


def resnest(x: Tensor, build: Builder, depths: tuple[int, int, int, int], stem_width: int) -> Tensor:
    """Lay the stem and four stacks.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    depths : tuple of int
        Blocks of each stack.
    stem_width : int
        Channels of the first two convolutions, half of those of the third.
    """
    build = build.with_initializer(he_fan_out)
    for conv, (channels, strides) in enumerate(
        ((stem_width, 2), (stem_width, 1), (2 * stem_width, 1)), start=1
    ):
        x = build.conv(x, channels, 3, f"stem_{conv}_conv", strides=strides)
        x = build.act(build.bn(x, f"stem_{conv}_bn"), f"stem_{conv}_act")
    x = build.max_pool(x, 3, "stem_pool", strides=2)
    for number, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True), start=1):
        x = stack(x, build, number, depth, width, _split_attention, average_down=True)
    return x


def _split_attention(x: Tensor, build: Builder, strides: int, name: str) -> Tensor:
    """Two maps, summed with weights of each channel that two dense layers make of the means (section 3.1)."""
    channels = int(x.shape[-1])
    height, width = x.shape[1:3]
    x = build.conv(x, RADIX * channels, 3, f"{name}_conv", groups=RADIX)
    x = build.act(build.bn(x, f"{name}_bn"), f"{name}_act")
    splits = keras.layers.Reshape((height, width, RADIX, channels), name=f"{name}_splits")(x)
    weights = AxisSum(-2, name=f"{name}_sum")(splits)
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(weights)
    weights = build.conv(
        weights, max(RADIX * channels // ATTENTION_RATIO, 32), 1, f"{name}_squeeze", use_bias=True
    )
    weights = build.act(build.bn(weights, f"{name}_squeeze_bn"), f"{name}_squeeze_act")
    weights = build.conv(weights, RADIX * channels, 1, f"{name}_excite", use_bias=True)
    weights = keras.layers.Reshape((1, 1, RADIX, channels), name=f"{name}_weights")(weights)
    weights = keras.layers.Softmax(axis=-2, name=f"{name}_softmax")(weights)
    x = AxisSum(-2, name=f"{name}_attended")(keras.layers.Multiply(name=f"{name}_weighed")([splits, weights]))
    return build.average_pool(x, 3, f"{name}_pool", strides=strides) if strides > 1 else x

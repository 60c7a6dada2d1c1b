"""BoTNet: ResNet-50 whose last stack has attention among all places instead of 3x3 convolutions."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._bottleneck import conv_middle, stack, stem
from fr_models.layers.relative_attention import RelativeAttention

BOTNET = Paper("Bottleneck Transformers for Visual Recognition", "https://arxiv.org/abs/2101.11605")
OPTIONS = Options(use_se=False, bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit")
HEADS = 4


@register(BOTNET, OPTIONS, least_size=32)
def botnet50(x: Tensor, build: Builder) -> Tensor:
    """BoTNet-50, strided in its last stack as ResNet-50."""
    build = build.with_initializer(he_fan_out)
    x = stem(x, build)
    for number, (depth, width) in enumerate(((3, 64), (4, 128), (6, 256)), start=1):
        x = stack(x, build, number, depth, width, conv_middle(groups=1))
    return stack(x, build, 4, 3, 512, _attention)


def _attention(x: Tensor, build: Builder, strides: int, name: str) -> Tensor:
    """Attention of four heads, averaged over 2x2 where it is strided, BN and activation."""
    x = build.conv(x, 3 * int(x.shape[-1]), 1, f"{name}_qkv")
    x = RelativeAttention(HEADS, name=f"{name}_attention")(x)
    if strides > 1:
        x = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
    return build.act(build.bn(x, f"{name}_bn"), f"{name}_act")

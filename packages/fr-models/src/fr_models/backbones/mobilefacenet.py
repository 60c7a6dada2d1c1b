"""MobileFaceNet: inverted residuals with PReLU, for faces on telephones.

As Keras_insightface builds it: a pointwise convolution of 4,096 parameters follows the stem's depthwise
convolution, where the paper has the depthwise one alone. The paper's 1x1 convolution to 512 channels is
`create`'s ``pointwise=512``, and its linear global depthwise convolution is head GDC.
"""

from __future__ import annotations

from dataclasses import replace

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register

MOBILE_FACE_NET = Paper(
    "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices",
    "https://arxiv.org/abs/1804.07573",
)
OPTIONS = Options("prelu", use_se=False)
# of each stack: expansion of the channels, channels, blocks, strides of the first block
STACKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
SE_RATIO = 16


@register(MOBILE_FACE_NET, OPTIONS, least_size=16)
def mobilefacenet(x: Tensor, build: Builder) -> Tensor:
    """MobileFaceNet."""
    return _lay(x, build)


@register(MOBILE_FACE_NET, replace(OPTIONS, use_se=True), least_size=16)
def se_mobilefacenet(x: Tensor, build: Builder) -> Tensor:
    """MobileFaceNet with squeeze-and-excitation after each block's last convolution."""
    return _lay(x, build)


def _lay(x: Tensor, build: Builder) -> Tensor:
    x = _conv(x, build, 64, 3, "stem", strides=2)
    x = build.depthwise(x, 3, "stem_depthwise")
    x = _conv(x, build, 64, 1, "stem_pointwise")
    for stack, (expansion, channels, blocks, strides) in enumerate(STACKS, start=1):
        for block in range(1, blocks + 1):
            name = f"stack{stack}_block{block}"
            x = _block(x, build, expansion, channels, strides if block == 1 else 1, block > 1, name)
    return x


def _conv(x: Tensor, build: Builder, channels: int, size: int, name: str, strides: int = 1) -> Tensor:
    x = build.bn(build.conv(x, channels, size, f"{name}_conv", strides=strides), f"{name}_bn")
    return build.act(x, f"{name}_act")


def _block(
    x: Tensor, build: Builder, expansion: int, channels: int, strides: int, is_residual: bool, name: str
) -> Tensor:
    """Expand, convolve depthwise, and project linearly; the first block of a stack has no shortcut."""
    shortcut = x
    x = _conv(x, build, expansion * int(x.shape[-1]), 1, f"{name}_expand")
    x = build.bn(build.depthwise(x, 3, f"{name}_depthwise", strides=strides), f"{name}_depthwise_bn")
    x = build.act(x, f"{name}_depthwise_act")
    x = build.bn(build.conv(x, channels, 1, f"{name}_project"), f"{name}_project_bn")
    if build.options.use_se:
        x = build.squeeze_excite(
            x, channels // SE_RATIO, f"{name}_se", activation=build.options.activation, use_bias=True
        )
    return keras.layers.Add(name=f"{name}_add")([shortcut, x]) if is_residual else x

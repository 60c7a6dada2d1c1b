"""MobileFaceNet: inverted residuals with PReLU, for faces on telephones.

`mobilefacenet` is as Keras_insightface builds it: a pointwise convolution of 4,096 parameters follows the
stem's depthwise convolution, and no stack's first block has a shortcut. `mbf` is insightface's.

The paper's 1x1 convolution to 512 channels is `create`'s ``pointwise=512``, and its linear global depthwise
convolution is head GDC. With ``head=Head("GDC", pointwise_activation="prelu")`` too, `mbf` takes files of
insightface.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tensorflow import keras

from fr_models._builder import Builder, Tensor, he_fan_out
from fr_models._options import Options
from fr_models._registry import Paper, register

MOBILE_FACE_NET = Paper(
    "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices",
    "https://arxiv.org/abs/1804.07573",
)
OPTIONS = Options("prelu", use_se=False)
# of each stack: channels inside of blocks and between them, blocks, strides of the first block
STACKS = ((128, 64, 5, 2), (256, 128, 1, 2), (256, 128, 6, 1), (512, 128, 1, 2), (256, 128, 2, 1))
STEM = 64
SE_RATIO = 16


@register(MOBILE_FACE_NET, OPTIONS, least_size=16)
def mobilefacenet(x: Tensor, build: Builder) -> Tensor:
    """MobileFaceNet."""
    return _lay(x, build)


@register(MOBILE_FACE_NET, replace(OPTIONS, use_se=True), least_size=16)
def se_mobilefacenet(x: Tensor, build: Builder) -> Tensor:
    """MobileFaceNet with squeeze-and-excitation after each block's last convolution."""
    return _lay(x, build)


@register(MOBILE_FACE_NET, replace(OPTIONS, padding="explicit"), least_size=16)
def mbf(x: Tensor, build: Builder) -> Tensor:
    """MobileFaceNet of insightface's arcface_torch, with twice the channels between blocks."""
    build = _initialized(build)
    x = _conv(x, build, 2 * STEM, 3, "stem", strides=2)
    x = build.bn(build.conv(x, 2 * STEM, 3, "stem_depthwise", groups=STEM), "stem_depthwise_bn")
    return _stacks(build.act(x, "stem_depthwise_act"), build, width=2, first_shortcuts=True)


def _lay(x: Tensor, build: Builder) -> Tensor:
    build = _initialized(build)
    x = _conv(x, build, STEM, 3, "stem", strides=2)
    x = build.depthwise(x, 3, "stem_depthwise")
    return _stacks(_conv(x, build, STEM, 1, "stem_pointwise"), build, width=1, first_shortcuts=False)


def _initialized(build: Builder) -> Builder:
    """Initialise as insightface's MXNet and PyTorch do: depthwise kernels by the outputs of all channels."""

    def of_depthwise() -> Any:
        return keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")  # Keras's word for these

    return build.with_initializer(he_fan_out, of_depthwise)


def _stacks(x: Tensor, build: Builder, width: int, first_shortcuts: bool) -> Tensor:
    for stack, (inside, channels, blocks, first_strides) in enumerate(STACKS, start=1):
        for block in range(1, blocks + 1):
            strides = first_strides if block == 1 else 1
            has_shortcut = block > 1 or (first_shortcuts and strides == 1)
            name = f"stack{stack}_block{block}"
            x = _block(x, build, inside, width * channels, strides, has_shortcut, name)
    return x


def _conv(x: Tensor, build: Builder, channels: int, size: int, name: str, strides: int = 1) -> Tensor:
    x = build.bn(build.conv(x, channels, size, f"{name}_conv", strides=strides), f"{name}_bn")
    return build.act(x, f"{name}_act")


def _block(
    x: Tensor, build: Builder, inside: int, channels: int, strides: int, has_shortcut: bool, name: str
) -> Tensor:
    """Expand, convolve depthwise, and project linearly, beside a shortcut if it has one."""
    shortcut = x
    x = _conv(x, build, inside, 1, f"{name}_expand")
    x = build.bn(build.depthwise(x, 3, f"{name}_depthwise", strides=strides), f"{name}_depthwise_bn")
    x = build.act(x, f"{name}_depthwise_act")
    x = build.bn(build.conv(x, channels, 1, f"{name}_project"), f"{name}_project_bn")
    if build.options.use_se:
        x = build.squeeze_excite(
            x, channels // SE_RATIO, f"{name}_se", activation=build.options.activation, use_bias=True
        )
    return keras.layers.Add(name=f"{name}_add")([shortcut, x]) if has_shortcut else x

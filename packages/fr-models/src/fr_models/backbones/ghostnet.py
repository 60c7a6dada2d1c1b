"""GhostNet: half of the channels by pointwise convolutions, half by cheap depthwise ones of those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register

GHOST_NET = Paper("GhostNet: More Features from Cheap Operations", "https://arxiv.org/abs/1911.11907")
OPTIONS = Options("relu")
STEM_CHANNELS = 16
SE_RATIO = 0.25

Attention = Callable[[Tensor, Builder, int, str], Tensor]


@dataclass(frozen=True)
class Row:
    """A block, at width 1: size of its strided or shortcut kernels, channels inside and after it."""

    size: int
    expanded: int
    channels: int
    use_se: bool = False
    strides: int = 1


ROWS = (
    Row(3, 16, 16),
    Row(3, 48, 24, strides=2),
    Row(3, 72, 24),
    Row(5, 72, 40, use_se=True, strides=2),
    Row(5, 120, 40, use_se=True),
    Row(3, 240, 80, strides=2),
    Row(3, 200, 80),
    Row(3, 184, 80),
    Row(3, 184, 80),
    Row(3, 480, 112, use_se=True),
    Row(3, 672, 112, use_se=True),
    Row(5, 672, 160, use_se=True, strides=2),
    Row(5, 960, 160),
    Row(5, 960, 160, use_se=True),
    Row(5, 960, 160),
    Row(5, 960, 160, use_se=True),
)
# Keras_insightface's last block, and so its last convolution, is of 512 channels and not of the paper's 960.
REFERENCE_ROWS = (*ROWS[:-1], Row(5, 512, 160, use_se=True))


@register(GHOST_NET, OPTIONS, least_size=32)
def ghostnet(x: Tensor, build: Builder) -> Tensor:
    """GhostNet 1.3x as Keras_insightface builds it, with 512 x 1.3 channels in its last block."""
    return lay_ghostnet(x, build, REFERENCE_ROWS, width=1.3)


@register(GHOST_NET, OPTIONS, least_size=32)
def ghostnet_100(x: Tensor, build: Builder) -> Tensor:
    """GhostNet 1.0x of the paper."""
    return lay_ghostnet(x, build, ROWS, width=1.0)


def lay_ghostnet(
    x: Tensor,
    build: Builder,
    rows: tuple[Row, ...],
    width: float,
    strides: int = 2,
    attention: Attention | None = None,
    first_attention: int = 0,
    se_activation: str | None = "relu",
) -> Tensor:
    """Lay the stem, the blocks and the last convolution.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    rows : tuple of Row
        A block each.
    width : float
        Factor of all channels.
    strides : int
        Of the stem.
    attention : callable, optional
        Maps the input of a block and a number of channels to weights of the block's first features.
    first_attention : int
        The first block with attention.
    se_activation : str, optional
        In squeeze-and-excitation; None for that of the options.
    """
    build = build.with_initializer(_he_fan_out)
    x = build.conv(x, scaled(STEM_CHANNELS * width), 3, "stem_conv", strides=strides)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    for number, row in enumerate(rows):
        of_block = attention if number >= first_attention else None
        x = _block(x, build, row, width, of_block, se_activation, f"block{number + 1}")
    x = build.conv(x, scaled(rows[-1].expanded * width), 1, "last_conv")
    return build.act(build.bn(x, "last_bn"), "last_act")


def scaled(channels: float) -> int:
    """Round to a multiple of 4, but not down by more than a tenth."""
    rounded = max(4, int(channels + 2) // 4 * 4)
    return rounded + 4 if rounded < 0.9 * channels else rounded


def _he_fan_out() -> Any:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def _block(
    x: Tensor,
    build: Builder,
    row: Row,
    width: float,
    attention: Attention | None,
    se_activation: str | None,
    name: str,
) -> Tensor:
    """Ghost module, strided depthwise convolution, squeeze-and-excitation, linear ghost module."""
    channels, expanded = scaled(row.channels * width), scaled(row.expanded * width)
    shortcut = x
    if row.strides > 1 or x.shape[-1] != channels:
        shortcut = build.depthwise(x, row.size, f"{name}_shortcut_depthwise", strides=row.strides)
        shortcut = build.bn(shortcut, f"{name}_shortcut_depthwise_bn")
        shortcut = build.conv(shortcut, channels, 1, f"{name}_shortcut_conv")
        shortcut = build.bn(shortcut, f"{name}_shortcut_bn")
    weights = attention(x, build, expanded, f"{name}_attention") if attention else None
    x = _ghost(x, build, expanded, f"{name}_ghost1", is_linear=False)
    if weights is not None:
        x = keras.layers.Multiply(name=f"{name}_attend")([x, weights])
    if row.strides > 1:
        x = build.depthwise(x, row.size, f"{name}_depthwise", strides=row.strides)
        x = build.bn(x, f"{name}_depthwise_bn")
    if row.use_se:
        squeezed = scaled(expanded * SE_RATIO)
        x = build.squeeze_excite(x, squeezed, f"{name}_se", se_activation, "hard_sigmoid", use_bias=True)
    x = _ghost(x, build, channels, f"{name}_ghost2", is_linear=True)
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])


def _ghost(x: Tensor, build: Builder, channels: int, name: str, is_linear: bool) -> Tensor:
    """Give half of the channels by a pointwise convolution, and beside them a depthwise one of those."""
    x = build.bn(build.conv(x, channels // 2, 1, f"{name}_conv"), f"{name}_bn")
    x = x if is_linear else build.act(x, f"{name}_act")
    ghosts = build.bn(build.depthwise(x, 3, f"{name}_cheap"), f"{name}_cheap_bn")
    ghosts = ghosts if is_linear else build.act(ghosts, f"{name}_cheap_act")
    return keras.layers.Concatenate(name=name)([x, ghosts])

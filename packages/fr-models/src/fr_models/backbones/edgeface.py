"""EdgeFace: EdgeNeXt, of convolutions and attention between channels, with dense layers of low rank.

The paper's head is the mean over places, layer normalisation and a dense layer with bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._transformer import patches, truncated_normal
from fr_models.layers.cross_covariance import CrossCovarianceAttention
from fr_models.layers.fourier_position import FourierPosition
from fr_models.layers.layer_scale import LayerScale
from fr_models.layers.split_channels import SplitChannels

EDGE_FACE = Paper(
    "EdgeFace: Efficient Face Recognition Model for Edge Devices", "https://arxiv.org/abs/2307.01838"
)
OPTIONS = Options("gelu", bn_momentum=None, bn_epsilon=None, padding=None)
KERNELS = (3, 5, 7, 9)
SCALES = (2, 2, 3, 4)
EXPANSION = 4
EPSILON = 1e-6
STAGE_WITH_POSITIONS = 1


@dataclass(frozen=True)
class Size:
    """Channels and blocks of the stages, heads of attention, and the share of rank that matrices keep."""

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    heads: int
    rank_share: float | None = None


@register(EDGE_FACE, OPTIONS, least_size=32)
def edgeface_xxs(x: Tensor, build: Builder) -> Tensor:
    """EdgeFace-XXS, with dense layers of full rank."""
    return _lay(x, build, Size((24, 48, 88, 168), (2, 2, 6, 2), heads=4))


@register(EDGE_FACE, OPTIONS, least_size=32)
def edgeface_xs(x: Tensor, build: Builder) -> Tensor:
    """EdgeFace-XS, with dense layers of 0.6 of the rank."""
    return _lay(x, build, Size((32, 64, 100, 192), (3, 3, 9, 3), heads=4, rank_share=0.6))


@register(EDGE_FACE, OPTIONS, least_size=32)
def edgeface_s(x: Tensor, build: Builder) -> Tensor:
    """EdgeFace-S, with dense layers of half the rank."""
    return _lay(x, build, Size((48, 96, 160, 304), (3, 3, 9, 3), heads=8, rank_share=0.5))


@register(EDGE_FACE, OPTIONS, least_size=32)
def edgeface_base(x: Tensor, build: Builder) -> Tensor:
    """EdgeFace-Base, with dense layers of full rank."""
    return _lay(x, build, Size((80, 160, 288, 584), (3, 3, 9, 3), heads=8))


def _lay(x: Tensor, build: Builder, size: Size) -> Tensor:
    """Patches of 4x4, then four stages; the last block of all but the first attends."""
    build = build.with_initializer(truncated_normal)
    x = _norm(patches(x, size.channels[0], 4, "stem_conv"), "stem_norm")
    for stage, (channels, blocks) in enumerate(zip(size.channels, size.blocks, strict=True)):
        name = f"stage{stage + 1}"
        if stage > 0:
            x = patches(_norm(x, f"{name}_norm"), channels, 2, f"{name}_conv")
        for block in range(1, blocks + 1):
            lay = _attention_block if stage > 0 and block == blocks else _conv_block
            x = lay(x, build, size, stage, f"{name}_block{block}")
    return x


def _norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=name)(x)


def _dense(x: Tensor, build: Builder, units: int, rank_share: float | None, name: str) -> Tensor:
    """Lay a dense layer over channels, as two of fewer parameters if only a share of the rank is kept.

    The two replace a layer that is initialised, and keep the initial kernels of PyTorch.
    """
    if rank_share is not None:
        build = build.with_initializer(_uniform)
        rank = max(2, int(min(int(x.shape[-1]), units) * rank_share))
        x = build.conv(x, rank, 1, f"{name}_low")
    return build.conv(x, units, 1, name, use_bias=True)


def _perceptron(x: Tensor, build: Builder, size: Size, name: str) -> Tensor:
    """Normalise, widen, and narrow again; scaled."""
    channels = int(x.shape[-1])
    x = _dense(_norm(x, f"{name}_norm"), build, EXPANSION * channels, size.rank_share, f"{name}_1")
    x = _dense(build.act(x, f"{name}_act"), build, channels, size.rank_share, f"{name}_2")
    return LayerScale(name=f"{name}_scale")(x)


def _conv_block(x: Tensor, build: Builder, size: Size, stage: int, name: str) -> Tensor:
    """Depthwise convolution and perceptron beside a shortcut."""
    mixed = build.depthwise(x, KERNELS[stage], f"{name}_depthwise", use_bias=True)
    mixed = _perceptron(mixed, build, size, f"{name}_mlp")
    return keras.layers.Add(name=f"{name}_add")([x, mixed])


def _attention_block(x: Tensor, build: Builder, size: Size, stage: int, name: str) -> Tensor:
    """Depthwise convolutions over more and more of the map, attention and perceptron beside a shortcut."""
    channels = int(x.shape[-1])
    mixed = _pyramid(x, build, SCALES[stage], name)
    if stage == STAGE_WITH_POSITIONS:
        mixed = FourierPosition(name=f"{name}_position")(mixed)
    attended = _dense(
        _norm(mixed, f"{name}_attention_norm"), build, 3 * channels, size.rank_share, f"{name}_qkv"
    )
    attended = CrossCovarianceAttention(size.heads, name=f"{name}_attention")(attended)
    attended = _dense(attended, build, channels, size.rank_share, f"{name}_attention_out")
    attended = LayerScale(name=f"{name}_attention_scale")(attended)
    mixed = keras.layers.Add(name=f"{name}_attention_add")([mixed, attended])
    mixed = _perceptron(mixed, build, size, f"{name}_mlp")
    return keras.layers.Add(name=f"{name}_add")([x, mixed])


def _pyramid(x: Tensor, build: Builder, scales: int, name: str) -> Tensor:
    """Convolve part by part, each with the sum of what came before; the last part stays."""
    width = math.ceil(int(x.shape[-1]) / scales)
    sizes = [width] * (scales - 1)
    *parts, last = SplitChannels([*sizes, int(x.shape[-1]) - sum(sizes)], name=f"{name}_split")(x)
    outputs: list[Any] = []
    for number, part in enumerate(parts, start=1):
        if outputs:
            part = keras.layers.Add(name=f"{name}_scale{number}_add")([outputs[-1], part])
        outputs.append(build.depthwise(part, 3, f"{name}_scale{number}", use_bias=True))
    return keras.layers.Concatenate(name=f"{name}_scales")([*outputs, last])


def _uniform() -> Any:
    """Of up to one over the root of the inputs' number, as of PyTorch's dense layers."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")

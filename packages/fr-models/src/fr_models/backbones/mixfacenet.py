"""MixFaceNets: MixNet's depthwise convolutions of several kernel sizes at once, for faces.

The paper's head is a 1x1 convolution with PReLU, to 512 (XS) or 1024 (S, M) channels, before GDC:
``create("mixfacenet_s", head=Head("GDC", pointwise_activation="prelu"), pointwise=1024)``. Its
ShuffleMixFaceNets shuffle the channels after every block.
"""

from __future__ import annotations

from dataclasses import dataclass

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.layers.channel_shuffle import ChannelShuffle
from fr_models.layers.split_channels import SplitChannels

MIX_FACE_NETS = Paper(
    "MixFaceNets: Extremely Efficient Face Recognition Networks", "https://arxiv.org/abs/2107.13046"
)
OPTIONS = Options("prelu", bn_momentum=0.9, bn_epsilon=1e-5, padding="explicit")
INNER_ACTIVATION = "swish"
GROUPS = 2


@dataclass(frozen=True)
class Row:
    """A block: channels after it, parts of its three convolutions, expansion, and SE's share of the input."""

    channels: int
    expand: int
    mix: int
    project: int
    expansion: int
    squeeze: int
    strides: int = 1


Size = tuple[int, tuple[Row, ...]]
SMALL: Size = (
    16,
    (
        Row(24, 2, 1, 2, 6, 0),
        Row(24, 2, 1, 2, 3, 0),
        Row(40, 1, 3, 1, 6, 2, strides=2),
        *(Row(40, 2, 2, 2, 6, 2),) * 3,
        Row(80, 1, 3, 2, 6, 4, strides=2),
        *(Row(80, 1, 2, 2, 6, 4),) * 2,
        Row(120, 2, 3, 2, 6, 2),
        *(Row(120, 2, 4, 2, 3, 2),) * 2,
        Row(200, 1, 5, 1, 6, 2, strides=2),
        *(Row(200, 1, 4, 2, 6, 2),) * 2,
    ),
)
MEDIUM: Size = (
    24,
    (
        Row(32, 2, 3, 2, 6, 0),
        Row(32, 2, 1, 2, 3, 0),
        Row(40, 1, 4, 1, 6, 2, strides=2),
        *(Row(40, 2, 2, 2, 6, 2),) * 3,
        Row(80, 1, 3, 1, 6, 4, strides=2),
        *(Row(80, 2, 4, 2, 6, 4),) * 3,
        Row(120, 1, 1, 1, 6, 2),
        *(Row(120, 2, 4, 2, 3, 2),) * 3,
        Row(200, 1, 4, 1, 6, 2, strides=2),
        *(Row(200, 1, 4, 2, 6, 2),) * 3,
    ),
)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def mixfacenet_xs(x: Tensor, build: Builder) -> Tensor:
    """MixFaceNet-XS: S at half its width."""
    return _lay(x, build, SMALL, width=0.5)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def mixfacenet_s(x: Tensor, build: Builder) -> Tensor:
    """MixFaceNet-S."""
    return _lay(x, build, SMALL)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def mixfacenet_m(x: Tensor, build: Builder) -> Tensor:
    """MixFaceNet-M."""
    return _lay(x, build, MEDIUM)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def shuffle_mixfacenet_xs(x: Tensor, build: Builder) -> Tensor:
    """ShuffleMixFaceNet-XS."""
    return _lay(x, build, SMALL, width=0.5, is_shuffled=True)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def shuffle_mixfacenet_s(x: Tensor, build: Builder) -> Tensor:
    """ShuffleMixFaceNet-S."""
    return _lay(x, build, SMALL, is_shuffled=True)


@register(MIX_FACE_NETS, OPTIONS, least_size=16)
def shuffle_mixfacenet_m(x: Tensor, build: Builder) -> Tensor:
    """ShuffleMixFaceNet-M."""
    return _lay(x, build, MEDIUM, is_shuffled=True)


def _lay(x: Tensor, build: Builder, size: Size, width: float = 1.0, is_shuffled: bool = False) -> Tensor:
    """Lay the stem, a block without expansion, and the rows; only the blocks at the first size have PReLU."""
    stem_channels, rows = size
    channels = _scaled(stem_channels * width)
    x = build.act(build.bn(build.conv(x, channels, 3, "stem_conv", strides=2), "stem_bn"), "stem_act")
    activation, blocks = build.options.activation, (Row(stem_channels, 1, 1, 1, 1, 0), *rows)
    for number, row in enumerate(blocks):
        name = f"block{number}"
        activation = INNER_ACTIVATION if row.strides > 1 else activation
        x = _block(x, build, row, _scaled(row.channels * width), activation, name)
        x = ChannelShuffle(GROUPS, name=f"{name}_shuffle")(x) if is_shuffled else x
    return x


def _scaled(channels: float) -> int:
    """Round to a multiple of 8, but not down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _block(x: Tensor, build: Builder, row: Row, channels: int, activation: str | None, name: str) -> Tensor:
    """Expand, convolve depthwise with kernels 3, 5, 7..., squeeze and excite, project linearly."""
    shortcut, inputs = x, int(x.shape[-1])
    if row.expansion > 1:
        x = build.bn(
            _mixed(x, build, row.expand, inputs * row.expansion, f"{name}_expand"), f"{name}_expand_bn"
        )
        x = build.act(x, f"{name}_expand_act", activation)
    x = build.bn(_mixed_depthwise(x, build, row.mix, row.strides, f"{name}_mix"), f"{name}_mix_bn")
    x = build.act(x, f"{name}_mix_act", activation)
    if row.squeeze:
        x = build.squeeze_excite(x, inputs // row.squeeze, f"{name}_se", activation, use_bias=True)
    x = build.bn(_mixed(x, build, row.project, channels, f"{name}_project"), f"{name}_project_bn")
    is_residual = row.strides == 1 and inputs == channels
    return keras.layers.Add(name=f"{name}_add")([shortcut, x]) if is_residual else x


def _mixed(x: Tensor, build: Builder, parts: int, channels: int, name: str) -> Tensor:
    """Convolve parts of the channels pointwise, each by itself."""
    if parts == 1:
        return build.conv(x, channels, 1, name)
    split = SplitChannels(_parts(int(x.shape[-1]), parts), name=f"{name}_split")(x)
    outputs = zip(split, _parts(channels, parts), strict=True)
    return keras.layers.Concatenate(name=name)(
        [build.conv(part, filters, 1, f"{name}_{number}") for number, (part, filters) in enumerate(outputs)]
    )


def _mixed_depthwise(x: Tensor, build: Builder, parts: int, strides: int, name: str) -> Tensor:
    """Convolve parts of the channels depthwise, with kernels of sizes 3, 5, 7..."""
    if parts == 1:
        return build.depthwise(x, 3, name, strides=strides)
    split = SplitChannels(_parts(int(x.shape[-1]), parts), name=f"{name}_split")(x)
    return keras.layers.Concatenate(name=name)(
        [build.depthwise(part, 3 + 2 * n, f"{name}_{n}", strides=strides) for n, part in enumerate(split)]
    )


def _parts(channels: int, parts: int) -> list[int]:
    """Divide as evenly as goes; what is left over belongs to the first part."""
    rest = [channels // parts] * (parts - 1)
    return [channels - sum(rest), *rest]

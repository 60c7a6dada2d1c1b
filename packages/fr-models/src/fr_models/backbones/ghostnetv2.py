"""GhostNetV2: GhostNet whose first ghost module of a block is weighed by attention along rows and columns."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones.ghostnet import ROWS, lay_ghostnet
from fr_models.layers.nearest_resize import NearestResize

GHOST_NET_V2 = Paper(
    "GhostNetV2: Enhance Cheap Operation with Long-Range Attention", "https://arxiv.org/abs/2211.12905"
)
OPTIONS = Options("relu")
FIRST_ATTENTION = 2
LINE = 5


@register(GHOST_NET_V2, OPTIONS, least_size=32)
def ghostnetv2(x: Tensor, build: Builder) -> Tensor:
    """GhostNetV2 1.0x."""
    return lay_ghostnetv2(x, build, width=1.0)


@register(GHOST_NET_V2, OPTIONS, least_size=32)
def ghostnetv2_130(x: Tensor, build: Builder) -> Tensor:
    """GhostNetV2 1.3x."""
    return lay_ghostnetv2(x, build, width=1.3)


def lay_ghostnetv2(
    x: Tensor, build: Builder, width: float, strides: int = 2, se_activation: str | None = "relu"
) -> Tensor:
    """Lay GhostNet with attention in all blocks but the first two; see `lay_ghostnet`."""
    return lay_ghostnet(
        x,
        build,
        ROWS,
        width,
        strides,
        attention=_decoupled_attention,
        first_attention=FIRST_ATTENTION,
        se_activation=se_activation,
    )


def _decoupled_attention(x: Tensor, build: Builder, channels: int, name: str) -> Tensor:
    """Look along rows, then along columns, of the halved map: the paper's DFC attention."""
    height, width = int(x.shape[1]), int(x.shape[2])
    if min(height, width) > 1:
        x = keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)
    x = build.bn(build.conv(x, channels, 1, f"{name}_conv"), f"{name}_bn")
    x = build.bn(build.depthwise(x, (1, LINE), f"{name}_row"), f"{name}_row_bn")
    x = build.bn(build.depthwise(x, (LINE, 1), f"{name}_column"), f"{name}_column_bn")
    x = build.act(x, f"{name}_gate", "sigmoid")
    return NearestResize(height, width, name=name)(x)

"""ViT for faces, as insightface's arcface_torch trains them: 112 pixels, patches of 9 x 9, no class token.

The last map, of 12 x 12 places, is normalised. insightface's own head is ``flatten, dense to the map's
channels, BN, dense, BN``; head E, ``BN, flatten, dense, BN``, is the nearest; GDC and GAP are far smaller.
Its training leaves out blocks and patches at random, which these models do not.
"""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._transformer import dense, mlp, patches
from fr_models.layers.position_embedding import PositionEmbedding
from fr_models.layers.self_attention import SelfAttention

VIT = Paper(
    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    "https://arxiv.org/abs/2010.11929",
)
OPTIONS = Options("relu6", bn_momentum=None, bn_epsilon=None, padding=None)
PATCH = 9
HEADS = 8
EPSILON = 1e-6


@register(VIT, OPTIONS, least_size=PATCH)
def vit_t(x: Tensor, build: Builder) -> Tensor:
    """ViT-T of insightface: 12 blocks of 256 channels."""
    return vit(x, build, 256, 12)


@register(VIT, OPTIONS, least_size=PATCH)
def vit_s(x: Tensor, build: Builder) -> Tensor:
    """ViT-S of insightface: 12 blocks of 512 channels."""
    return vit(x, build, 512, 12)


@register(VIT, OPTIONS, least_size=PATCH)
def vit_b(x: Tensor, build: Builder) -> Tensor:
    """ViT-B of insightface: 24 blocks of 512 channels."""
    return vit(x, build, 512, 24)


def vit(x: Tensor, build: Builder, dim: int, depth: int) -> Tensor:
    """Lay patches, positions, blocks and a last normalisation.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    dim : int
        Channels.
    depth : int
        Blocks.
    """
    x = PositionEmbedding(name="position")(patches(x, dim, PATCH, "patches"))
    for block in range(1, depth + 1):
        x = _block(x, build, f"block{block}")
    return _norm(x, "last_norm")


def _block(x: Tensor, build: Builder, name: str) -> Tensor:
    """Attention, then two dense layers, each after a normalisation and added to its input."""
    dim = int(x.shape[-1])
    attended = dense(_norm(x, f"{name}_1_norm"), 3 * dim, f"{name}_qkv", use_bias=False)
    attended = dense(SelfAttention(HEADS, name=f"{name}_attention")(attended), dim, f"{name}_project")
    x = keras.layers.Add(name=f"{name}_1_add")([x, attended])
    mapped = mlp(_norm(x, f"{name}_2_norm"), build, f"{name}_mlp")
    return keras.layers.Add(name=f"{name}_2_add")([x, mapped])


def _norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=name)(x)

"""Swin: a transformer whose places attend within windows, shifted by half in every other block.

Patches are of 4 x 4 pixels and windows of 7 x 7 places. The maps of 112 pixels have sides of 28, 14, 7 and 4,
so that only the first two stacks have windows to shift, and the last has smaller ones.
"""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones._transformer import dense, mlp, patches
from fr_models.layers.patch_merging import PatchMerging
from fr_models.layers.window_attention import WindowAttention

SWIN = Paper(
    "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
    "https://arxiv.org/abs/2103.14030",
)
OPTIONS = Options("gelu", bn_momentum=None, bn_epsilon=None, padding=None)
PATCH = 4
WINDOW = 7
CHANNELS_A_HEAD = 32
EPSILON = 1e-5


@register(SWIN, OPTIONS, least_size=32)
def swin_t(x: Tensor, build: Builder) -> Tensor:
    """Swin-T."""
    return swin(x, build, 96, (2, 2, 6, 2))


def swin(x: Tensor, build: Builder, dim: int, depths: tuple[int, ...]) -> Tensor:
    """Lay patches, stacks and a last normalisation.

    Parameters
    ----------
    x : tensor ``[B, H, W, 3]``
        The input.
    build : Builder
        Lays the layers.
    dim : int
        Channels of the first stack, which double in each further one.
    depths : tuple of int
        Blocks of each stack.
    """
    x = _norm(patches(x, dim, PATCH, "patches"), "patches_norm")
    for stack, depth in enumerate(depths, start=1):
        if stack > 1:
            x = PatchMerging(name=f"merge{stack}")(x)
            dim *= 2
            x = dense(_norm(x, f"merge{stack}_norm"), dim, f"merge{stack}_dense", use_bias=False)
        for block in range(1, depth + 1):
            x = _block(x, build, block % 2 == 0, f"stack{stack}_block{block}")
    return _norm(x, "last_norm")


def _block(x: Tensor, build: Builder, shifted: bool, name: str) -> Tensor:
    """Attention, then two dense layers, each after a normalisation and added to its input."""
    dim = int(x.shape[-1])
    attended = dense(_norm(x, f"{name}_1_norm"), 3 * dim, f"{name}_qkv")
    attention = WindowAttention(dim // CHANNELS_A_HEAD, WINDOW, shifted, name=f"{name}_attention")
    attended = dense(attention(attended), dim, f"{name}_project")
    x = keras.layers.Add(name=f"{name}_1_add")([x, attended])
    mapped = mlp(_norm(x, f"{name}_2_norm"), build, f"{name}_mlp")
    return keras.layers.Add(name=f"{name}_2_add")([x, mapped])


def _norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=name)(x)

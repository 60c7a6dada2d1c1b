"""GhostFaceNets: GhostNet 1.3x with PReLU, for faces, with a stem of stride 1 or 2.

The head of the paper is GDC.
"""

from __future__ import annotations

from fr_models._builder import Builder, Tensor
from fr_models._options import Options
from fr_models._registry import Paper, register
from fr_models.backbones.ghostnet import REFERENCE_ROWS, lay_ghostnet
from fr_models.backbones.ghostnetv2 import lay_ghostnetv2

GHOST_FACE_NETS = Paper(
    "GhostFaceNets: Lightweight Face Recognition Model From Cheap Operations",
    "https://doi.org/10.1109/ACCESS.2023.3266068",
)
OPTIONS = Options("prelu", bn_momentum=0.9, bn_epsilon=1e-5)
WIDTH = 1.3


@register(GHOST_FACE_NETS, OPTIONS, least_size=16)
def ghostfacenetv1_s1(x: Tensor, build: Builder) -> Tensor:
    """GhostFaceNetV1 1.3x whose stem keeps the size of its input."""
    return lay_ghostnet(x, build, REFERENCE_ROWS, WIDTH, strides=1, se_activation=None)


@register(GHOST_FACE_NETS, OPTIONS, least_size=32)
def ghostfacenetv1_s2(x: Tensor, build: Builder) -> Tensor:
    """GhostFaceNetV1 1.3x with a strided stem, at a quarter of the cost."""
    return lay_ghostnet(x, build, REFERENCE_ROWS, WIDTH, strides=2, se_activation=None)


@register(GHOST_FACE_NETS, OPTIONS, least_size=16)
def ghostfacenetv2_s1(x: Tensor, build: Builder) -> Tensor:
    """GhostFaceNetV2 1.3x whose stem keeps the size of its input."""
    return lay_ghostnetv2(x, build, WIDTH, strides=1, se_activation=None)


@register(GHOST_FACE_NETS, OPTIONS, least_size=32)
def ghostfacenetv2_s2(x: Tensor, build: Builder) -> Tensor:
    """GhostFaceNetV2 1.3x with a strided stem, at a quarter of the cost."""
    return lay_ghostnetv2(x, build, WIDTH, strides=2, se_activation=None)

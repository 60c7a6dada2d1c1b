"""Losses of face recognition for TensorFlow, on Keras 2 and Keras 3."""

from fr_losses.adacos import AdaCos, adacos
from fr_losses.adaface import AdaFace, adaface
from fr_losses.airface import AirFace, airface
from fr_losses.arcface import ArcFace, CombinedMargin, arcface, combined_margin
from fr_losses.cosface import CosFace, cosface
from fr_losses.curricularface import CurricularFace, curricularface
from fr_losses.elasticface import ElasticFace, elasticface
from fr_losses.fused import fused_margin_softmax
from fr_losses.heads import FusedMarginSoftmax, PartialFC
from fr_losses.magface import MagFace, magface
from fr_losses.margin_loss import MarginLoss, margin_softmax
from fr_losses.norm_dense import NormDense
from fr_losses.row_optimizer import RowOptimizer
from fr_losses.softmax import MarginSoftmax, NormSoftmax, norm_softmax, probability_margin_softmax
from fr_losses.sphereface import SphereFace, SphereFaceR, sphereface, sphereface_r
from fr_losses.training_model import TrainingModel
from fr_losses.uniface import UniFace, uniface
from fr_losses.vpl import VariationalPrototypes

__version__ = "0.1.0"

__all__ = [
    "AdaCos",
    "AdaFace",
    "AirFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "ElasticFace",
    "FusedMarginSoftmax",
    "MagFace",
    "MarginLoss",
    "MarginSoftmax",
    "NormDense",
    "NormSoftmax",
    "PartialFC",
    "RowOptimizer",
    "SphereFace",
    "SphereFaceR",
    "TrainingModel",
    "UniFace",
    "VariationalPrototypes",
    "adacos",
    "adaface",
    "airface",
    "arcface",
    "combined_margin",
    "cosface",
    "curricularface",
    "elasticface",
    "fused_margin_softmax",
    "magface",
    "margin_softmax",
    "norm_softmax",
    "probability_margin_softmax",
    "sphereface",
    "sphereface_r",
    "uniface",
]

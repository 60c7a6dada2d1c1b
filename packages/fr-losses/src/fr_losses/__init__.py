"""Losses of face recognition for TensorFlow, on Keras 2 and Keras 3."""

from fr_losses.adacos import AdaCos, adacos
from fr_losses.adaface import AdaFace, adaface
from fr_losses.airface import AirFace, airface
from fr_losses.arcface import ArcFace, CombinedMargin, arcface, combined_margin
from fr_losses.center import CenterLoss, CosineCenterLoss
from fr_losses.contrastive import (
    BatchAllPairs,
    MultiSimilarity,
    SupervisedContrastive,
    batch_all_pairs,
    multi_similarity,
    supervised_contrastive,
)
from fr_losses.cosface import CosFace, cosface
from fr_losses.curricularface import CurricularFace, curricularface
from fr_losses.distillation import (
    ClassCosineDistillation,
    CosineDistillation,
    DistillationLoss,
    EuclideanDistillation,
    FeatureMatching,
    SoftTargets,
    class_cosine_distillation,
    cosine_distillation,
    euclidean_distillation,
    feature_matching,
    soft_targets,
)
from fr_losses.elasticface import ElasticFace, elasticface
from fr_losses.embedding_loss import EmbeddingLoss
from fr_losses.fused import fused_margin_softmax
from fr_losses.heads import FusedMarginSoftmax, PartialFC
from fr_losses.magface import MagFace, magface
from fr_losses.margin_loss import MarginLoss, margin_softmax
from fr_losses.mixed_labels import MixedLabels
from fr_losses.norm_dense import NormDense
from fr_losses.row_optimizer import RowOptimizer
from fr_losses.softmax import MarginSoftmax, NormSoftmax, norm_softmax, probability_margin_softmax
from fr_losses.sphereface import SphereFace, SphereFaceR, sphereface, sphereface_r
from fr_losses.training_model import TrainingModel
from fr_losses.triplet import (
    AutoMarginTriplet,
    BatchAllTriplet,
    BatchHardTriplet,
    OfflineTriplet,
    SemiHardTriplet,
    TripletLoss,
    batch_all_triplet,
    batch_hard_triplet,
    semi_hard_triplet,
)
from fr_losses.uniface import UniFace, uniface
from fr_losses.vpl import VariationalPrototypes
from fr_losses.weight_decay import (
    ProportionalWeightDecay,
    keras_weight_decay,
    l2_regularizer,
    sgdw_weight_decay,
)

__version__ = "0.1.0"

__all__ = [
    "AdaCos",
    "AdaFace",
    "AirFace",
    "ArcFace",
    "AutoMarginTriplet",
    "BatchAllPairs",
    "BatchAllTriplet",
    "BatchHardTriplet",
    "CenterLoss",
    "ClassCosineDistillation",
    "CombinedMargin",
    "CosFace",
    "CosineCenterLoss",
    "CosineDistillation",
    "CurricularFace",
    "DistillationLoss",
    "ElasticFace",
    "EmbeddingLoss",
    "EuclideanDistillation",
    "FeatureMatching",
    "FusedMarginSoftmax",
    "MagFace",
    "MarginLoss",
    "MarginSoftmax",
    "MixedLabels",
    "MultiSimilarity",
    "NormDense",
    "NormSoftmax",
    "OfflineTriplet",
    "PartialFC",
    "ProportionalWeightDecay",
    "RowOptimizer",
    "SemiHardTriplet",
    "SoftTargets",
    "SphereFace",
    "SphereFaceR",
    "SupervisedContrastive",
    "TrainingModel",
    "TripletLoss",
    "UniFace",
    "VariationalPrototypes",
    "adacos",
    "adaface",
    "airface",
    "arcface",
    "batch_all_pairs",
    "batch_all_triplet",
    "batch_hard_triplet",
    "class_cosine_distillation",
    "combined_margin",
    "cosface",
    "cosine_distillation",
    "curricularface",
    "elasticface",
    "euclidean_distillation",
    "feature_matching",
    "fused_margin_softmax",
    "keras_weight_decay",
    "l2_regularizer",
    "magface",
    "margin_softmax",
    "multi_similarity",
    "norm_softmax",
    "probability_margin_softmax",
    "semi_hard_triplet",
    "sgdw_weight_decay",
    "soft_targets",
    "sphereface",
    "sphereface_r",
    "supervised_contrastive",
    "uniface",
]

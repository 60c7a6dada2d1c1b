"""Benchmark face recognition: verification (1:1) and open-set identification (1:N), without TensorFlow.

The conventions behind every number are in the documentation's page "Conventions". In short: scores are
similarities, a pair is accepted iff ``score >= threshold``, and the threshold at a target false accept rate
depends on the impostor scores alone and never exceeds the target.
"""

from fr_eval.counting import SortedScores
from fr_eval.eer import equal_error_rate
from fr_eval.embeddings import EmbeddingSet
from fr_eval.errors import InputError, MissingExtraError
from fr_eval.identification import evaluate_identification
from fr_eval.identification_result import IdentificationResult
from fr_eval.intervals import Rate, wilson_interval
from fr_eval.kfold import KFoldResult, kfold_accuracy, kfold_accuracy_pca
from fr_eval.openset import GallerySearch, search_galleries, search_similarity
from fr_eval.templates import aggregate_templates
from fr_eval.thresholds import THRESHOLD_RULES, threshold_at_far
from fr_eval.verification import VerificationResult, evaluate_verification, tar_at_far

__version__ = "0.1.0"

__all__ = [
    "THRESHOLD_RULES",
    "EmbeddingSet",
    "GallerySearch",
    "IdentificationResult",
    "InputError",
    "KFoldResult",
    "MissingExtraError",
    "Rate",
    "SortedScores",
    "VerificationResult",
    "aggregate_templates",
    "equal_error_rate",
    "evaluate_identification",
    "evaluate_verification",
    "kfold_accuracy",
    "kfold_accuracy_pca",
    "search_galleries",
    "search_similarity",
    "tar_at_far",
    "threshold_at_far",
    "wilson_interval",
]

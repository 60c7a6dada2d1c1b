"""Weights in and out: a file a format; machinery has an underscore."""

from fr_models.weights._report import Match, Report
from fr_models.weights.loading import load_weights
from fr_models.weights.onnx_model import from_onnx
from fr_models.weights.saving import save

__all__ = ["Match", "Report", "from_onnx", "load_weights", "save"]

"""Weights in and out: a file a format; machinery has an underscore."""

from fr_models.weights._report import Match, Report
from fr_models.weights.from_onnx import from_onnx
from fr_models.weights.load import load_weights
from fr_models.weights.save import save

__all__ = ["Match", "Report", "from_onnx", "load_weights", "save"]

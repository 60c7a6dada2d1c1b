"""Converters that keep what they print to themselves."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fr_eval.command_line import muted_standard_error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Keras and TensorFlow's C++ from printing, and TensorFlow's and tf2onnx's loggers below errors."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with (
            muted_standard_error(),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""The errors a caller can act on: one line that says what is wrong, where, and what was expected."""

from __future__ import annotations

import shlex

__all__ = ["InputError", "MissingExtraError"]


class InputError(ValueError):
    """Input that cannot give a right number: a bad file, row, column, shape or option."""


class MissingExtraError(ImportError):
    """An optional dependency that is not installed; the message names the pip command.

    Parameters
    ----------
    package : str
        What is missing.
    requirement : str
        What pip is to install, such as ``fr-eval[onnx]``.
    purpose : str
        What needs it.
    """

    def __init__(self, package: str, requirement: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: python -m pip install {shlex.quote(requirement)}")

"""The errors a caller can act on: one line that says what is wrong, where, and what was expected."""

from __future__ import annotations

import shlex

__all__ = ["InputError", "MissingExtraError", "ParameterError", "UnknownPreprocessingError"]


class InputError(ValueError):
    """Input that cannot give a right number: a bad file, row, column, shape or option."""


class ParameterError(InputError):
    """A function's parameter that cannot be right; a command line, which has it as an option, says so.

    Parameters
    ----------
    parameter : str
        Its name in Python.
    reason : str
        What was expected and what was received.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason

    @property
    def of_option(self) -> str:
        """Return the message about the option: ``float_head: ...`` is ``--float-head: ...``."""
        return f"--{self.parameter.replace('_', '-')}: {self.reason}"


class UnknownPreprocessingError(InputError):
    """A model without a sidecar; whoever asks for the preprocessing elsewhere, adds where."""


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

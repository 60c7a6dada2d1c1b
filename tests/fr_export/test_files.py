"""Paths that exports may have."""

from __future__ import annotations

import pytest
from fr_eval import InputError
from fr_export._files import checked_path


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"net.lite: expected a file to write with the suffix .tflite"):
        checked_path("net.lite", ".tflite")

"""Fixtures of all packages: where real data and golden vectors lie, and a headless matplotlib."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave out what was imported: TensorFlow's million objects stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; {variable} names another place")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces, networks and embeddings; ``FR_TEST_DATA`` names another folder."""
    return _folder("FR_TEST_DATA", ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Inputs with the numbers of other implementations; ``FR_TEST_GOLDEN`` names another folder."""
    return _folder("FR_TEST_GOLDEN", ROOT.parent / "shared" / "golden")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20240)

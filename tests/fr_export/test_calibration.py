"""Images to calibrate on: which are held back, and what is said where they cannot stand for faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.embedders import load_embedder
from fr_export import tflite, to_tflite
from fr_export._source import open_source

from tests.fr_export.networks import PREPROCESSING, cosines, faces, small


@pytest.mark.parametrize("kind", ["int8", "int16x8"])
def test_embeddings_that_are_certainly_wrong(tmp_path: Path, kind: str) -> None:
    """Calibrated on grey images, faces are clipped; a network known to be untrained may be so."""
    crops = np.full((12, 32, 32, 3), 127, np.uint8)
    crops[[0, 4, 8]] = faces(3)  # those that are held back
    source = open_source(small(), PREPROCESSING)
    with pytest.raises(InputError, match=r": mean cosine -?0\.[0-4]\d+ to the model over 3 images that it"):
        to_tflite(source, tmp_path / "net.tflite", kind, representative=crops)
    assert not list(tmp_path.iterdir())
    untrained = replace(source, trained=False)
    exported = to_tflite(untrained, tmp_path / "net.tflite", kind, representative=crops)
    assert "has the model been trained" in exported.warning
    assert "been trained" not in replace(exported, tells_apart=True).warning


@pytest.mark.parametrize("kind", ["int8", "int16x8"])
@pytest.mark.parametrize("images", ["one image", "one face", "one grey", "faces"])
def test_calibrated_on_images_that_are_not_told_apart(tmp_path: Path, kind: str, images: str) -> None:
    """Their file keeps the embeddings of such images, and loses those of faces; one image shows nothing."""
    grey = np.full((12, 32, 32, 3), 127, np.uint8)
    crops = {
        "one image": faces(1),
        "one face": faces(1).repeat(12, axis=0),
        "one grey": grey,
        "faces": faces(12),
    }[images]
    exported = to_tflite(small("prelu"), tmp_path / "net.tflite", kind, PREPROCESSING, crops)
    exported = replace(exported, mean_cosine=1.0)
    if images == "one image":
        assert exported.warning == "" and exported.calibration_cosine is None
    elif images == "faces":
        assert exported.warning == "" and exported.calibration_cosine < 0.9
    else:
        assert exported.calibration_cosine == pytest.approx(1.0)
        assert exported.warning == (
            f"{tmp_path / 'net.tflite'}: {kind}: the model does not tell faces apart (mean cosine of "
            "representative images 1.000): has it been trained, are the images faces as it wants them?"
        )


def test_images_held_back_from_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter is held back, 8 at most; of fewer than 4 images there is nothing to hold back."""
    seen: list[np.ndarray] = []

    def converted(source: Any, kind: str, representative: np.ndarray, *options: Any) -> bytes:
        seen.append(representative)
        return convert(source, kind, representative, *options)

    convert, network = tflite._converted, small()
    monkeypatch.setattr(tflite, "_converted", converted)
    for count, held in ((40, 8), (18, 4), (4, 1), (3, 0)):
        exported = to_tflite(network, tmp_path / "net.tflite", "int8", PREPROCESSING, faces(count))
        assert len(seen[-1]) == count - held and exported.n_images == (held or count)
    exported = to_tflite(network, tmp_path / "net.tflite", "int8", PREPROCESSING, faces(40))
    held_back = faces(40)[[0, 5, 10, 15, 20, 25, 30, 35]]
    assert not any((image == held_back).all((1, 2, 3)).any() for image in seen[-1])
    wanted = np.asarray(network(PREPROCESSING.apply(held_back), training=False))
    expected = cosines(load_embedder(exported.path)(held_back), wanted)
    assert exported.mean_cosine == pytest.approx(expected.mean(), abs=1e-6)

"""Losses by the reference's names have the reference's numbers (its section 18, computed by its own code)."""

from __future__ import annotations

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.losses import KNOWN, kind_of, make_loss
from fr_models.train.stages import KINDS

ROW, COLUMN = np.mgrid[:4, :6]
COSINES = 0.9 * np.sin(1.3 * ROW + 0.7 * COLUMN + 0.2)
LABELS = [0, 3, 5, 2]
NORMS = np.array([5.0, 20.0, 60.0, 130.0])
MARGINS = {
    "ArcfaceLoss": [77.72174, 107.96936, 49.12510, 115.11987],
    "CurricularFaceLoss": [71.82128, 101.97368, 36.67303, 110.97471],
    "AirFaceLoss": [66.54846, 90.44295, 34.97620, 100.08090],
    "CosFaceLoss": [68.53210, 105.34490, 40.72684, 118.79130],
    "MagFaceLoss": [78.18942, 109.18208, 56.70874, 120.16924],
    "AdaFaceLoss": [71.71330, 108.54303, 43.93022, 123.32487],
    "AdaCosLoss": [3.28845, 5.08069, 1.45610, 5.60985],
}
SAMPLE, PLACE = np.mgrid[:6, :4]
EMBEDDINGS = np.sin(0.5 * SAMPLE * PLACE + 0.3 * SAMPLE + 0.9 * PLACE + 0.1)
TEACHER = np.cos(0.4 * SAMPLE * PLACE + 0.2 * SAMPLE + 0.6 * PLACE)
PAIRS = [0, 0, 1, 1, 2, 2]
OF_EMBEDDINGS = {
    "BatchHardTripletLoss": [0.04620, 0.47618, 0.16975, 0, 0, 0],
    "ArcBatchHardTripletLoss": [0.04344, 0.47341, 0.13881, 0, 0, 0],
    "BatchHardTripletLossEuclidean": [0, 0.87366, 0, 0, 0, 0],
    "BatchAllTripletLoss": [0.33674, 0.48158, 0.40987, 0.22301, 0.00120, 0.00120],
    "centerloss": [0.86287, 1.04543, 0.82495, 0.93710, 1.25772, 1.56500],
    "distiller_loss_cosine": [0.40839, 0.21957, 0.18920, 0.04788, 0.24664, 0.04030],
    "distiller_loss_euclidean": [1.46761, 1.00384, 0.68099, 0.23348, 1.11851, 0.24876],
}


@pytest.mark.parametrize("name", MARGINS)
def test_margins(name: str) -> None:
    loss = make_loss({"name": name}, num_classes=6)
    losses = fr_losses.margin_softmax(tf.constant(COSINES), LABELS, loss, tf.constant(NORMS))
    np.testing.assert_allclose(losses.numpy(), MARGINS[name], rtol=1e-4)


def test_arguments_by_the_references_names() -> None:
    for settings, expected in (
        ({"name": "ArcfaceLoss", "margin1": 1.35, "margin2": 0.2, "margin3": 0.1}, 95.05614),
        ({"name": "ArcfaceLoss", "label_smoothing": 0.1}, 73.98857),
    ):
        losses = fr_losses.margin_softmax(tf.constant(COSINES), LABELS, make_loss(settings))
        assert float(losses[0]) == pytest.approx(expected, rel=1e-4)
    magface = make_loss({"name": "MagFaceLoss", "min_feature_norm": 1, "max_feature_norm": 51})
    assert (magface.min_norm, magface.max_norm) == (1, 51)
    assert make_loss({"name": "BatchHardTripletLoss", "alpha": 0.2, "weight": 3}).margin == 0.2


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_losses_of_embeddings(name: str) -> None:
    loss = make_loss({"name": name}, classes=3, embedding_dim=4)
    target = TEACHER if kind_of(name) == "distill" else PAIRS
    losses = loss.call(tf.constant(target), tf.constant(EMBEDDINGS, tf.float32))
    np.testing.assert_allclose(losses.numpy(), OF_EMBEDDINGS[name], rtol=1e-3, atol=1e-5)


def test_every_name_is_of_a_class_and_a_kind() -> None:
    for name, known in KNOWN.items():
        assert known.kind in KINDS
        if known.loss != "Softmax":
            loss = make_loss({"name": name}, classes=5, num_classes=5, embedding_dim=4)
            assert isinstance(loss, getattr(fr_losses, known.loss))
    names = {name for name in fr_losses.__all__ if isinstance(getattr(fr_losses, name), type)}
    bases = (fr_losses.MarginLoss, fr_losses.EmbeddingLoss, fr_losses.DistillationLoss)
    losses = {name for name in names if issubclass(getattr(fr_losses, name), bases)}
    left_out = {"MarginLoss", "EmbeddingLoss", "DistillationLoss", "TripletLoss"}  # bases
    left_out |= {
        "OfflineTriplet",
        "SoftTargets",
    }  # batches of triplets and class logits, which no recipe gives
    assert losses - left_out == {known.loss for known in KNOWN.values()} - {"Softmax"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "ArcFace", "margn": 1}, "margn: ArcFace has no such argument, did you mean margin"),
        ({"name": "ArcFace", "margin": 7}, "angular_margin_rad: expected radians"),
        ({"name": "ArcFace", "multiplier": 2}, "multiplier: ArcFace has one margin"),
        ({"name": "CosFace", "scale": -1}, "scale: expected a number above 0, got -1"),
    ],
)
def test_wrong_arguments(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(settings)

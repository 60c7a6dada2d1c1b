"""Triplet losses: golden numbers of Keras_insightface, TensorFlow Addons, margins that follow the batch.

What they share with other losses of embeddings is in `test_contrastive.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_losses import triplet
from tensorflow import keras

from tests.fr_losses._metric_reference import (
    GOLDEN_EMBEDDINGS,
    GOLDEN_LABELS,
    addons,
    batch_hard,
    distance,
    offline,
    slopes,
)

GOLDEN = {
    "batch hard": (triplet.BatchHardTriplet(), [0.04620, 0.47618, 0.16975, 0, 0, 0]),
    "batch hard, arc": (
        triplet.BatchHardTriplet(margin_on="angle"),
        [0.04344, 0.47341, 0.13881, 0, 0, 0],
    ),
    "batch hard, Euclidean": (
        triplet.BatchHardTriplet(distance="squared_euclidean"),
        [0, 0.87366, 0, 0, 0, 0],
    ),
    "offline": (triplet.OfflineTriplet(), [0, 0.28083]),
    "offline, arc": (triplet.OfflineTriplet(margin_on="angle"), [0, 0.27762]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    loss, expected = GOLDEN[name]
    losses = loss.call(GOLDEN_LABELS, GOLDEN_EMBEDDINGS)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=5e-6)


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two samples or more of each class."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(16, 6)).astype(np.float32), rng.permutation(np.repeat(np.arange(4), 4))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("euclidean", "L2"), ("squared_euclidean", "squared-L2"), ("cosine", "angular")]
)
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_tensorflow_addons(ours: str, theirs: str, margin: float) -> None:
    """Their scalar is the mean of our losses."""
    losses = addons().losses
    pairs = {
        triplet.SemiHardTriplet: losses.TripletSemiHardLoss,
        triplet.BatchHardTriplet: losses.TripletHardLoss,
    }
    for seed in range(3):
        x, labels = batch(seed)
        for loss, their_loss in pairs.items():
            wanted = float(their_loss(margin=margin, distance_metric=theirs)(labels, tf.constant(x)))
            got = loss(margin=margin, distance=ours)(labels, x)
            assert float(got) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_equal_distances() -> None:
    """A negative as far as the positive is not farther: the next one is the semi-hard one."""
    x = np.array([[0, 0], [0, 1], [1, 0], [2, 0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    losses = triplet.semi_hard_triplet(x, labels, margin=2.0, distance="euclidean")
    assert float(losses[0]) == pytest.approx((1 + 2 - 2) * 4 / 4, abs=1e-6)
    hard = triplet.batch_hard_triplet(x, labels, margin=2.0, distance="euclidean")
    assert float(hard[0]) == pytest.approx(1 + 2 - 1, abs=1e-6)


def test_angle_past_pi() -> None:
    """The cost of a positive rises with its angle up to pi, where the cosine with its margin would fall."""
    angles = np.linspace(0, math.pi, 50)
    rows = [
        (np.cos(place), np.sin(place)) for angle in angles for place in (0.0, angle, math.pi / 2)
    ]  # anchor, positive, negative
    loss = triplet.OfflineTriplet(margin=0.5, margin_on="angle")
    costs = loss.call(None, np.array(rows, np.float32)).numpy()
    assert np.all(np.diff(costs[costs > 0]) > 0) and costs[-1] == pytest.approx(2 - math.cos(0.5), abs=1e-5)


@pytest.mark.parametrize("kind", triplet.DISTANCES)
def test_offline(kind: str) -> None:
    x = np.random.default_rng(1).normal(size=(12, 5))
    loss = triplet.OfflineTriplet(margin=0.8, distance=kind)
    tensor = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        losses = loss.call(tf.zeros(12), tensor)
    reference = offline(0.8, kind)
    np.testing.assert_allclose(losses, reference(x, GOLDEN_LABELS), rtol=1e-5, atol=1e-6)
    expected = slopes(lambda moved: sum(reference(moved, GOLDEN_LABELS)), x)
    np.testing.assert_allclose(tape.gradient(losses, tensor), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "margin_on"), [*((kind, "distance") for kind in triplet.DISTANCES), ("cosine", "angle")]
)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
def test_offline_at_the_ends(kind: str, margin_on: str, dtype: tf.DType) -> None:
    """One triplet of equal, opposite or zero embeddings."""
    row, zero = np.ones(5), np.zeros(5)
    loss = triplet.OfflineTriplet(distance=kind, margin_on=margin_on)
    for rows in ([row] * 3, [row, -row, row], [row, row, -row], [zero] * 3, [zero, row, zero]):
        x = tf.cast(np.stack(rows), dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses = loss.call(tf.zeros(3), x)
        assert losses.shape == (1,) and np.isfinite(losses.numpy()).all()
        assert np.isfinite(tf.cast(tape.gradient(losses, x), tf.float32).numpy()).all()


def test_offline_in_fit() -> None:
    x = np.random.default_rng(2).normal(size=(48, 5))
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile(keras.optimizers.SGD(0.05), triplet.OfflineTriplet())
    history = model.fit(x, np.zeros(48), batch_size=24, epochs=8, verbose=0, shuffle=False).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("graph", [False, True])
def test_offline_batch_that_is_no_multiple_of_3(graph: bool) -> None:
    call = triplet.OfflineTriplet().call
    signature = [tf.TensorSpec([None]), tf.TensorSpec([None, 5])]
    with pytest.raises(tf.errors.InvalidArgumentError, match="embeddings: expected triplets, a batch that"):
        (tf.function(call, input_signature=signature) if graph else call)(tf.zeros(4), tf.ones((4, 5)))


def mean_distance(x: np.ndarray) -> float:
    return float(np.mean([distance("squared_euclidean", a, b) for a in x for b in x]))


def test_auto_margin() -> None:
    """Each batch's margin is that of the batch before, times the share; not training leaves it."""
    loss = triplet.AutoMarginTriplet(share=0.2)
    margin = 1.0
    for seed in range(3):
        x, labels = batch(seed)
        expected = batch_hard(margin, "squared_euclidean")(x.astype(float), labels)
        still = loss.losses(tf.constant(x), tf.constant(labels), training=False)
        np.testing.assert_allclose(still, expected, rtol=2e-5, atol=1e-5)
        assert loss.get_config()["margin"] == pytest.approx(margin, rel=1e-5)
        np.testing.assert_allclose(loss.call(labels, x), expected, rtol=2e-5, atol=1e-5)
        margin = 0.2 * mean_distance(x.astype(float))
    again = triplet.AutoMarginTriplet.from_config(loss.get_config())
    assert again.state.values() == loss.state.values() == {"margin": pytest.approx(margin, rel=1e-5)}


def test_auto_margin_keeps_out_what_is_not_finite() -> None:
    loss = triplet.AutoMarginTriplet()
    x, labels = batch()
    x[3] = np.nan
    loss.call(labels, x)
    assert loss.state.values() == {"margin": 1.0}


def test_auto_margin_in_a_checkpoint(tmp_path: Any) -> None:
    loss = triplet.AutoMarginTriplet()
    loss.call(*reversed(batch()))
    path = tf.train.Checkpoint(state=loss.state).save(f"{tmp_path}/state")
    fresh = triplet.AutoMarginTriplet()
    tf.train.Checkpoint(state=fresh.state).restore(path).assert_consumed()
    assert fresh.state.values() == loss.state.values() != {"margin": 1.0}

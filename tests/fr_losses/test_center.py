"""Center losses: golden numbers of Keras_insightface, the path of centres, their files, several replicas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import center
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow import keras

from tests.fr_losses._metric_reference import (
    GOLDEN_EMBEDDINGS,
    GOLDEN_LABELS,
    moved_centers,
    slopes,
    to_center_directions,
    to_centers,
)

GOLDEN = {
    center.CenterLoss: (
        [0.86287, 1.04543, 0.82495, 0.93710, 1.25772, 1.56500],
        [0.56295, 0.68465, 0.46361, 0.53838, 0.52811, 0.73297],
    ),
    center.CosineCenterLoss: ([1.0] * 6, [0.23358, 0.18793, 0.12672, 0.11060, 0.00067, 0.00054]),
}
GOLDEN_CENTERS = [
    [0.08154, 0.30255, 0.14799, -0.10978],
    [0.24761, 0.04333, -0.24036, 0.17621],
    [0.32719, -0.30508, 0.26393, -0.20626],
]
FORMULAS = {center.CenterLoss: to_centers, center.CosineCenterLoss: to_center_directions}
both = pytest.mark.parametrize("kind", GOLDEN)


def random_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 5)), rng.integers(7, size=12)


@both
def test_golden(kind: Any) -> None:
    """The losses of a call are those with the centres before it."""
    loss = kind(3, 4)
    for number, expected in enumerate(GOLDEN[kind]):
        losses = loss.call(GOLDEN_LABELS, GOLDEN_EMBEDDINGS)
        np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=5e-6)
        if number == 0:
            np.testing.assert_allclose(loss.state.centers.numpy(), GOLDEN_CENTERS, rtol=1e-4, atol=5e-6)


@both
@pytest.mark.parametrize("alpha", [0.5, 1.0, 0.0])
def test_path(kind: Any, alpha: float) -> None:
    """Losses, gradients and centres over some batches, classes several times in each or never."""
    loss, centers = kind(9, 5, alpha=alpha), np.zeros((9, 5))
    for seed in range(4):
        x, labels = random_batch(seed)
        tensor = tf.constant(x, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            losses = loss.call(labels, tensor)
        np.testing.assert_allclose(losses, FORMULAS[kind](x, labels, centers), rtol=1e-5, atol=1e-6)
        expected = slopes(lambda moved: sum(FORMULAS[kind](moved, labels, centers)), x)  # noqa: B023
        np.testing.assert_allclose(tape.gradient(losses, tensor), expected, rtol=1e-3, atol=1e-4)
        centers = moved_centers(centers, x, labels, alpha)
        np.testing.assert_allclose(loss.state.centers.numpy(), centers, rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), alpha=st.floats(0, 1))
def test_centers_stay_between_their_samples(seed: int, alpha: float) -> None:
    """And 0, where they begin; no other row is touched."""
    x, labels = random_batch(seed)
    loss = center.CenterLoss(9, 5, alpha=alpha)
    for _ in range(3):
        loss.call(labels, x)
    moved = loss.state.centers.numpy()
    for label in range(9):
        own = np.concatenate([x[labels == label], np.zeros((1, 5))])
        assert (moved[label] >= own.min(axis=0) - 1e-5).all()
        assert (moved[label] <= own.max(axis=0) + 1e-5).all()


@both
def test_no_training(kind: Any) -> None:
    x, labels = random_batch(0)
    loss = kind(9, 5)
    first = loss.losses(tf.constant(x, tf.float32), tf.constant(labels, tf.int32), training=False)
    assert not loss.state.centers.numpy().any()
    np.testing.assert_array_equal(loss.call(labels, x), first)


def test_what_is_not_finite_spoils_no_centre() -> None:
    x, labels = random_batch(0)
    x[2] = np.nan
    loss = center.CenterLoss(9, 5)
    losses = loss.call(labels, x).numpy()
    assert np.isnan(losses[2]) and np.isfinite(np.delete(losses, 2)).all()
    expected = moved_centers(np.zeros((9, 5)), np.delete(x, 2, axis=0), np.delete(labels, 2))
    np.testing.assert_allclose(loss.state.centers.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_half_precision() -> None:
    """Centres are float32 whatever the embeddings are."""
    x, labels = random_batch(0)
    x = tf.cast(x, tf.bfloat16)
    loss = center.CenterLoss(9, 5)
    loss.call(labels, x)
    expected = moved_centers(np.zeros((9, 5)), tf.cast(x, tf.float64).numpy(), labels)
    np.testing.assert_allclose(loss.state.centers.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_bad_input() -> None:
    loss = center.CenterLoss(9, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels: expected class numbers below 9"):
        loss.call([9], tf.ones((1, 5)))
    with pytest.raises(ValueError, match=r"embeddings: expected shape \[B, 5\], got \(1, 4\)"):
        loss.call([0], tf.ones((1, 4)))


@both
def test_checkpoint(kind: Any, tmp_path: Path) -> None:
    x, labels = random_batch(1)
    loss = kind(9, 5)
    loss.call(labels, x)
    path = tf.train.Checkpoint(state=loss.state).save(str(tmp_path / "state"))
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config() and not again.state.centers.numpy().any()
    tf.train.Checkpoint(state=again.state).restore(path).assert_consumed()
    np.testing.assert_array_equal(again.state.centers.numpy(), loss.state.centers.numpy())
    np.testing.assert_array_equal(again.call(labels, x), loss.call(labels, x))


@both
def test_training_model(kind: Any, tmp_path: Path) -> None:
    """Beside a margin loss; the centres are saved with the model."""
    keras.utils.set_random_seed(0)
    x, labels = random_batch(1)
    backbone = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    head = fr_losses.FusedMarginSoftmax(9, fr_losses.CosFace(scale=8.0))
    model = fr_losses.TrainingModel(backbone, head, [(kind(9, 4, name="center"), 0.1)])
    model.compile(keras.optimizers.SGD(0.05))
    history = model.fit(x, labels, batch_size=12, epochs=3, verbose=0).history
    assert np.isfinite(history["center"]).all()
    centers = model.embedding_losses[0][0].state.centers.numpy()
    assert np.array_equal(np.flatnonzero(centers.any(axis=1)), np.unique(labels))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.embedding_losses[0][0].state.centers.numpy(), centers)


def test_file_of_a_compiled_model(tmp_path: Path) -> None:
    """It loads without custom objects, centres included; one of two losses here."""
    x, labels = random_batch(1)
    images = keras.Input((5,))
    embeddings = keras.layers.Dense(5)(images)
    model = keras.Model(images, [embeddings, fr_losses.NormDense(9)(embeddings)])
    model.compile(keras.optimizers.SGD(0.05), [center.CenterLoss(9, 5, alpha=0.25), fr_losses.ArcFace()])
    model.fit(x, [labels, labels], verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss[0].get_config() == model.loss[0].get_config()
    centers = model.loss[0].state.centers.numpy()
    assert centers.any()
    np.testing.assert_array_equal(again.loss[0].state.centers.numpy(), centers)


ON_TWO_REPLICAS = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from fr_losses import center, triplet
from tensorflow import keras

x = np.array(json.loads(input()), np.float32)
labels = np.array(json.loads(input()))
values = []
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for loss in (center.CenterLoss(9, 5), triplet.AutoMarginTriplet()):
        same = keras.layers.Dense(5, use_bias=False, kernel_initializer="identity")
        model = keras.Sequential([keras.Input((5,)), same])
        model.compile(keras.optimizers.SGD(0.0), loss)
        model.fit(x, labels, batch_size=8, epochs=1, shuffle=False, verbose=0)
        values.append([weight.numpy().tolist() for weight in loss.state.weights])
print("VALUES", json.dumps(values))
"""


def test_two_replicas() -> None:
    """Centres move as on one, by batches of 8 and a last one of 4; a margin is the mean of both replicas'."""
    x, labels = random_batch(3)
    x = x.astype(np.float32).astype(float)
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS],
        input=f"{json.dumps(x.tolist())}\n{json.dumps(labels.tolist())}\n",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("VALUES"))
    [[centers], [margin]] = json.loads(line.removeprefix("VALUES"))
    expected = moved_centers(moved_centers(np.zeros((9, 5)), x[:8], labels[:8]), x[8:], labels[8:])
    np.testing.assert_allclose(centers, expected, rtol=1e-5, atol=1e-6)
    squares = [((half[:, None] - half[None]) ** 2).sum(axis=2).mean() for half in (x[8:10], x[10:12])]
    assert margin == pytest.approx(0.1 * np.mean(squares), rel=1e-5)

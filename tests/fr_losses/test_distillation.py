"""Distillation: golden numbers of Keras_insightface, float64 formulas, gradients, feature maps, bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_losses import distillation
from tensorflow import keras

from tests.fr_losses._metric_reference import GOLDEN_EMBEDDINGS, GOLDEN_TEACHER, cosine, slopes

GOLDEN_COSINES = np.array([[0.9 * np.sin(1.3 * i + 0.7 * j + 0.2) for j in range(6)] for i in range(4)])


def to_cosine(teacher: np.ndarray, student: np.ndarray) -> float:
    """Norms with 1e-5 more."""
    lengths = [float(np.linalg.norm(row)) for row in (teacher, student)]
    return 1 - cosine(teacher, student) * math.prod(length / (length + 1e-5) for length in lengths)


def divergence(teacher: np.ndarray, student: np.ndarray, scale: float) -> float:
    p, q = ([math.exp(scale * v) for v in row] for row in (teacher, student))
    p, q = ([v / sum(row) for v in row] for row in (p, q))
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def squares(teacher: np.ndarray, student: np.ndarray) -> float:
    return sum((t - s) ** 2 for t, s in zip(teacher.ravel(), student.ravel(), strict=True))


def to_unit_features(teacher: np.ndarray, student: np.ndarray) -> float:
    parts = [row / math.sqrt(float((row * row).sum())) for row in (teacher, student)]
    return squares(*parts) / teacher.size


CASES: dict[str, tuple[Callable[[], Any], Callable[[np.ndarray, np.ndarray], float]]] = {
    "cosine": (distillation.CosineDistillation, to_cosine),
    "euclidean": (distillation.EuclideanDistillation, squares),
    "class_cosine": (distillation.ClassCosineDistillation, lambda t, s: divergence(t, s, 10)),
    "soft_targets": (distillation.SoftTargets, lambda t, s: 16 * divergence(t, s, 1 / 4)),
    "soft_targets_1": (lambda: distillation.SoftTargets(1.0), lambda t, s: divergence(t, s, 1)),
    "features": (distillation.FeatureMatching, lambda t, s: squares(t, s) / t.size),
    "features_normalised": (lambda: distillation.FeatureMatching(normalise=True), to_unit_features),
}
every_loss = pytest.mark.parametrize("name", CASES)


def outputs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (7, 6)), rng.uniform(-1, 1, (7, 6))


def losses_and_gradients(loss: Any, teacher: Any, student: Any) -> tuple[np.ndarray, Any, Any]:
    teacher, student = tf.convert_to_tensor(teacher), tf.convert_to_tensor(student)
    with tf.GradientTape() as tape:
        tape.watch([teacher, student])
        losses = loss.call(teacher, student)
    return losses.numpy(), *tape.gradient(losses, [teacher, student])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (distillation.cosine_distillation, [0.40839, 0.21957, 0.18920, 0.04788, 0.24664, 0.04030]),
        (distillation.euclidean_distillation, [1.46761, 1.00384, 0.68099, 0.23348, 1.11851, 0.24876]),
    ],
)
def test_golden(function: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(function(GOLDEN_TEACHER, GOLDEN_EMBEDDINGS), expected, rtol=1e-4, atol=5e-6)


def test_golden_divergence() -> None:
    """The reference's takes probabilities below 1e-7 for 1e-7; the divergence itself is larger."""
    teacher, student = GOLDEN_COSINES, GOLDEN_COSINES[::-1].copy()
    loss = distillation.ClassCosineDistillation(least_probability=1e-7)
    assert float(loss(teacher, student)) == pytest.approx(7.29398, rel=1e-4)
    assert float(distillation.ClassCosineDistillation()(teacher, student)) == pytest.approx(7.36188, rel=1e-4)


@every_loss
def test_formula_and_gradient(name: str) -> None:
    make, reference = CASES[name]
    teacher, student = outputs()
    losses, of_teacher, of_student = losses_and_gradients(make(), teacher, student)
    expected = [reference(t, s) for t, s in zip(teacher, student, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    assert of_teacher is None
    slope = slopes(lambda x: sum(reference(t, s) for t, s in zip(teacher, x, strict=True)), student)
    np.testing.assert_allclose(of_student, slope, rtol=1e-3, atol=1e-5)


@every_loss
def test_equal_outputs_cost_nothing(name: str) -> None:
    teacher, _ = outputs()
    for dtype in (tf.float32, tf.float16, tf.bfloat16):
        x = tf.cast(teacher, dtype)
        losses, _, gradient = losses_and_gradients(CASES[name][0](), x, x)
        assert losses.dtype == np.float32
        np.testing.assert_allclose(losses, 0.0, atol=5e-5)
        np.testing.assert_allclose(tf.cast(gradient, tf.float32), 0.0, atol=5e-5)


@every_loss
@pytest.mark.parametrize("student", [0.0, 1e4, -1e4])
def test_finite_at_the_ends(name: str, student: float) -> None:
    """Outputs of 0, large and opposite ones, of one sample, in half precision too."""
    for dtype in (tf.float32, tf.float16, tf.bfloat16):
        teacher, of_student = tf.ones((1, 6), dtype), tf.fill((1, 6), tf.cast(student, dtype))
        losses, _, gradient = losses_and_gradients(CASES[name][0](), teacher, of_student)
        assert losses.shape == (1,) and losses.dtype == np.float32 and np.isfinite(losses).all()
        assert np.isfinite(tf.cast(gradient, tf.float32).numpy()).all()


def test_teacher_that_overflowed() -> None:
    teacher = np.array([[1.0, np.inf, np.nan, -np.inf]], np.float32)
    student = np.array([[0.3, -0.2, 0.9, 0.1]])
    expected = to_cosine(np.array([1.0, 0.5, 0.5, 0.5]), student[0])
    assert float(distillation.cosine_distillation(teacher, student)[0]) == pytest.approx(expected, rel=1e-5)


@every_loss
def test_config(name: str) -> None:
    teacher, student = outputs(1)
    loss = CASES[name][0]()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    losses = loss.call(teacher, student)
    np.testing.assert_array_equal(again.call(teacher, student), losses)
    assert float(loss(teacher, student)) == pytest.approx(float(np.mean(losses)), rel=1e-5)


@every_loss
def test_fit(name: str) -> None:
    keras.utils.set_random_seed(0)
    teacher, student = outputs(2)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    model.compile(keras.optimizers.SGD(0.05), CASES[name][0]())
    history = model.fit(student, teacher, batch_size=7, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_attention() -> None:
    """Of maps with different channels, position by position."""
    rng = np.random.default_rng(3)
    teacher, student = rng.normal(size=(2, 3, 4, 8)), rng.normal(size=(2, 3, 4, 5))
    for normalise, reference in ((False, lambda t, s: squares(t, s) / t.size), (True, to_unit_features)):
        loss = distillation.FeatureMatching("attention", normalise)
        expected = [
            reference(np.square(t).sum(axis=-1), np.square(s).sum(axis=-1))
            for t, s in zip(teacher, student, strict=True)
        ]
        np.testing.assert_allclose(loss.call(teacher, student), expected, rtol=1e-5)


def test_pairs_of_maps() -> None:
    """Lists of maps, through Keras too; shapes that are not known before a graph runs."""
    rng = np.random.default_rng(4)
    teachers = [rng.normal(size=(2, 4, 4, 3)), rng.normal(size=(2, 2, 2, 6))]
    students = [rng.normal(size=array.shape) for array in teachers]
    loss = distillation.FeatureMatching()
    apart = sum(loss.call(t, s).numpy() for t, s in zip(teachers, students, strict=True))
    np.testing.assert_allclose(loss.call(teachers, students), apart, rtol=1e-6)
    as_tensors = [[tf.constant(array, tf.float32) for array in arrays] for arrays in (teachers, students)]
    assert float(loss(*as_tensors)) == pytest.approx(float(apart.mean()), rel=1e-6)
    signature = [[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, None, None, 6])]] * 2
    graph = tf.function(loss.call, input_signature=signature)
    np.testing.assert_allclose(graph(*as_tensors), apart, rtol=1e-6)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: distillation.CosineDistillation().call(tf.ones((2, 512)), tf.ones((2, 256))),
            r"student: expected the teacher's shape \[B, D\], \(2, 512\), got \(2, 256\)",
        ),
        (
            lambda: distillation.SoftTargets().call(tf.ones((2, 4, 4)), tf.ones((2, 4, 4))),
            r"student: expected the teacher's shape \[B, D\]",
        ),
        (
            lambda: distillation.feature_matching([tf.ones((2, 7, 7, 8))] * 2, [tf.ones((2, 7, 7, 8))]),
            "maps: expected as many of both, got 2 and 1",
        ),
        (
            lambda: distillation.feature_matching(
                [tf.ones((2, 7, 7, 8)), tf.ones((2, 7, 7, 8))], [tf.ones((2, 7, 7, 8)), tf.ones((2, 7, 7, 4))]
            ),
            r"maps: in pair 1, expected the shape of \(2, 7, 7, 8\), got \(2, 7, 7, 4\)",
        ),
        (
            lambda: distillation.feature_matching(
                tf.ones((2, 7, 7, 8)), tf.ones((2, 14, 14, 8)), maps="attention"
            ),
            r"maps: in pair 0, expected the spatial shape of \(2, 7, 7, 8\), got \(2, 14, 14, 8\)",
        ),
        (lambda: distillation.FeatureMatching("gram"), "maps: expected one of features, attention, got"),
        (lambda: distillation.ClassCosineDistillation(0), "scale: expected a number above 0, got 0"),
        (
            lambda: distillation.ClassCosineDistillation(least_probability=1),
            r"least_probability: expected a share in \[0, 1\), got 1",
        ),
        (lambda: distillation.SoftTargets(-1), "temperature: expected a number above 0, got -1"),
    ],
)
def test_bad_input(act: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        act()
    assert "\n" not in str(error.value)

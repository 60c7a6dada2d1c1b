"""Students of embeddings of another size, and of cosines with classes: what is learned, what is exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.build import build_step
from fr_models.train.teacher import TeacherSource

from tests.fr_models.train.networks import CLASSES, people
from tests.fr_models.train.teachers import recipe, stage


def taught(teacher: TeacherSource, dim: int) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    images, labels = people(24)
    rows = np.random.default_rng(5).normal(size=(images[0].size, dim)) / 14
    embeddings = images.reshape(24, -1) @ rows  # a teacher that a student can learn
    data = tf.data.Dataset.from_tensor_slices((images, labels, embeddings.astype("float32"))).batch(24)
    return next(iter(teacher.batches(data)))


@pytest.mark.parametrize("dim", [8, 20])
def test_a_student_nears_the_embeddings_of_its_teacher(dim: int) -> None:
    model = stage(recipe(), TeacherSource(dim))
    step = tf.function(build_step(recipe(), 0, model), autograph=False)
    batch = taught(TeacherSource(dim), dim)
    for _ in range(60):
        step(batch)
    metric = next(metric for metric in model.metrics if metric.name == "cosine_distillation")
    metric.reset_state()
    step(batch)
    assert float(metric.result()) < 0.15
    matrices = [w for w in model.trainable_variables if tuple(w.shape) == (8, dim)]
    assert len(matrices) == (dim != 8)
    assert model.backbone.output_shape == (None, 8)
    assert not {id(w) for w in matrices} & {id(w) for w in model.backbone.weights}


def test_divergence_of_cosines_with_classes() -> None:
    centers = np.random.default_rng(1).normal(size=(CLASSES, 5)).astype("float32")
    settings = {"name": "DistillKLDivergenceLoss", "weight": 3.0, "scale": 4.0}
    model = stage(recipe(settings), TeacherSource(5, centers=centers))
    images, labels = people(16)
    teacher = np.random.default_rng(2).normal(size=(16, 5)).astype("float32")
    got = model.batch_losses(tf.constant(images), {"labels": labels, "teacher": teacher}).values[-1]

    def log_shares(embeddings: Any, rows: Any) -> np.ndarray:
        embeddings, rows = np.asarray(embeddings, np.float64), np.asarray(rows, np.float64)
        cosines = (
            (embeddings @ rows.T) / np.linalg.norm(embeddings, axis=1)[:, None] / np.linalg.norm(rows, axis=1)
        )
        return 4.0 * cosines - np.log(np.exp(4.0 * cosines).sum(axis=1, keepdims=True))

    theirs = log_shares(teacher, centers)
    ours = log_shares(model.backbone(images), model.head.class_weights.numpy())
    np.testing.assert_allclose(got.numpy(), (np.exp(theirs) * (theirs - ours)).sum(axis=1), rtol=1e-4)
    with pytest.raises(ValueError, match=r"stages\.0\.distill: cosines with classes expect embeddings"):
        stage(recipe(settings), TeacherSource(5))

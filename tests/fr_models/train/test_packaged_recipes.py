"""Every recipe that comes with the package builds whole and takes two steps in each of its stages."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.build import build_stage, build_step
from fr_models.train.network import build_backbone
from fr_models.train.recipe import Recipe, packaged_recipes
from fr_models.train.teacher import TeacherSource
from tensorflow import keras

CLASSES, BATCH, TEACHER_DIM = 12, 4, 48
LARGE = ("casia_r34", "ms1mv3")
VARIANTS = ("cifar10_", "emore_se_", "casia_mobilenet_")  # of networks that others of the quick ones build
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith(LARGE + VARIANTS) else name
    for name in packaged_recipes()
]


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run(name: str) -> None:
    recipe = Recipe.load(packaged_recipes()[name])
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(recipe.seed)
    backbone = build_backbone(recipe)
    images = tf.constant(rng.normal(size=(BATCH, *recipe.model.input_shape)).astype("float32"))
    labels = tf.constant(np.repeat(np.arange(BATCH // 2), 2))
    centers = rng.normal(size=(CLASSES, TEACHER_DIM)).astype("float32")
    distills = any(recipe.stage(number).distills for number in range(len(recipe.stages)))
    teacher = TeacherSource(TEACHER_DIM, centers=centers) if distills else None
    targets = {"labels": labels, "teacher": tf.constant(centers[labels.numpy()])} if distills else labels
    model = None
    for number in range(len(recipe.stages)):
        model = build_stage(
            recipe,
            number,
            backbone,
            CLASSES,
            model,
            steps_per_epoch=10,
            teacher=teacher,
            batches=lambda: [(images, labels)],
        )
        step = build_step(recipe, number, model)
        before = [np.array(weight.numpy()) for weight in model.trainable_weights]
        for _ in range(2):
            report = step((images, targets))
            assert bool(report["finite"]), report
        moved = [np.any(w.numpy() != old) for w, old in zip(model.trainable_weights, before, strict=True)]
        assert np.mean(moved) > 0.9
        assert int(model.optimizer.iterations.numpy()) == 2 and int(step.skipped) == 0

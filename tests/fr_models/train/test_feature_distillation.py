"""Students of a teacher's feature maps."""

from __future__ import annotations

from pathlib import Path

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.build import build_step
from fr_models.train.teacher import teacher_of
from tensorflow import keras

from tests.fr_models.train.networks import people
from tests.fr_models.train.teachers import Images, recipe, save_teacher, stage


@pytest.mark.parametrize("maps", ["features", "attention"])
def test_feature_maps_near_those_of_the_teacher(maps: str, tmp_path: Path) -> None:
    path = save_teacher(tmp_path)
    given = recipe(
        {"name": "FeatureMatching", "weight": 5.0, "maps": maps},
        teacher={"model": str(path), "form": "features", "layers": [["conv", "maps"]]},
    )
    model = stage(given, teacher_of(given, Images(None)))
    step = tf.function(build_step(given, 0, model), autograph=False)
    images, labels = people(24)
    first = model.batch_losses(tf.constant(images), labels).values[-1].numpy()
    network = keras.models.load_model(path, compile=False)
    teacher = keras.Model(network.inputs[0], network.get_layer("maps").output)
    theirs = np.asarray(teacher(((images * 128 + 127.5)[..., ::-1] - 3.0) / 255), np.float64)
    ours = keras.Model(model.backbone.inputs[0], model.backbone.get_layer("conv").output)(images).numpy()
    if maps == "attention":
        expected = np.square((ours**2).sum(axis=-1) - (theirs**2).sum(axis=-1)).mean(axis=(1, 2))
        np.testing.assert_allclose(first, expected, rtol=1e-3)
    frozen = [np.array(w.numpy()) for w in model._teacher_maps[0].weights]
    for _ in range(40):
        step((tf.constant(images), tf.constant(labels)))
    assert model.batch_losses(tf.constant(images), labels).values[-1].numpy().mean() < 0.7 * first.mean()
    for weight, before in zip(model._teacher_maps[0].weights, frozen, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    held = {id(w) for w in model.trainable_variables}
    assert not held & {id(w) for w in model._teacher_maps[0].weights}
    assert given.teacher is not None and isinstance(model, fr_losses.TrainingModel)
    assert model.backbone.output_shape == (None, 8)
    other = {**given.teacher.to_dict(), "layers": [["conv", "map"]]}
    wrong = recipe({"name": "FeatureMatching"}, teacher=other)
    with pytest.raises(ValueError, match=r"stages\.0\.teacher\.layers: .* has no layer 'map'"):
        stage(wrong, None)

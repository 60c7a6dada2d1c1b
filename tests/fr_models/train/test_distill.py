"""Teachers of every form: what a student is compared with, what is learned, and what is not exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_eval.embedders import Preprocessing, load_embedder
from fr_models.data.dataset import Dataset
from fr_models.train.build import build_stage, build_step
from fr_models.train.distill import TeacherSource, teacher_centers, teacher_of
from fr_models.train.recipe import Recipe
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, backbone, people

SIZE = 8
OURS = Preprocessing((SIZE, SIZE), 1 / 128, 127.5, "RGB")


class Images(Dataset):
    """Labels of images that nobody reads, and embeddings beside them."""

    def __init__(self, embeddings: np.ndarray | None) -> None:
        self.labels = np.arange(24) % CLASSES
        self.class_names = [str(number) for number in range(CLASSES)]
        self.embeddings = embeddings

    def read(self, index: int) -> bytes:
        raise NotImplementedError

    def name(self, index: int) -> str:
        return str(index)

    def digest(self) -> str:
        return ""


def recipe(loss: Any = None, **settings: Any) -> Recipe:
    stage = {
        "epochs": 1,
        "loss": {"name": "ArcFace", "scale": 8},
        "distill": loss or 2.0,
        "optimizer": "Adam",
    }
    model = {"name": "r18", "input_shape": [SIZE, SIZE, 3]}
    return Recipe.from_dict({"model": model, "stages": [stage], "learning_rate": 0.02, **settings})


def stage(given: Recipe, teacher: TeacherSource | None) -> Any:
    return build_stage(given, 0, backbone(), CLASSES, steps_per_epoch=10, teacher=teacher)


def taught(teacher: TeacherSource, dim: int) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    images, labels = people(24)
    rows = np.random.default_rng(5).normal(size=(images[0].size, dim)) / 14
    embeddings = images.reshape(24, -1) @ rows  # a teacher that a student can learn
    data = tf.data.Dataset.from_tensor_slices((images, labels, embeddings.astype("float32"))).batch(24)
    return next(iter(teacher.batches(data)))


@pytest.mark.parametrize("dim", [8, 20])
def test_a_student_nears_the_embeddings_of_its_teacher(dim: int) -> None:
    model = stage(recipe(), TeacherSource(dim))
    step, batch = tf.function(build_step(recipe(), 0, model)), taught(TeacherSource(dim), dim)
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
    with pytest.raises(ValueError, match=r"stages\[0\]\.distill: cosines with classes expect embeddings"):
        stage(recipe(settings), TeacherSource(5))


def test_centers_of_a_teacher() -> None:
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(40, 3)).astype("float32"), rng.integers(0, 4, 40)
    embeddings[3, 1] = np.inf  # an overflow of half precision
    centers = teacher_centers(embeddings, labels, 5)
    for label in range(4):
        own = np.where(np.isfinite(embeddings), embeddings, 0)[labels == label]
        mean = (own / np.linalg.norm(own, axis=1, keepdims=True)).mean(axis=0)
        np.testing.assert_allclose(centers[label], mean / np.linalg.norm(mean), rtol=1e-4)
    assert not centers[4].any()


def save_teacher(folder: Path, scale: float = 1 / 255, colour: str = "BGR") -> Path:
    keras.utils.set_random_seed(11)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(6, 3, strides=2, activation="tanh", name="maps")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    network.save(folder / "teacher.keras")
    sidecar = f'{{"size": [{SIZE}, {SIZE}], "scale": {scale}, "offset": 3.0, "colour": "{colour}"}}'
    (folder / "teacher.json").write_text(sidecar)
    return folder / "teacher.keras"


def test_a_teacher_that_is_asked_sees_the_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save_teacher(tmp_path)
    given = recipe(teacher={"model": str(path)})
    teacher = teacher_of(given, Images(None))
    assert teacher is not None and teacher.dim == 5
    pixels = rng.integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    data = tf.data.Dataset.from_tensors((OURS.apply(pixels), np.arange(4)))
    _, targets = next(iter(teacher.batches(data)))
    np.testing.assert_allclose(targets["teacher"], load_embedder(path)(pixels), rtol=1e-5)
    assert targets["labels"].numpy().tolist() == [0, 1, 2, 3]


def test_a_teacher_of_another_runtime(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from PIL import Image

    faces = sorted((shared_data / "lfw" / "aligned112").rglob("*.jpg"))[:4]
    pixels = np.stack([np.asarray(Image.open(face).convert("RGB")) for face in faces])
    path = shared_data / "models" / "MobileFaceNet.tflite"
    ours = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")
    embedder = load_embedder(path, ours)
    teacher = TeacherSource(192, embedder, ours)
    np.testing.assert_array_equal(teacher.embed(ours.apply(pixels)), embedder(pixels))


def test_where_a_teacher_comes_from() -> None:
    embeddings = np.ones((24, 7), np.float32)
    found = teacher_of(recipe(), Images(embeddings))
    assert (
        found is not None
        and found.dim == 7
        and found.centers is not None
        and found.centers.shape == (CLASSES, 7)
    )
    plain = Recipe.from_dict({"model": {"name": "r18"}, "stages": [{"epochs": 1, "loss": "ArcFace"}]})
    assert teacher_of(plain, Images(embeddings)) is None
    with pytest.raises(ValueError, match=r"teacher\.model: missing, and there are no embeddings"):
        teacher_of(recipe(), Images(None))


@pytest.mark.parametrize("maps", ["features", "attention"])
def test_feature_maps_near_those_of_the_teacher(maps: str, tmp_path: Path) -> None:
    path = save_teacher(tmp_path)
    given = recipe(
        {"name": "FeatureMatching", "weight": 5.0, "maps": maps},
        teacher={"model": str(path), "form": "features", "layers": [["conv", "maps"]]},
    )
    model = stage(given, teacher_of(given, Images(None)))
    step = tf.function(build_step(given, 0, model))
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
    with pytest.raises(ValueError, match=r"stages\[0\]\.teacher\.layers: .* has no layer 'map'"):
        stage(wrong, None)

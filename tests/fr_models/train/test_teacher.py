"""Where a teacher's embeddings come from, and what batches bring of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fr_eval.embedders import Preprocessing, load_embedder
from fr_models.train.images import pipeline_of
from fr_models.train.recipe import Recipe
from fr_models.train.teacher import TeacherSource, teacher_centers, teacher_of

from tests.fr_models.train.networks import CLASSES
from tests.fr_models.train.teachers import SIZE, Images, recipe, save_teacher

OURS = Preprocessing((SIZE, SIZE), 1 / 128, 127.5, "RGB")


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


def test_a_teacher_is_asked_ahead(tmp_path: Path) -> None:
    """While a student trains on a batch, its teacher has the next one."""
    asked = threading.Semaphore(0)

    def embed(pixels: np.ndarray) -> np.ndarray:
        asked.release()
        return np.ones((len(pixels), 5), np.float32)

    teacher = TeacherSource(5, embed, OURS)  # type: ignore[arg-type]
    images = np.zeros((3, 4, SIZE, SIZE, 3), np.float32)
    batches = iter(teacher.batches(tf.data.Dataset.from_tensor_slices((images, np.zeros((3, 4))))))
    next(batches)
    assert all(asked.acquire(timeout=10) for _ in range(2))


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


def test_batches_of_a_teacher_of_feature_maps(tmp_path: Path) -> None:
    """The model has the teacher: batches are as those of a student alone, and bring no embeddings."""
    settings = {"model": str(save_teacher(tmp_path)), "form": "features", "layers": [["conv", "maps"]]}
    teacher = teacher_of(recipe({"name": "FeatureMatching"}, teacher=settings), Images(None))
    assert teacher is not None and teacher.dim == 0
    images, labels = np.ones((4, SIZE, SIZE, 3), np.float32), np.arange(4)
    for beside in ([], [np.ones((4, 5), np.float32)]):  # with those that another stage learns from
        (batch,) = teacher.batches(tf.data.Dataset.from_tensors((images, labels, *beside)))
        assert len(batch) == 2
        np.testing.assert_array_equal(batch[0], images)
        np.testing.assert_array_equal(batch[1], labels)


def test_no_embeddings_beside_the_images() -> None:
    """The loss that wants them is named, and what writes them."""
    further = {"epochs": 1, "embedding_losses": [{"name": "CenterLoss"}, {"name": "CosineDistillation"}]}
    first = {"epochs": 1, "loss": "ArcFace"}
    for given, key in (
        (recipe(), "stages.0.distill"),
        (recipe(stages=[first, further]), "stages.1.embedding_losses.1"),
        (recipe(stages=[first, {"epochs": 1, "loss": "CosineDistillation"}]), "stages.1.loss"),
    ):
        with pytest.raises(ValueError, match=r"fr-data distill writes them, or a teacher\.model") as caught:
            pipeline_of(given, Images(None))
        assert str(caught.value).startswith(f"{key}: expected embeddings beside the images")
    mixed = recipe(data={"augmentation": {"mixup": 0.2}})
    with pytest.raises(ValueError, match=r"^data\.augmentation\.mixup: expected 0, as stages\.0\.distill"):
        pipeline_of(mixed, Images(np.ones((24, 7), np.float32)))

"""Sub-center cleaning against plain loops, and on real faces with labels that were swapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.drop import class_matrix_of, clean_by_sub_centers, read_class_matrix

from tests.fr_models.data.datasets import InMemory


def made_up(rng: np.random.Generator) -> tuple[InMemory, np.ndarray, np.ndarray]:
    """30 images of 4 classes (one of them empty), embeddings of any length, 3 sub-centers a class."""
    labels = rng.permutation([0] * 14 + [1] * 10 + [3] * 6).tolist()
    matrix = rng.normal(size=(12, 8)).astype(np.float32)
    chosen = matrix[[3 * label + rng.integers(3) for label in labels]]
    embeddings = (chosen * rng.uniform(0.1, 9, (30, 1)) + rng.normal(size=(30, 8))).astype(np.float32)
    return InMemory([bytes([1])] * 30, labels, list("abcd")), embeddings, matrix


def test_against_a_plain_loop(rng: np.random.Generator) -> None:
    dataset, embeddings, matrix = made_up(rng)
    cleaning = clean_by_sub_centers(dataset, embeddings, matrix, degrees=60)
    unit = matrix.astype(np.float64) / np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    for label in (0, 1, 3):
        rows = np.flatnonzero(dataset.labels == label)
        cosines = [
            [row @ unit[3 * label + k] / np.linalg.norm(row) for k in range(3)]
            for row in embeddings[rows].astype(float)
        ]
        votes = [int(np.argmax(row)) for row in cosines]
        dominant = max(range(3), key=lambda k: (votes.count(k), -k))
        assert cleaning.dominant[label] == dominant
        assert cleaning.counts[label].tolist() == [votes.count(k) for k in range(3)]
        for row, cosine in zip(rows, cosines, strict=True):
            assert cleaning.angles[row] == pytest.approx(np.degrees(np.arccos(cosine[dominant])), rel=1e-6)
            assert cleaning.keep[row] == (cosine[dominant] >= np.cos(np.radians(60)))
    assert 0 < cleaning.keep.sum() < 30


def test_classes_that_lose_all_are_left_out(rng: np.random.Generator) -> None:
    dataset, embeddings, matrix = made_up(rng)
    embeddings[dataset.labels == 1] = -matrix[3]
    matrix[4:6] = matrix[3]
    cleaning = clean_by_sub_centers(dataset, embeddings, matrix)
    left = cleaning.selection(dataset)
    assert left.class_names == ["a", "d"] and set(left.labels.tolist()) == {0, 1}
    assert left.rows.tolist() == np.flatnonzero(cleaning.keep).tolist()
    assert cleaning.to_json() == {
        "degrees": 75.0,
        "sub_centers": 3,
        "images": 30,
        "images_kept": int(cleaning.keep.sum()),
        "classes": 3,
        "classes_kept": 2,
    }
    assert str(cleaning).endswith("of 30 images kept at 75 degrees, 2 of 3 classes")
    frame = cleaning.to_frame()
    assert frame.class_name.tolist() == ["a", "b", "d"] and frame.kept.tolist()[1] == 0
    assert frame.images.sum() == 30 and frame.largest_degrees.tolist()[1] == pytest.approx(180)
    assert frame.dominant_share.between(1 / 3, 1).all()


def test_swapped_faces_are_found(shared_data: Path) -> None:
    """A class's centers: the mean of its images, and the mean of the wrong ones among them."""
    with np.load(shared_data / "embeddings" / "lfw_mobilefacenet192.npz") as stored:
        known = dict(zip(stored["filenames"].tolist(), stored["embeddings"], strict=True))
    whole = open_dataset(shared_data / "mxnet_rec")
    lines = (shared_data / "mxnet_rec" / "train.lst").read_text().splitlines()
    embeddings = np.array([known[line.split("\t")[2]] for line in lines], np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = whole.labels.copy()
    wrong = np.arange(5, 600, 20)
    labels[wrong] = (labels[wrong] + 7) % 60
    dataset = InMemory([b"x"] * 600, labels.tolist(), whole.class_names)
    matrix = np.zeros((120, 192), np.float32)
    for label in range(60):
        ours = labels == label
        is_wrong = np.isin(np.arange(600), wrong)
        matrix[2 * label] = embeddings[ours & ~is_wrong].mean(axis=0)
        noise = embeddings[ours & is_wrong]
        matrix[2 * label + 1] = noise.mean(axis=0) if len(noise) else -matrix[2 * label]
    cleaning = clean_by_sub_centers(dataset, embeddings, matrix, degrees=65)
    dropped = set(np.flatnonzero(~cleaning.keep).tolist())
    assert (cleaning.dominant == 0).all()
    # One stranger is at 59 degrees, and one image at 73 degrees from its own person.
    assert len({*wrong.tolist()} - dropped) <= 1 and len(dropped - {*wrong.tolist()}) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"degrees": 0.0}, "degrees: expected an angle between 0 and 180, got 0.0"),
        ({"degrees": float("nan")}, "degrees: expected an angle"),
        ({"class_matrix": np.ones((11, 8), np.float32)}, "expected a multiple of 4 classes as rows, got 11"),
        ({"class_matrix": np.ones((12, 7), np.float32)}, r"embeddings, labels: expected \[N, 7\]"),
        ({"class_matrix": np.full((12, 8), np.nan)}, "class matrix: expected finite numbers"),
        ({"class_matrix": np.zeros((12, 8))}, "its embedding, or its class's center, is zero or not finite"),
        ({"embeddings": np.ones((29, 8), np.float32)}, "embeddings: expected 30, one an image, got 29"),
        ({"embeddings": np.full((30, 8), np.inf, np.float32)}, "image 0: its embedding, or"),
    ],
)
def test_wrong_input(rng: np.random.Generator, change: dict[str, object], message: str) -> None:
    dataset, embeddings, matrix = made_up(rng)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        clean_by_sub_centers(dataset, **{"embeddings": embeddings, "class_matrix": matrix, **change})


def test_no_image_left(rng: np.random.Generator) -> None:
    dataset, embeddings, matrix = made_up(rng)
    cleaning = clean_by_sub_centers(dataset, embeddings, matrix, degrees=0.001)
    with pytest.raises(ValueError, match=r"no image is within 0\.001 degrees"):
        cleaning.selection(dataset)


def test_class_matrix_files(tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "a.npy", matrix)
    np.savez(tmp_path / "a.npz", centers=matrix)
    for suffix in ("npy", "npz"):
        np.testing.assert_array_equal(read_class_matrix(tmp_path / f"a.{suffix}"), matrix)
    np.savez(tmp_path / "b.npz", a=matrix, b=matrix)
    np.save(tmp_path / "b.npy", np.array([None]), allow_pickle=True)
    np.save(tmp_path / "c.npy", np.arange(3))
    (tmp_path / "d.npy").write_bytes(b"x")
    for name, message in {
        "b.npz": "expected one array, the class matrix, found a, b",
        "b.npy": "cannot be read",
        "c.npy": r"expected a float matrix, got int64 \[3\]",
        "d.npy": "cannot be read",
        "e.txt": r"expected a \.npy or \.npz file",
    }.items():
        with pytest.raises(ValueError, match=message):
            read_class_matrix(tmp_path / name)


def test_class_matrix_of_heads() -> None:
    import tensorflow as tf
    from fr_losses import ArcFace, FusedMarginSoftmax, NormDense

    for head in (NormDense(5, sub_centers=3), FusedMarginSoftmax(5, ArcFace(), sub_centers=3)):
        with pytest.raises(ValueError, match="head: expected a built layer with class_weights, got"):
            class_matrix_of(head)
        head.build((None, 8))
        matrix = class_matrix_of(head)
        assert matrix.shape == (15, 8)
        np.testing.assert_array_equal(matrix, tf.convert_to_tensor(head.class_weights))
        head.class_weights.assign(tf.zeros((15, 8)))
        assert matrix.any(), "a copy, which training does not change"

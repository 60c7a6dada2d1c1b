"""Made-up people: the same ones each time, aligned as real crops, alike but not in single pixels."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fr_eval.alignment import TEMPLATE_112
from fr_losses import CosFace, NormDense
from fr_models.data import Pipeline, SyntheticFaces, open_dataset
from fr_models.data._face_people import Person, Scene
from fr_models.data._face_surface import Surface
from PIL import Image
from tensorflow import keras


@pytest.fixture(scope="module")
def faces() -> SyntheticFaces:
    return SyntheticFaces(identities=24, images_per_identity=8, seed=3)


@pytest.fixture(scope="module")
def pixels(faces: SyntheticFaces) -> np.ndarray:
    return np.stack([_decoded(faces.read(index)) for index in range(len(faces))])


def test_what_reads_is_what_is_drawn(faces: SyntheticFaces, pixels: np.ndarray) -> None:
    drawn = faces.draw(identity=2, image=5)
    assert drawn.shape == (112, 112, 3) and drawn.dtype == np.uint8
    assert np.abs(pixels[2 * 8 + 5].astype(int) - drawn).mean() < 6  # JPEG, of noise too
    assert faces.read(7) == faces.read(7)
    assert len({faces.read(index) for index in range(len(faces))}) == len(faces)


def test_an_image_is_a_function_of_seed_identity_and_image(faces: SyntheticFaces) -> None:
    larger = SyntheticFaces(identities=40, images_per_identity=20, seed=3)
    assert larger.read(5 * 20 + 7) == faces.read(5 * 8 + 7)
    assert SyntheticFaces(24, 8, seed=4).read(0) != faces.read(0)


def test_another_process_draws_the_same_bytes(faces: SyntheticFaces) -> None:
    code = (
        "import hashlib; from fr_models.data import SyntheticFaces; "
        "faces = SyntheticFaces(24, 8, seed=3); "
        "print(hashlib.sha256(b''.join(faces.read(i) for i in (191, 0, 77))).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = hashlib.sha256(b"".join(faces.read(index) for index in (191, 0, 77))).hexdigest()
    assert done.stdout.strip() == expected


def test_landmarks_lie_where_arcface_wants_them() -> None:
    """Project a head's eyes, nose and mouth by hand: near the template, nearest when it looks ahead."""
    distances = []
    for identity in range(40):
        person = Person.drawn(np.random.default_rng([1, identity]))
        scene = Scene.drawn(np.random.default_rng([2, identity]), person, 112)
        surface = Surface.of(person, scene)
        for side, target in ((-1, TEMPLATE_112[0]), (1, TEMPLATE_112[1])):
            x, y = side * person.eye_distance, person.eye_height
            seen = np.hypot(surface.across - x, surface.down - y) + 100 * (surface.inside < 0.5)
            row, column = np.unravel_index(np.argmin(seen), seen.shape)
            distances.append(np.hypot(column - target[0], row - target[1]))
    assert np.median(distances) < 3.0 and np.max(distances) < 9.0


def test_eyes_are_dark_spots_beside_a_bright_nose(faces: SyntheticFaces) -> None:
    """Of the mean face: what a detector of Viola and Jones looks for."""
    mean = np.mean([faces.draw(identity, 0) for identity in range(24)], axis=(0, 3))
    left, right, nose = mean[47:56, 32:45].mean(), mean[47:56, 67:80].mean(), mean[47:62, 52:60].mean()
    cheeks = (mean[62:76, 26:42].mean() + mean[62:76, 70:86].mean()) / 2
    assert max(left, right) < 0.9 * nose and max(left, right) < 0.9 * cheeks


def test_people_differ_but_not_by_single_pixels(faces: SyntheticFaces, pixels: np.ndarray) -> None:
    """Learnable, as images of a person are nearer; not trivial, as pixels alone often mislead."""
    rows = pixels.reshape(len(pixels), -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first, second, is_same = faces.pairs(4000)
    scores = (rows[first] * rows[second]).sum(axis=1)
    assert 0.55 < _accuracy(scores, is_same) < 0.80


@pytest.mark.slow
def test_a_small_network_learns_people_it_has_not_seen() -> None:
    """Trained on 150 people for a minute or two, tested on 60 others: far above what pixels give."""
    known, unknown = SyntheticFaces(150, 12, seed=5), SyntheticFaces(60, 8, seed=6)
    keras.utils.set_random_seed(0)
    network = _small_network()
    model = keras.Sequential([network, NormDense(150)])
    model.compile(keras.optimizers.Adam(2e-3), CosFace(margin=0.15, scale=24.0), jit_compile=False)
    pipeline = Pipeline(known, 50, image_size=(56, 56), seed=0)
    for epoch in range(10):
        if epoch == 7:
            model.compile(keras.optimizers.Adam(4e-4), CosFace(margin=0.15, scale=24.0), jit_compile=False)
        model.fit(pipeline.batches(epoch), shuffle=False, verbose=0)
    images = np.stack([_decoded(unknown.read(index)) for index in range(len(unknown))])
    inputs = (tf.image.resize(images, (56, 56), antialias=True).numpy() - 127.5) / 128
    embeddings = network.predict(inputs, verbose=0)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second, is_same = unknown.pairs(3000)
    assert _accuracy((embeddings[first] * embeddings[second]).sum(axis=1), is_same) > 0.85


def test_pairs_are_what_they_say(faces: SyntheticFaces) -> None:
    first, second, is_same = faces.pairs(1000, seed=1)
    np.testing.assert_array_equal(faces.labels[first] == faces.labels[second], is_same)
    assert is_same.sum() == 500 and (first != second).all()
    assert first.min() >= 0 and max(first.max(), second.max()) < len(faces)
    assert all(
        np.array_equal(*both)
        for both in zip(faces.pairs(1000, seed=1), (first, second, is_same), strict=True)
    )
    assert not np.array_equal(faces.pairs(1000, seed=2)[0], first)


def test_written_folders_are_the_same_dataset(tmp_path: Path) -> None:
    faces = SyntheticFaces(identities=3, images_per_identity=2, seed=5)
    faces.write(tmp_path / "faces")
    again = open_dataset(tmp_path / "faces")
    assert again.digest() == faces.digest()
    np.testing.assert_array_equal(again.labels, faces.labels)
    assert again.class_names == faces.class_names


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"identities": 0}, "identities: expected a whole number from 1 on, got 0"),
        ({"images_per_identity": 2.5}, "images_per_identity: expected a whole number from 1 on, got 2.5"),
        ({"seed": -1}, "seed: expected a whole number from 0 on, got -1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticFaces(**{"identities": 2, "images_per_identity": 2} | settings)


def test_wrong_requests_are_named() -> None:
    faces = SyntheticFaces(2, 1)
    with pytest.raises(ValueError, match="index: expected one of 2 images, got 2"):
        faces.read(2)
    with pytest.raises(ValueError, match="expected two people with two images each, got 2 with 1"):
        faces.pairs(2)
    with pytest.raises(ValueError, match="count: expected an even number from 2 on, got 3"):
        SyntheticFaces(2, 2).pairs(3)


def _small_network() -> keras.Model:
    layers: list[keras.layers.Layer] = [keras.Input((56, 56, 3))]
    for filters in (24, 48, 96, 128):
        layers += [keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, use_bias=False)]
    return keras.Sequential([*layers, keras.layers.BatchNormalization(momentum=0.9)])


def _accuracy(scores: np.ndarray, is_same: np.ndarray) -> float:
    thresholds = np.quantile(scores, np.linspace(0, 1, 201))
    return max(float(np.mean((scores >= threshold) == is_same)) for threshold in thresholds)


def _decoded(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))

"""Operations against Pillow, OpenCV and NumPy; equal seeds give equal images; wrong settings are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import MixedLabels
from fr_losses._labels import mixed_classes
from fr_models.data import Augmentation, PerClass, Pipeline, SyntheticFaces
from fr_models.data import _image_operations as operations
from fr_models.data import _rand_augment as rand_augment
from fr_models.data._augment import augmented
from fr_models.data.augmentation import OPERATIONS, PAPER_OPERATIONS
from fr_models.data.mixup import mix_weights
from PIL import Image, ImageEnhance, ImageOps

from tests.fr_eval.faces import face
from tests.fr_models.data.image_datasets import Bytes, small
from tests.fr_models.data.test_pipeline import SIZE, arrays, assert_equal

FACES = SyntheticFaces(3, 1, seed=2)
IMAGES = {
    "face": FACES.draw(0, 0),
    "dark face": FACES.draw(1, 0) // 3,
    "pattern": face(5, 0, 48),
    "flat": np.full((20, 24, 3), 77, np.uint8),
    "two levels": np.where(np.indices((24, 20)).sum(axis=0)[:, :, None] % 2, 10, 200).astype(np.uint8)
    * np.ones(3, np.uint8),
}

PILLOW: dict[str, tuple[Callable[[Any], Any], Callable[[Image.Image], Image.Image]]] = {
    "grey": (operations.grey, lambda image: image.convert("L").convert("RGB")),
    "auto_contrast": (operations.auto_contrast, ImageOps.autocontrast),
    "equalize": (operations.equalize, ImageOps.equalize),
}
for _factor in (0.1, 0.55, 1.0, 1.45, 1.9):
    for _name, _enhancer in (
        ("color", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("brightness", ImageEnhance.Brightness),
        ("sharpness", ImageEnhance.Sharpness),
    ):
        PILLOW[f"{_name} {_factor}"] = (
            lambda image, name=_name, factor=_factor: getattr(operations, name)(image, factor),
            lambda image, enhancer=_enhancer, factor=_factor: enhancer(image).enhance(factor),
        )
for _bits in (8, 6, 4):
    PILLOW[f"posterize {_bits}"] = (
        lambda image, bits=_bits: operations.posterize(image, bits),
        lambda image, bits=_bits: ImageOps.posterize(image, bits),
    )
for _threshold in (0, 100, 256):
    PILLOW[f"solarize {_threshold}"] = (
        lambda image, threshold=_threshold: operations.solarize(image, threshold),
        lambda image, threshold=_threshold: ImageOps.solarize(image, threshold),
    )


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("operation", PILLOW)
def test_operations_are_pillow_s(operation: str, image: str) -> None:
    ours, theirs = PILLOW[operation]
    found = ours(tf.constant(IMAGES[image])).numpy()
    expected = np.asarray(theirs(Image.fromarray(IMAGES[image])))
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shift", [-0.15, 0.0, 0.05])
def test_brighten_adds_and_clips(shift: float) -> None:
    expected = np.clip(np.rint(IMAGES["face"] + 255 * shift), 0, 255)
    assert np.abs(operations.brighten(IMAGES["face"], shift).numpy() - expected).max() <= 1


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
@pytest.mark.parametrize("side", [0.0, 0.9])
def test_geometry_is_opencv_s(name: str, side: float) -> None:
    """At half the magnitude, around the middle: 15 degrees, a shear of 0.15, a shift of 0.2266."""
    image, sign = IMAGES["face"], -1.0 if side < 0.5 else 1.0
    middle = (112 - 1) / 2
    a = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    if name == "rotate":
        turn = np.deg2rad(sign * 15)
        a[:, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    elif name.startswith("shear"):
        a[(0, 1) if name == "shear_x" else (1, 0)] = sign * 0.15
    else:
        a["xy".index(name[-1]), 2] = sign * 0.5 * 150 / 331 * 112
    a[:, 2] += middle - a[:, :2] @ [middle, middle]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(image, a, (112, 112), flags=flags, borderValue=(128, 128, 128))
    found = rand_augment.apply(name, tf.constant(image), 0.5, tf.constant([side, 0.0, 0.0])).numpy()
    difference = np.abs(found.astype(int) - expected)
    assert difference.mean() < 1.0  # OpenCV rounds places to 1/32 pixel
    assert np.mean(difference > 24) < 0.01
    assert np.abs(found.astype(int) - image).mean() > 3


def test_crop_is_resized_to_the_whole_image() -> None:
    image = IMAGES["face"]
    found = operations.crop(tf.constant(image), 7, 3, 100, 96).numpy()
    expected = cv2.resize(image[7:107, 3:99], (112, 112), interpolation=cv2.INTER_LINEAR)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("top", "left", "height", "width"), [(5, 9, 20, 30), (-4, 100, 10, 50), (0, 0, 112, 112)]
)
def test_erase_replaces_a_rectangle(top: int, left: int, height: int, width: int) -> None:
    expected = IMAGES["face"].copy()
    expected[max(top, 0) : top + height, max(left, 0) : left + width] = 128
    np.testing.assert_array_equal(operations.erase(IMAGES["face"], top, left, height, width), expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_magnitudes_grow_from_nothing(name: str) -> None:
    """The reference's usual magnitude is one at which four of its operations do nothing."""
    image = tf.constant(IMAGES["face"])
    draws = tf.constant([0.9, 0.5, 0.5])
    changes = [
        np.abs(rand_augment.apply(name, image, strength, draws).numpy().astype(int) - IMAGES["face"]).mean()
        for strength in (0.0, 0.5, 1.0)
    ]
    if name in ("auto_contrast", "equalize"):
        assert changes[0] == changes[1] == changes[2] > 0
    elif name == "identity":
        assert changes == [0, 0, 0]
    else:
        assert changes[0] <= 0.5 and changes[0] < changes[1] < changes[2]


def test_rand_augment_chooses_all_operations_alike() -> None:
    names = ("identity", "solarize", "posterize", "cutout")
    image = tf.constant(IMAGES["pattern"])
    draws = tf.constant([0.1, 0.5, 0.5])
    layered = tf.function(lambda which: rand_augment.layered(image, names, 1.0, which, draws))
    for number, name in enumerate(names):
        for place in (0.0, 0.999):
            expected = rand_augment.apply(name, image, 1.0, draws)
            np.testing.assert_array_equal(layered(tf.constant((number + place) / 4, tf.float32)), expected)


ALL = Augmentation(
    crop=0.9, brightness=0.1, contrast=0.2, saturation=0.2, grey=0.3, rand_augment_layers=2,
    rand_augment_operations=OPERATIONS, lower_face_mask=0.5, random_erase=0.5,
)  # fmt: skip
ONE_EACH = [
    {"crop": 0.8}, {"brightness": 0.2}, {"contrast": 0.3}, {"saturation": 0.5}, {"grey": 0.5},
    {"rand_augment_layers": 1}, {"lower_face_mask": 0.5}, {"random_erase": 0.5},
]  # fmt: skip


def many(augmentation: Augmentation, count: int = 60) -> np.ndarray:
    image = tf.constant(IMAGES["face"])
    function = tf.function(lambda seed: augmented(image, seed, augmentation))
    return np.stack([function(tf.constant([11, place], tf.int64)).numpy() for place in range(count)])


@pytest.mark.parametrize("settings", ONE_EACH, ids=str)
def test_each_setting_changes_images_by_chance(settings: dict[str, float]) -> None:
    images = many(Augmentation(**settings))
    assert len({image.tobytes() for image in images}) >= (2 if "grey" in settings else 8)
    np.testing.assert_array_equal(images[:5], many(Augmentation(**settings), 5))
    if next(iter(settings.values())) == 0.5 and "saturation" not in settings:
        changed = np.mean([not np.array_equal(image, IMAGES["face"]) for image in images])
        assert 0.25 < changed < 0.75


def test_a_further_setting_leaves_others_as_they_were() -> None:
    plain, masked = (
        many(Augmentation(brightness=0.2)),
        many(Augmentation(brightness=0.2, lower_face_mask=1.0)),
    )
    np.testing.assert_array_equal(plain[:, :60], masked[:, :60])


def test_lower_face_mask_begins_between_nose_and_mouth() -> None:
    images = many(Augmentation(lower_face_mask=1.0))
    grey = (images == 128).all(axis=(2, 3))
    tops = grey.argmax(axis=1)
    assert all(rows[top:].all() for rows, top in zip(grey, tops, strict=True))
    assert 61 <= tops.min() < 66 and 73 < tops.max() <= 78


def test_random_erase_takes_2_to_40_percent_with_noise() -> None:
    images = many(Augmentation(random_erase=1.0))
    erased = (images != IMAGES["face"]).any(axis=3)
    for mask, image in zip(erased, images, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        rectangle = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert mask[rectangle].mean() > 0.99
        assert 0.01 < mask.mean() < 0.42
        assert 100 < image[rectangle].mean() < 155 and image[rectangle].std() > 60


def test_augmented_batches_begin_again_anywhere() -> None:
    def pipeline() -> Pipeline:
        return Pipeline(Bytes(*small()), 4, image_size=SIZE, augmentation=ALL, seed=1)

    whole = arrays(pipeline().batches(2))
    assert_equal(arrays(pipeline().batches(2, 3)), whole[3:])
    assert not np.array_equal(arrays(pipeline().batches(1))[0][0], whole[0][0])


@pytest.mark.parametrize("replicas", [1, 2])
def test_mixup_mixes_neighbours(replicas: int) -> None:
    def pipeline(mixup: float) -> Pipeline:
        return Pipeline(Bytes(*small()), 4, image_size=SIZE, seed=1, augmentation=Augmentation(mixup=mixup))

    weights = mix_weights(0.4, 20, 1, 3).reshape(5, 4)
    plain, found = arrays(pipeline(0.0).batches(3)), list(pipeline(0.4).batches(3, replicas=replicas))
    images = np.concatenate([images for images, _ in found]).reshape(5, 4, *SIZE, 3)
    first, second, weight = (
        np.concatenate([part[place] for _, part in found]).reshape(5, 4) for place in range(3)
    )
    np.testing.assert_array_equal(weight, weights)
    for step, (pixels, labels) in enumerate(plain):
        other = [1, 0, 3, 2]
        share = weights[step][:, None, None, None].astype(np.float64)
        np.testing.assert_allclose(images[step], share * pixels + (1 - share) * pixels[other], atol=1e-6)
        np.testing.assert_array_equal(first[step], labels)
        np.testing.assert_array_equal(second[step], labels[other])


def test_mixed_labels_are_rows_that_losses_take() -> None:
    pipeline = Pipeline(Bytes(*small()), 22, image_size=SIZE, augmentation=Augmentation(mixup=1.0))
    (_, labels), *_ = pipeline.batches(0)
    assert isinstance(labels, MixedLabels)
    rows = labels.to_rows(5)
    np.testing.assert_allclose(rows.numpy().sum(axis=1), 1.0, atol=1e-6)
    weights, classes = mixed_classes(rows, 5)
    different = labels.first.numpy() != labels.second.numpy()
    np.testing.assert_allclose(weights.numpy()[different, 0], labels.weight.numpy()[different], atol=1e-6)
    assert (classes.numpy()[different, 0] == labels.first.numpy()[different]).mean() > 0.9  # 0.5 can be a tie


def test_mix_weights_are_of_the_beta_distribution() -> None:
    """For alpha 1 the larger share is uniform on [0.5, 1]; for a small one, nearly all is the image's own."""
    weights = mix_weights(1.0, 20_000, 0, 0)
    np.testing.assert_allclose(np.quantile(weights, [0.25, 0.5, 0.75]), [0.625, 0.75, 0.875], atol=0.01)
    assert mix_weights(0.05, 20_000, 0, 0).mean() > 0.95


def test_levels_are_the_reference_s() -> None:
    assert Augmentation.level(0) == Augmentation()
    assert Augmentation.level(1) == Augmentation(brightness=0.05)
    assert Augmentation.level(2) == Augmentation(brightness=0.1, contrast=0.2, saturation=0.2)
    third = Augmentation.level(3)
    assert third.brightness == pytest.approx(0.15) and third.contrast == pytest.approx(0.3)
    assert round(third.crop * 112) == 100


@pytest.mark.parametrize(
    "augmentation", [Augmentation(), ALL, Augmentation.level(3)], ids=["plain", "all", "level 3"]
)
def test_settings_round_trip(augmentation: Augmentation) -> None:
    assert Augmentation.from_dict(augmentation.to_dict()) == augmentation


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"brightnes": 0.1},
            r"augmentation.brightnes: no such key, did you mean brightness\?",
        ),
        (
            {"horizontal_flip": 1.5},
            r"augmentation.horizontal_flip: expected a number in \[0, 1\], got 1.5",
        ),
        ({"contrast": "much"}, r"augmentation.contrast: expected a number in \[0, 1\], got 'much'"),
        ({"crop": 0.0}, r"augmentation.crop: expected a number in \[0.1, 1\], got 0.0"),
        ({"rand_augment_layers": 1.5}, "rand_augment_layers: expected a whole number from 0 to 8, got 1.5"),
        ({"rand_augment_magnitude": 30}, r"rand_augment_magnitude: expected a number in \[0, 10\], got 30"),
        (
            {"rand_augment_operations": ["colour"]},
            r"rand_augment_operations\.0: expected one of identity, .*, got 'colour'",
        ),
        (
            {"rand_augment_operations": "color"},
            "rand_augment_operations: expected a list of 1 or more, got 'color'",
        ),
        ({"level": 4}, "augmentation.level: expected 0, 1, 2 or 3, got 4"),
        ({"level": 1, "mixup": -1}, r"augmentation.mixup: expected a number in \[0, 100\], got -1"),
        (["mixup"], r"augmentation: expected keys and values, got \['mixup'\]"),
    ],
)
def test_wrong_settings_are_named(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation.from_dict(settings)


def test_mixup_needs_pairs_and_no_teacher() -> None:
    dataset = Bytes(*small(), embeddings=np.ones((22, 4), np.float32))
    mixup = Augmentation(mixup=0.2)
    with pytest.raises(ValueError, match="sampler: mixup mixes neighbours, which per_class takes from one"):
        Pipeline(Bytes(*small()), 4, image_size=SIZE, augmentation=mixup, sampler=PerClass(2))
    with pytest.raises(ValueError, match="embeddings of mixed images are not known, expected mixup 0"):
        Pipeline(dataset, 4, augmentation=mixup, with_embeddings=True)
    with pytest.raises(ValueError, match="expected an even number a replica, got 6 of 1 workers x 2"):
        Pipeline(dataset, 6, augmentation=mixup).batches(0, replicas=2)


def test_paper_operations_are_the_paper_s() -> None:
    assert len(PAPER_OPERATIONS) == len(set(PAPER_OPERATIONS)) == 14

"""Batches against pixels decoded by Pillow and arithmetic in NumPy; equal from wherever they begin."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_models.data import Augmentation, InputClock, PerClass, Pipeline
from PIL import Image

from tests.fr_eval.faces import encoded, face
from tests.fr_models.data.image_datasets import Bytes, Files, pixels, small

SIZE = (16, 16)
PLAIN = Augmentation(horizontal_flip=0.0)


def make(images: int = 22, **settings: Any) -> Pipeline:
    settings = {"image_size": SIZE, "augmentation": PLAIN, "seed": 5} | settings
    return Pipeline(
        settings.pop("dataset", None) or Bytes(*small(images)), settings.pop("batch_size", 4), **settings
    )


def arrays(batches: tf.data.Dataset) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part.numpy() for part in batch) for batch in batches]


def assert_equal(one: list[tuple[np.ndarray, ...]], other: list[tuple[np.ndarray, ...]]) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@pytest.mark.parametrize(("scale", "offset"), [(1 / 128, 127.5), (1 / 127.5, 127.5), (1.0, 0.0)])
def test_pixels_are_the_network_s_input(colour: str, scale: float, offset: float) -> None:
    pipeline = make(colour=colour, scale=scale, offset=offset)
    preprocessing = Preprocessing(SIZE, scale, offset, colour)
    order = pipeline.order(0)
    found = arrays(pipeline.batches(0))
    assert pipeline.preprocessing == preprocessing
    assert len(found) == pipeline.steps_per_epoch == 5 and order.shape == (5, 4)
    for (images, labels), indices in zip(found, order, strict=True):
        decoded = [np.asarray(Image.open(io.BytesIO(pipeline.dataset.read(index)))) for index in indices]
        np.testing.assert_array_equal(images, preprocessing.apply(np.stack(decoded)))
        np.testing.assert_array_equal(labels, indices % 5)
        assert images.dtype == np.float32 and labels.dtype == np.int64


def test_files_and_bytes_give_equal_batches(tmp_path: Path) -> None:
    images, labels = small(suffix=".jpg")
    from_files = make(dataset=Files(tmp_path, images, labels), augmentation=Augmentation())
    from_bytes = make(dataset=Bytes(images, labels), augmentation=Augmentation())
    assert_equal(arrays(from_files.batches(2)), arrays(from_bytes.batches(2)))


def test_a_mirror_image_every_other_time() -> None:
    plain, mirrored = make(200), make(200, augmentation=Augmentation())
    flips = []
    for epoch in range(2):
        for (before, _), (after, _) in zip(plain.batches(epoch), mirrored.batches(epoch), strict=True):
            for one, other in zip(before.numpy(), after.numpy(), strict=True):
                same, mirror = np.array_equal(one, other), np.array_equal(one[:, ::-1], other)
                assert same != mirror
                flips.append(mirror)
    assert 0.4 < np.mean(flips) < 0.6
    assert flips[:200] != flips[200:]


@pytest.mark.parametrize("first_step", [0, 1, 4, 5])
def test_an_epoch_begins_again_at_any_batch(first_step: int) -> None:
    whole = arrays(make(augmentation=Augmentation()).batches(3))
    pipeline = make(augmentation=Augmentation())
    assert len(pipeline.batches(3, first_step)) == len(whole) - first_step
    assert_equal(arrays(pipeline.batches(3, first_step)), whole[first_step:])
    assert sorted(pipeline.dataset.reads) == sorted(pipeline.order(3)[first_step:].reshape(-1))


@pytest.mark.parametrize("threads", [1, 7])
def test_threads_change_nothing(threads: int) -> None:
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    batches = make(augmentation=Augmentation()).batches(1)
    assert_equal(arrays(batches.with_options(options)), arrays(batches))


def test_no_thread_tunes_an_epoch() -> None:
    """Such a thread sleeps for up to a minute, and an iterator that ends can wait for it."""
    assert make().batches(0).options().autotune.enabled is False


def test_parts_of_workers_and_replicas_are_the_batch_in_order() -> None:
    pipeline = make(augmentation=Augmentation())
    whole = arrays(pipeline.batches(1))
    halves = [arrays(pipeline.batches(1, 1, shard=(worker, 2))) for worker in range(2)]
    joined = [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in zip(*halves, strict=True)]
    assert_equal(joined, whole[1:])
    quarters = [arrays(pipeline.batches(1, 1, shard=(worker, 2), replicas=2)) for worker in range(2)]
    for worker, parts in enumerate(quarters):
        pairs = zip(parts[::2], parts[1::2], strict=True)
        of_worker = [tuple(map(np.concatenate, zip(*pair, strict=True))) for pair in pairs]
        assert_equal(of_worker, halves[worker])


def test_p_by_k_batches() -> None:
    pipeline = make(batch_size=8, sampler=PerClass(4), dataset=Bytes(*small(40)))
    for _, labels in arrays(pipeline.batches(0)):
        assert len(set(labels)) == 2 and (labels == np.repeat(labels[::4], 4)).all()


def test_embeddings_come_with_their_images() -> None:
    embeddings = np.random.default_rng(0).standard_normal((22, 6)).astype(np.float32)
    pipeline = make(dataset=Bytes(*small(), embeddings=embeddings), with_embeddings=True)
    for (_, _, rows), indices in zip(arrays(pipeline.batches(0)), pipeline.order(0), strict=True):
        np.testing.assert_array_equal(rows, embeddings[indices])


def test_another_size_is_resized_as_by_pillow() -> None:
    large = [face(index, 0, 64) for index in range(4)]
    dataset = Bytes([encoded(image) for image in large], [0, 1, 2, 3])
    pipeline = make(dataset=dataset, image_size=(20, 28), scale=1.0, offset=0.0)
    (images, _), *_ = arrays(pipeline.batches(0))
    for image, index in zip(images, pipeline.order(0)[0], strict=True):
        expected = Image.fromarray(large[index]).resize((28, 20), Image.Resampling.BILINEAR)
        assert np.abs(image - np.asarray(expected, np.float32)).max() <= 1.0


def test_grey_and_transparent_images_become_rgb() -> None:
    grey = pixels(1)[0][:, :, 0]
    transparent = np.dstack([grey, grey, grey, np.full_like(grey, 7)])
    images = [_png(grey), _png(transparent), encoded(np.dstack([grey] * 3))]
    pipeline = make(dataset=Bytes(images, [0, 0, 0]), batch_size=3, scale=1.0, offset=0.0)
    (found, _), *_ = arrays(pipeline.batches(0))
    for image in found:
        np.testing.assert_array_equal(image, np.dstack([grey] * 3))


def test_pixels_stay_the_same_over_versions() -> None:
    """PNG, so that no decoder's rounding counts: every row of TensorFlow gives these bytes."""
    digest = hashlib.sha256()
    for images, labels in arrays(make(augmentation=Augmentation(), dataset=Bytes(*_ramps())).batches(3, 1)):
        digest.update(images.astype("<f4").tobytes() + labels.astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == "8adee29758a160ed"


BAD = {
    "empty": (b"", "Input is empty"),
    "text": (b"<html>404</html>", "Unknown image file format"),
    "truncated JPEG": (small(1, suffix=".jpg")[0][0][:-200], "Invalid JPEG data"),
    "truncated PNG": (small(1)[0][0][:-100], "PNG"),
}


@pytest.mark.parametrize("place", [0, 9, 19])
@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_image_stops_and_is_named(kind: str, place: int, tmp_path: Path) -> None:
    images, labels = small()
    index = make().order(0).reshape(-1)[place]
    images[index] = BAD[kind][0]
    pipeline = make(dataset=Files(tmp_path, images, labels))
    seen: list[Any] = []
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{index}\.image: .*{BAD[kind][1]}"):
        seen.extend(pipeline.batches(0))
    assert len(seen) == place // 4


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    dataset = Files(tmp_path, *small())
    dataset.files[3].unlink()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"3\.image.*No such file"):
        arrays(make(dataset=dataset).batches(0))


def test_a_format_s_own_error_is_passed_on() -> None:
    dataset = Bytes(*small())

    def read(index: int) -> bytes:
        raise ValueError(f"memory, record {index}: wrong checksum")

    dataset.read = read  # type: ignore[method-assign]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"memory, record \d+: wrong checksum"):
        arrays(make(dataset=dataset).batches(0))


@pytest.mark.parametrize("kind", BAD)
def test_a_skipped_image_gives_its_place_to_its_class(kind: str) -> None:
    images, labels = small()
    images[7] = BAD[kind][0]
    pipeline = make(dataset=Bytes(images, labels), unreadable="skip", batch_size=11)
    images[7] = images[12]  # the next image of class 2, for the comparison
    expected = make(dataset=Bytes(images, labels), batch_size=11)
    images = list(images)
    pipeline.dataset.images = [*images[:7], BAD[kind][0], *images[8:]]
    for epoch in range(2):
        assert_equal(arrays(pipeline.batches(epoch)), arrays(expected.batches(epoch)))
    assert list(pipeline.unreadable_images) == ["memory, record 7"]
    assert BAD[kind][1] in pipeline.unreadable_images["memory, record 7"]


def test_a_skipped_image_has_the_embedding_of_the_one_that_is_shown() -> None:
    images, labels = small()
    dataset = Bytes([*images[:7], b"no image", *images[8:]], labels)
    dataset.embeddings = np.arange(44, dtype=np.float32).reshape(22, 2)
    pipeline = make(dataset=dataset, unreadable="skip", with_embeddings=True)
    seen = 0
    for epoch in range(2):
        for batch, indices in zip(arrays(pipeline.batches(epoch)), pipeline.order(epoch), strict=True):
            shown = np.where(indices == 7, 12, indices)  # the next of class 2
            np.testing.assert_array_equal(batch[2], dataset.embeddings[shown])
            seen += int((indices == 7).sum())
    assert seen


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        tf.errors.ResourceExhaustedError(None, None, "Too many open files"),
    ],
)
def test_an_error_that_may_pass_skips_no_image(error: Exception) -> None:
    """Else a run that is resumed later would see other images."""
    images, labels = small()
    dataset, failing = Bytes(images, labels), {7}

    def read(index: int) -> bytes:
        if index in failing:
            raise error
        return images[index]

    dataset.read = read  # type: ignore[method-assign]
    pipeline = make(dataset=dataset, unreadable="skip", batch_size=11)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"memory, record 7: .*Too many open files"):
        arrays(pipeline.batches(0))
    failing.clear()
    assert_equal(arrays(pipeline.batches(0)), arrays(make(batch_size=11).batches(0)))
    assert pipeline.unreadable_images == {}


def test_a_class_without_a_readable_image_stops() -> None:
    images, labels = small()
    for index in range(2, 22, 5):
        images[index] = b"nothing"
    pipeline = make(dataset=Bytes(images, labels), unreadable="skip", batch_size=22)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"record \d+: no image of its class can be decoded"
    ):
        arrays(pipeline.batches(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected a whole number from 1 on, got 0"),
        ({"batch_size": 23}, "batch_size: expected at most the dataset's 22 images, got 23"),
        ({"image_size": (112,)}, "expected height and width"),
        ({"colour": "rgb"}, "colour 'rgb', expected RGB or BGR"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"unreadable": "ignore"}, "unreadable: expected one of stop, skip, got 'ignore'"),
        ({"with_embeddings": True}, "the dataset has no embeddings"),
        ({"seed": -1}, "seed: expected a whole number from 0 on, got -1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"epoch": -1}, "epoch: expected a whole number from 0 on, got -1"),
        ({"first_step": 6}, "first_step: expected a step of an epoch of 5, got 6"),
        ({"shard": (2, 2)}, "shard: expected .* got \\(2, 2\\)"),
        ({"shard": (0, 3)}, "expected a multiple of 3 workers x 1 replicas, got 4"),
        ({"replicas": 0}, "replicas: expected a whole number from 1 on, got 0"),
    ],
)
def test_wrong_parts_are_named(part: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make().batches(**{"epoch": 0} | part)


def test_replicas_of_a_strategy_get_the_batch_in_order() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fr_models.data._replicas"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected = [labels.tolist() for _, labels in arrays(make().batches(0, 2))]
    assert found == {"split": expected, "function": expected}


def test_real_crops_decode_as_by_pillow(shared_data: Path) -> None:
    """Evaluation decodes by OpenCV: training must see the same pixels, but for little rounding."""
    files = sorted((shared_data / "lfw" / "aligned112").glob("A*/*.jpg"))[:64]

    class Crops(Bytes):
        def paths(self) -> list[str]:
            return [str(file) for file in files]

    dataset = Crops([file.read_bytes() for file in files], [0] * len(files))
    pipeline = Pipeline(dataset, 64, augmentation=PLAIN, scale=1.0, offset=0.0)
    (images, _), *_ = arrays(pipeline.batches(0))
    expected = np.stack([np.asarray(Image.open(files[index])) for index in pipeline.order(0)[0]])
    assert np.abs(images - expected).mean() < 0.05


def test_input_clock_counts_waiting_and_computing() -> None:
    time = iter([0.0, 3.0, 10.0, 11.0, 14.0, 14.5])
    clock = InputClock(now=lambda: next(time))
    assert list(clock.batches("ab")) == ["a", "b"]
    assert (clock.waiting, clock.computing) == (3.0 + 1.0 + 0.5, 7.0 + 3.0)
    assert str(clock) == "bound by input 31%"
    clock.reset()
    assert clock.share == 0.0


def test_input_clock_is_paused() -> None:
    """What is done between steps, such as an evaluation, is neither waiting nor computing."""
    time = 0.0
    clock = InputClock(now=lambda: time)
    for _ in clock.batches("ab"):
        time += 2.0
        with clock.paused():
            time += 100.0
            assert clock.computing % 3.0 == 2.0
        time += 1.0
    assert (clock.waiting, clock.computing) == (0.0, 6.0)


def _ramps() -> tuple[list[bytes], list[int]]:
    """Images that are the same on every machine: no random numbers, no interpolation."""
    ramps = [(np.arange(16 * 16 * 3) * (index + 3) % 251).astype(np.uint8) for index in range(22)]
    return [encoded(ramp.reshape(16, 16, 3)) for ramp in ramps], [index % 5 for index in range(22)]


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()

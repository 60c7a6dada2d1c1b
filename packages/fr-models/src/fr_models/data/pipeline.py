"""Batches of images and labels, the same ones whenever and wherever they are asked for.

Two laws. The order of an epoch is a pure function of (seed, epoch). The pixels of a sample are a pure
function of (seed, epoch, place in the epoch). So the batches from step k on are bit-equal to those of a run
that began at step 0, the skipped ones are not read, and neither threads nor replicas change a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray

from fr_models._checks import is_whole
from fr_models._settings import one_of, with_key
from fr_models.data._augment import augmented
from fr_models.data._decoding import Decoder, SkippingDecoder
from fr_models.data.augmentation import Augmentation
from fr_models.data.dataset import Dataset
from fr_models.data.mixup import mix_weights, mixed
from fr_models.data.samplers import PerClass, Sampler, Shuffled, generator

__all__ = ["Pipeline"]

DECODERS: dict[str, type[Decoder | SkippingDecoder]] = {"stop": Decoder, "skip": SkippingDecoder}
PIXEL_STREAM = 1
NO_PLACE = -1


class Pipeline:
    """Reads, decodes, augments and batches the images of a dataset.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Images of a step over all replicas. An epoch has whole batches only: of what remains, other images are
        left out in each epoch.
    image_size : tuple of int
        Height and width; images of another size are resized (bilinear, antialiased).
    scale, offset, colour : float, float, str
        ``input = (pixel - offset) * scale`` for channels in the order ``RGB`` or ``BGR``, as in
        `fr_eval.embedders.Preprocessing`, which the attribute ``preprocessing`` is.
    augmentation : Augmentation, optional
        By default, a mirror image every other time.
    sampler : Sampler, optional
        By default, every image once in a random order.
    seed : int
    with_embeddings : bool
        Whether batches end in the dataset's embeddings, for distillation.
    unreadable : {"stop", "skip"}
        What an image that cannot be decoded does: it stops the iteration by an error that names it, or the
        next image of its class takes its place. `unreadable_images` counts these. ``skip`` decodes in calls
        of Python.

    Raises
    ------
    ValueError
        If a setting is out of its range, or the dataset does not fill one batch.

    Examples
    --------
    >>> from fr_models.data import SyntheticFaces
    >>> pipeline = Pipeline(SyntheticFaces(identities=4, images_per_identity=3), batch_size=4)
    >>> images, labels = next(iter(pipeline.batches(epoch=0)))
    >>> images.shape, labels.dtype.name, pipeline.steps_per_epoch
    (TensorShape([4, 112, 112, 3]), 'int64', 3)
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        image_size: tuple[int, int] = (112, 112),
        scale: float = 1 / 128,
        offset: float = 127.5,
        colour: str = "RGB",
        augmentation: Augmentation | None = None,
        sampler: Sampler | None = None,
        seed: int = 0,
        with_embeddings: bool = False,
        unreadable: str = "stop",
    ) -> None:
        if not is_whole(batch_size) or batch_size < 1:
            raise ValueError(f"batch_size: expected a whole number from 1 on, got {batch_size!r}")
        if with_embeddings and dataset.embeddings is None:
            raise ValueError("with_embeddings: the dataset has no embeddings")
        if with_embeddings and augmentation is not None and augmentation.mixup:
            raise ValueError("with_embeddings: embeddings of mixed images are not known, expected mixup 0")
        if augmentation is not None and augmentation.mixup and isinstance(sampler, PerClass):
            raise ValueError(
                "sampler: mixup mixes neighbours, which per_class takes from one class; "
                "expected mixup 0 or another sampler"
            )
        self.preprocessing = Preprocessing(tuple(image_size), scale, offset, colour)  # type: ignore[arg-type]
        generator(seed, 0)  # refuses a seed that is none
        self.dataset = dataset
        self.batch_size = batch_size
        self.augmentation = augmentation or Augmentation()
        self.sampler = sampler or Shuffled()
        self.seed = seed
        self.with_embeddings = with_embeddings
        self.steps_per_epoch = self.sampler.steps(dataset.labels, batch_size)
        self._decoder = DECODERS[with_key("unreadable", one_of(*DECODERS), unreadable)](
            dataset, self.preprocessing.size
        )

        # Traced once, not in every epoch.
        self._sample = tf.function(self._decoded_and_augmented, autograph=False)
        self._whole_batch = tf.function(self._batch, autograph=False)

    @property
    def unreadable_images(self) -> dict[str, str]:
        """Name of each image that was skipped so far, and why."""
        found = getattr(self._decoder, "unreadable", {})
        return {self.dataset.name(index): reason for index, reason in sorted(found.items())}

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the indices of an epoch, ``[steps_per_epoch, batch_size]``."""
        order = self.sampler.order(self.dataset.labels, self.batch_size, self.seed, epoch)
        return order.reshape(self.steps_per_epoch, self.batch_size)

    def batches(
        self, epoch: int, first_step: int = 0, shard: tuple[int, int] = (0, 1), replicas: int = 1
    ) -> tf.data.Dataset:
        """Give the batches of an epoch.

        Parameters
        ----------
        epoch : int
            From 0 on.
        first_step : int
            The batch to begin at; those before are not read.
        shard : tuple of int
            Which of how many equal parts of each batch, in order: (worker, workers).
        replicas : int
            Replicas in this worker: each batch comes as so many equal ones, in order, as
            ``strategy.distribute_datasets_from_function`` wants them. 1 for
            ``strategy.experimental_distribute_dataset``, which splits batches itself.

        Returns
        -------
        tf.data.Dataset
            Of ``(images, labels)`` or ``(images, labels, embeddings)``: float32 ``[B, H, W, 3]``, int64
            ``[B]``, float32 ``[B, D]``, ``B = batch_size / workers / replicas``. With mixup, labels are
            `MixedLabels`.

        Raises
        ------
        ValueError
            If epoch, step or shard are out of range, or batches cannot be split in equal parts.
        tf.errors.InvalidArgumentError
            While iterating, if an image cannot be decoded; the message names it.
        """
        self._check_part(first_step, shard, replicas)
        part = self.batch_size // shard[1]
        columns = slice(shard[0] * part, (shard[0] + 1) * part)
        places = np.arange(self.steps_per_epoch * self.batch_size).reshape(-1, self.batch_size)
        size = part // replicas
        places = places[first_step:, columns].reshape(-1, size)
        indices = self.order(epoch)[first_step:, columns].reshape(-1, size)

        batches = self._samples(places, indices, epoch).batch(size, drop_remainder=True)
        # What fails is left out here, and missed by the next function, which says what it was.
        found = batches.ignore_errors().concatenate(self._no_batch(size))
        labels, weights = self.dataset.labels[indices].astype(np.int64), self._mix_weights(places, epoch)
        expected = tf.data.Dataset.from_tensor_slices((places, indices, labels, weights))
        batches = tf.data.Dataset.zip((expected, found))
        batches = batches.map(self._whole_batch, num_parallel_calls=tf.data.AUTOTUNE)
        batches = batches.apply(tf.data.experimental.assert_cardinality(len(places)))
        return batches.prefetch(tf.data.AUTOTUNE).with_options(_options())

    def _check_part(self, first_step: int, shard: tuple[int, int], replicas: int) -> None:
        if not is_whole(first_step) or not 0 <= first_step <= self.steps_per_epoch:
            raise ValueError(
                f"first_step: expected a step of an epoch of {self.steps_per_epoch}, got {first_step!r}"
            )
        if not is_whole(replicas) or replicas < 1:
            raise ValueError(f"replicas: expected a whole number from 1 on, got {replicas!r}")
        if not all(map(is_whole, shard)) or not 0 <= shard[0] < shard[1]:
            raise ValueError(f"shard: expected (index, count) with 0 <= index < count, got {shard!r}")
        if self.batch_size % (shard[1] * replicas):
            raise ValueError(
                f"batch_size: expected a multiple of {shard[1]} workers x {replicas} replicas, "
                f"got {self.batch_size}"
            )
        if self.augmentation.mixup and self.batch_size // (shard[1] * replicas) % 2:
            raise ValueError(
                f"batch_size: mixup pairs images, expected an even number a replica, got {self.batch_size} "
                f"of {shard[1]} workers x {replicas} replicas"
            )

    def _samples(self, places: NDArray[np.int64], indices: NDArray[np.int64], epoch: int) -> tf.data.Dataset:
        """Give place and the network's input of each sample, in order."""
        random = generator(self.seed, epoch, PIXEL_STREAM)
        key = random.integers(2**63)
        mirror = random.random(self.steps_per_epoch * self.batch_size) < self.augmentation.horizontal_flip

        of_batch = places.shape[1]
        places, indices = places.reshape(-1), indices.reshape(-1)
        keys = np.full(places.shape, key)
        samples = tf.data.Dataset.from_tensor_slices((keys, places, indices, mirror[places]))
        # As many as cores would stand still wherever one batch ends and the next begins.
        return samples.map(self._sample, num_parallel_calls=of_batch)

    def _decoded_and_augmented(
        self, key: tf.Tensor, place: tf.Tensor, index: tf.Tensor, mirror: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self._decoder.decode(index)
        if self.augmentation.horizontal_flip:
            image = tf.cond(mirror, lambda: tf.reverse(image, [1]), lambda: image)
        image = augmented(image, tf.stack([key, place]), self.augmentation)
        if self.preprocessing.colour == "BGR":
            image = tf.reverse(image, [2])
        # Here, and not of whole batches, which are too large for a core's cache.
        image = (tf.cast(image, tf.float32) - self.preprocessing.offset) * self.preprocessing.scale
        return place, image

    def _no_batch(self, size: int) -> tf.data.Dataset:
        """Give what stands at the end instead of batches that are missing."""
        images = tf.zeros((size, *self.preprocessing.size, 3))
        return tf.data.Dataset.from_tensors((tf.fill([size], tf.constant(NO_PLACE, tf.int64)), images))

    def _mix_weights(self, places: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        if not self.augmentation.mixup:
            return np.ones(places.shape, np.float32)
        count = self.steps_per_epoch * self.batch_size
        return mix_weights(self.augmentation.mixup, count, self.seed, epoch)[places]

    def _batch(
        self, expected: tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], found: tuple[tf.Tensor, tf.Tensor]
    ) -> Any:
        """Give a batch of images and labels; refuse one that misses a sample."""
        places, indices, labels, weights = expected
        found_places, images = found
        complete = tf.reduce_all(tf.equal(places, found_places))
        reason = tf.cond(complete, lambda: tf.constant(""), lambda: self._why_missing(indices))
        with tf.control_dependencies([tf.debugging.Assert(complete, [reason])]):
            images = tf.identity(images)
        if self.augmentation.mixup:
            return mixed(images, labels, weights)
        if not self.with_embeddings:
            return images, labels
        return images, labels, self._embeddings(indices)

    def _embeddings(self, indices: tf.Tensor) -> tf.Tensor:
        embeddings = self.dataset.embeddings
        assert embeddings is not None  # asked when the pipeline was made

        def of_shown(chosen: NDArray[np.int64]) -> NDArray[np.float32]:
            # Known by now: the pixels of these were decoded before.
            return np.asarray(embeddings[self._decoder.shown(chosen)], np.float32)

        rows = tf.numpy_function(of_shown, [indices], tf.float32, stateful=False)
        return tf.ensure_shape(rows, (indices.shape[0], embeddings.shape[1]))

    def _why_missing(self, indices: tf.Tensor) -> tf.Tensor:
        def why(indices: NDArray[np.int64]) -> str:
            reasons = (self._decoder.why_not(int(index)) for index in indices)
            names = (self.dataset.name(int(index)) for index in indices)
            return next(
                filter(None, reasons), f"these decode, but a step after it failed: {', '.join(names)}"
            )

        return tf.ensure_shape(tf.numpy_function(why, [indices], tf.string), ())


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_optimization.map_and_batch_fusion = True
    # Its thread sleeps for up to a minute, and an epoch that has ended can wait for it to wake.
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options

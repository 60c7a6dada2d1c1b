"""Encoded images to pixels of one size, in TensorFlow, and what becomes of those that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fr_models.data.dataset import Dataset

READ_ERRORS = (tf.errors.OpError, ValueError, OSError)
# Of the image, whenever it is read; others, such as a want of memory, may pass.
OF_TENSORFLOW = (tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.DataLossError)
UNREADABLE = (*OF_TENSORFLOW, ValueError)


class Decoder:
    """Reads and decodes the images of a dataset.

    Files are read by TensorFlow; of other formats Python reads the bytes, and nothing else.
    """

    def __init__(self, dataset: Dataset, image_size: tuple[int, int]) -> None:
        self.dataset = dataset
        self.image_size = image_size
        paths = dataset.paths()
        self._paths = None if paths is None else tf.constant(paths, tf.string)

    def decode(self, index: tf.Tensor) -> tf.Tensor:
        """Return the image at an index: uint8 ``[H, W, 3]``, RGB, resized if it is of another size."""
        # Reads PNG, too; the faster transform that decode_image takes is off by a level on average.
        image = tf.io.decode_jpeg(self._bytes(index), channels=3, dct_method="INTEGER_ACCURATE")
        fits = tf.reduce_all(tf.equal(tf.shape(image), [*self.image_size, 3]))
        image = tf.cond(fits, lambda: image, lambda: resized(image, self.image_size))
        return tf.ensure_shape(image, (*self.image_size, 3))

    def shown(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the images that were decoded for these: themselves."""
        return indices

    def why_not(self, index: int) -> str | None:
        """Say in one line why an image cannot be decoded, or return None."""
        try:
            self.decode(tf.constant(index, tf.int64))
        except READ_ERRORS as error:
            return self.reason(index, error)
        return None

    def reason(self, index: int, error: Exception) -> str:
        """Return an error of reading an image in one line that names it."""
        reason, name = _first_line(error), self.dataset.name(index)
        return reason if name in reason else f"{name}: {reason}"

    def _bytes(self, index: tf.Tensor) -> tf.Tensor:
        if self._paths is not None:
            return tf.io.read_file(tf.gather(self._paths, index))
        encoded = tf.numpy_function(self._read, [index], tf.string, stateful=False)
        return tf.ensure_shape(encoded, ())

    def _read(self, index: np.int64) -> bytes:
        return self.dataset.read(int(index))


class SkippingDecoder:
    """A decoder that gives another image of the class for one that cannot be decoded, and counts it.

    The other image is the next of the class in the dataset's order, whatever the epoch. An error that is not
    of the image alone is raised: a run that skipped it would not be repeated. Each image takes a call of
    Python.

    Attributes
    ----------
    unreadable : dict of int to str
        Index of each image that could not be decoded so far, and why.
    """

    def __init__(self, dataset: Dataset, image_size: tuple[int, int]) -> None:
        self.dataset = dataset
        self.image_size = image_size
        self.unreadable: dict[int, str] = {}
        self._decoder = Decoder(dataset, image_size)

    def decode(self, index: tf.Tensor) -> tf.Tensor:
        """Return the image at an index, or the next of its class that can be decoded."""
        image = tf.numpy_function(self._decoded_or_next, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (*self.image_size, 3))

    def shown(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the images that were decoded for these, once they have been."""
        if self.unreadable.keys().isdisjoint(indices.tolist()):
            return indices
        readable = (
            next(one for one in self._candidates(index) if one not in self.unreadable)
            for index in indices.tolist()
        )
        return np.fromiter(readable, np.int64, len(indices))

    def why_not(self, index: int) -> str | None:
        """Say in one line why neither an image nor another of its class can be decoded, or return None."""
        left = next((one for one in self._candidates(index) if one not in self.unreadable), None)
        if left is None:
            return f"{self.dataset.name(index)}: no image of its class can be decoded"
        return self._decoder.why_not(left)

    def _decoded_or_next(self, index: np.int64) -> NDArray[np.uint8]:
        for candidate in self._candidates(int(index)):
            if candidate in self.unreadable:
                continue
            try:
                image: NDArray[np.uint8] = self._decoder.decode(tf.constant(candidate, tf.int64)).numpy()
                return image
            except UNREADABLE as error:
                self.unreadable[candidate] = self._decoder.reason(candidate, error)
        raise ValueError("no image of the class can be decoded")  # the pipeline asks why

    def _candidates(self, index: int) -> Iterator[int]:
        yield index
        labels = self.dataset.labels
        of_class = np.flatnonzero(labels == labels[index])
        place = int(np.searchsorted(of_class, index))
        yield from (int(other) for other in np.roll(of_class, -place)[1:])


def resized(image: Any, size: tuple[int, int]) -> tf.Tensor:
    """Resize pixels, uint8 ``[H, W, 3]``, to a height and width: bilinear and antialiased, as Pillow does."""
    smaller = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(smaller), 0.0, 255.0), tf.uint8)


def _first_line(error: Exception) -> str:
    """Return an error's message without what TensorFlow adds: function nodes, op names, tracebacks."""
    message: Any = getattr(error, "message", None) or str(error)
    line = re.sub(r"\{\{[^}]*\}\} ?", "", str(message)).strip().splitlines()[0]
    return re.sub(r"( \[Op:\w+\].*|^\w+Error: )", "", line)

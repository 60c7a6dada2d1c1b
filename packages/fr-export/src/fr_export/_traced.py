"""Keras networks as graphs that TensorFlow has traced: one image at a time, on all cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from fr_eval.embedders.keras import KerasEmbedder

from fr_export._timing_input import check_one_image, free_sizes_filled, made_up_input


def load(embedder: KerasEmbedder) -> Callable[[], None]:
    """Return a function that runs a network once.

    Raises
    ------
    InputError
        A network that takes several images at a time.
    """
    network = embedder.network
    shape = free_sizes_filled(embedder.model, network.input_shape, embedder.preprocessing.size)
    check_one_image(embedder.model, shape)
    dtype = tf.as_dtype(network.inputs[0].dtype).as_numpy_dtype
    image = tf.constant(made_up_input(shape, np.dtype(dtype)))
    traced = tf.function(lambda pixels: network(pixels, training=False), autograph=False)

    def run() -> None:
        np.asarray(traced(image))  # waits for it

    return run

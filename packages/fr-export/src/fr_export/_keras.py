"""Where Keras 2 (TensorFlow 2.15) and Keras 3 differ."""

from __future__ import annotations

from keras import __version__, saving  # tf.keras has neither on every row

KERAS_3 = int(__version__.split(".")[0]) >= 3

serializable = saving.register_keras_serializable(package="fr_export")

"""Where Keras 2 (TensorFlow 2.15) and Keras 3 differ."""

from __future__ import annotations

from typing import Any

from keras import __version__, saving  # tf.keras has neither on every row

KERAS_3 = int(__version__.split(".")[0]) >= 3

serializable = saving.register_keras_serializable(package="fr_export")


def tf_variables(model: Any) -> list[Any]:
    """Return a model's variables as TensorFlow's own, which Keras 3 wraps."""
    return [variable.value if KERAS_3 else variable for variable in model.variables]

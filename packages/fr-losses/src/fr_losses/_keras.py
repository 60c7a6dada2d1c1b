"""Where Keras 2 (TensorFlow 2.15) and Keras 3 differ."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import __version__, saving  # tf.keras has neither on every row
from tensorflow import keras

KERAS_3 = int(__version__.split(".")[0]) >= 3
IN_FLOAT32 = {"dtype": "float32"} if KERAS_3 else {}  # what Keras 3 casts a loss's labels to: float16 rounds
MEAN: Any = "mean" if KERAS_3 else tf.VariableAggregation.MEAN
FIRST: Any = "only_first_replica" if KERAS_3 else tf.VariableAggregation.ONLY_FIRST_REPLICA

serializable = saving.register_keras_serializable(package="fr_losses")
serialize = saving.serialize_keras_object
deserialize = saving.deserialize_keras_object


def add_state(layer: Any, name: str, shape: tuple[int, ...], initial: float, trainable: bool = False) -> Any:
    """Add a float32 weight whose value on several replicas is the mean of what each assigns.

    Parameters
    ----------
    layer : keras.layers.Layer
        The owner.
    name : str
        Its name in checkpoints.
    shape : tuple of int
        Its shape.
    initial : float
        The value of every element at first.
    trainable : bool
        Whether an optimizer changes it.
    """
    return layer.add_weight(
        name=name,
        shape=shape,
        dtype="float32",
        initializer=keras.initializers.Constant(initial),
        trainable=trainable,
        aggregation=MEAN,
    )


def add_counter(layer: Any, name: str, initial: int = 0) -> Any:
    """Add an int64, which counts past 2^24 as no float32 can, that all replicas raise together."""
    return layer.add_weight(
        name=name,
        shape=(),
        dtype="int64",
        initializer=keras.initializers.Constant(initial),
        trainable=False,
        aggregation=FIRST,
    )


def variable(weight: Any) -> tf.Variable:
    """Return the TensorFlow variable of a weight, whose rows can be read and written."""
    return weight if isinstance(weight, tf.Variable) else weight.value


def within_xla() -> bool:
    """Whether the function that is being traced is compiled by XLA (``jit_compile=True``)."""
    return tf.__internal__.get_enclosing_xla_context() is not None  # what TensorFlow exports for Keras


def scaled(optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
    """Return the loss as the optimizer wants it differentiated: scaled, in half precision."""
    if KERAS_3:
        return optimizer.scale_loss(loss)
    return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss


def apply_unscaled(optimizer: Any, gradients: list[Any], variables: list[Any]) -> None:
    """Apply gradients, which a scaling optimizer of Keras 3 unscales; without any, only count the step."""
    if not variables:
        optimizer.iterations.assign_add(1)
        return
    if KERAS_3 and _scales(optimizer):
        factor = scaled(optimizer, tf.constant(1.0))
        gradients = [None if gradient is None else gradient * factor for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def learning_rate(optimizer: Any) -> Any:
    """Return the learning rate of the step to come; Keras 2 says that of the step before."""
    optimizer = inner_optimizer(optimizer)
    rate = (
        optimizer.learning_rate if KERAS_3 else getattr(optimizer, "_learning_rate", optimizer.learning_rate)
    )
    return rate(optimizer.iterations) if callable(rate) else rate


def unscaled(optimizer: Any, gradient: Any) -> Any:
    """Return the gradient of a loss from that of the scaled loss."""
    if gradient is None or not _scales(optimizer):
        return gradient
    factor = scaled(optimizer, tf.constant(1.0))
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values / factor, gradient.indices)
    return gradient / factor


def _scales(optimizer: Any) -> bool:
    return inner_optimizer(optimizer) is not optimizer or (
        KERAS_3 and optimizer.loss_scale_factor is not None
    )


def replica() -> int:
    """Count the replica that is being traced; 0 outside of replicas."""
    context = tf.distribute.get_replica_context()
    return int(tf.get_static_value(context.replica_id_in_sync_group)) if context is not None else 0


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that a loss-scaling one wraps, or itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)

"""A dense layer of cosines with one row a class, or with the nearest of a class's sub-centres."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._checks import at_least, checked_sub_centers
from fr_losses._norms import norms, unit


@_keras.serializable
class NormDense(keras.layers.Layer):
    """Cosines ``float32[B, units]`` of embeddings ``[B, D]`` with the rows of a class matrix.

    An embedding of 0 has the cosine 0 with every class; its gradient is that of one of norm 1e-3, so at most
    1000 times that of its direction.

    Parameters
    ----------
    units : int
        Classes.
    sub_centers : int
        Rows a class; its cosine is the largest of theirs (sub-center ArcFace).
    append_norm : bool
        Whether ``-|x|`` follows as one more column, for `MagFace`, `AdaFace` and `SphereFace`. Negative, so
        that it is never the largest.
    kernel_regularizer : keras regularizer, optional
        On the class matrix.
    **layer
        As in every Keras layer. The dtype is float32 under every policy unless it is given here.

    Attributes
    ----------
    class_weights : variable ``[units * sub_centers, D]``
        A row a class, sub-centres side by side.

    References
    ----------
    Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces, 2020.

    Examples
    --------
    >>> import tensorflow as tf
    >>> NormDense(10, append_norm=True)(tf.ones((2, 4))).shape
    TensorShape([2, 11])
    """

    def __init__(
        self,
        units: int,
        sub_centers: int = 1,
        append_norm: bool = False,
        kernel_regularizer: Any = None,
        **layer: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.units = at_least("units", units, 1)
        self.sub_centers = checked_sub_centers(sub_centers, self.units)
        self.append_norm = append_norm
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Create the class matrix for embeddings of ``input_shape [B, D]``."""
        if len(input_shape) != 2:
            raise ValueError(f"embeddings: expected shape [B, D], got {tuple(input_shape)}")
        self.class_weights = self.add_weight(
            name="class_weights",
            shape=(self.units * self.sub_centers, int(input_shape[-1])),
            initializer="glorot_normal",
            regularizer=self.kernel_regularizer,
            trainable=True,
        )
        self.built = True

    def call(self, inputs: Any) -> tf.Tensor:
        """Cosines ``[B, units]``, with ``append_norm`` ``[B, units + 1]``."""
        x, rows = tf.cast(inputs, tf.float32), tf.cast(self.class_weights, tf.float32)
        cosines = tf.matmul(unit(x), unit(rows), transpose_b=True)
        if self.sub_centers > 1:
            cosines = tf.reduce_max(tf.reshape(cosines, [-1, self.units, self.sub_centers]), axis=2)
        return tf.concat([cosines, -norms(x)[:, None]], axis=1) if self.append_norm else cosines

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """``[B, units]``, with ``append_norm`` ``[B, units + 1]``."""
        return (input_shape[0], self.units + int(self.append_norm))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "sub_centers": self.sub_centers,
            "append_norm": self.append_norm,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

"""An optimizer for a matrix too large to be updated whole, or of which a step changes few rows.

It reads and writes the rows that have a gradient and makes temporaries of some rows. What an optimizer does
to a whole variable in every step, happens to a row when it has a gradient and not otherwise: momentum fades
and decoupled weight decay acts once each time a row is drawn, and all other rows stay bit for bit.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._row_layer import RowLayer, local
from fr_losses.row_rules import rule_of

ROWS_AT_ONCE = 65_536


@_keras.serializable
class RowOptimizer(RowLayer):
    """Do to rows of a matrix what a Keras optimizer does to variables.

    A layer, so that models and checkpoints track its slots. On several replicas each has its own rows.

    Parameters
    ----------
    optimizer : keras.optimizers.SGD, Adam or AdamW
        Gives the rule and, unless `apply` is told another, the learning rate.
    **layer
        As in every Keras layer.

    Raises
    ------
    ValueError
        If the optimizer is another, or clips gradients.

    References
    ----------
    An et al., Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by
    Partial FC, 2022, section 3.3.

    Examples
    --------
    >>> matrix = tf.Variable(tf.ones((1000, 4)))
    >>> optimizer = RowOptimizer(keras.optimizers.SGD(0.1, momentum=0.9))
    >>> optimizer.apply(tf.IndexedSlices(tf.ones((2, 4)), [3, 7]), matrix)
    >>> [f"{row:.2f}" for row in matrix[:4, 0].numpy()]
    ['1.00', '1.00', '1.00', '0.90']
    """

    def __init__(self, optimizer: Any, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self._rule = rule_of(optimizer)
        self._optimizer_config = keras.optimizers.serialize(optimizer)
        self._learning_rate = float(tf.convert_to_tensor(optimizer.learning_rate))

    def build(self, input_shape: Any) -> None:
        """Create the slots of a matrix of ``input_shape [R, D]``."""
        for number in range(self._rule.slots):
            self.add_rows(f"slot_{number}", tuple(input_shape), "zeros")
        self.own("steps", _keras.add_counter(self, "steps"))
        self.built = True

    @property
    def slots(self) -> list[Any]:
        """What the optimizer remembers of the matrix, such as its momentum: variables ``[R, D]``."""
        return [getattr(self, f"slot_{number}") for number in range(self._rule.slots)]

    def apply(self, gradient: Any, matrix: Any, learning_rate: Any = None, finite: Any = True) -> None:
        """Update the rows of ``matrix [R, D]`` that have a gradient.

        Parameters
        ----------
        gradient : float32 ``[R, D]``, or tf.IndexedSlices of ascending, distinct rows
            If it is not finite, the step is left out.
        matrix : variable ``[R, D]``
            Of a layer, or of TensorFlow; on several replicas the rows of this one.
        learning_rate : float, optional
            For this step; by default that which the optimizer had.
        finite : bool tensor, optional
            Whether the other gradients of the step are finite: if not, it is left out.

        Raises
        ------
        tf.errors.InvalidArgumentError
            If the rows do not ascend.
        """
        if not self.built:
            with tf.init_scope():
                self.build(tuple(matrix.shape))
        rate = tf.cast(self._learning_rate if learning_rate is None else learning_rate, tf.float32)
        variables = [local(variable) for variable in (matrix, *self.slots)]
        values, indices = gradient, None
        if isinstance(gradient, tf.IndexedSlices):
            values, indices = gradient.values, gradient.indices
            message = "gradient: expected ascending, distinct rows"
            check = tf.debugging.assert_less(indices[:-1], indices[1:], message)
            with tf.control_dependencies([check]):
                values = tf.identity(values)
        finite = tf.logical_and(finite, tf.reduce_all(tf.math.is_finite(values)))
        self.steps.assign_add(tf.cast(finite, tf.int64))
        step = tf.cast(tf.convert_to_tensor(self.steps), tf.float32)
        total = tf.shape(values)[0]

        def part(first: tf.Tensor) -> list[tf.Tensor]:
            last = tf.minimum(first + ROWS_AT_ONCE, total)
            places = tf.range(first, last) if indices is None else indices[first:last]
            rows, *slots = (tf.gather(variable, places) for variable in variables)
            rows, slots = self._rule(rows, values[first:last], slots, rate, step)
            for variable, changed in zip(variables, [rows, *slots], strict=True):
                variable.scatter_update(tf.IndexedSlices(changed, places))
            return [last]

        tf.while_loop(lambda first: finite & (first < total), part, [tf.constant(0)], parallel_iterations=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        return {**super().get_config(), "optimizer": self._optimizer_config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RowOptimizer:
        """Build a layer from `get_config`."""
        return cls(**{**config, "optimizer": keras.optimizers.deserialize(config["optimizer"])})

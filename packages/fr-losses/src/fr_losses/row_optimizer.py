"""An optimizer for a matrix too large to be updated whole, or of which a step changes few rows.

It reads and writes the rows that have a gradient and makes temporaries of some rows. What an optimizer does
to a whole variable in every step, happens to a row when it has a gradient and not otherwise: momentum fades
and weight decay acts once each time a row is drawn, and all other rows stay bit for bit. A gradient of all
rows, such as that of a head over all classes, does to each what it does to a variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._checks import at_least, non_negative
from fr_losses._row_layer import RowLayer, local, replicas
from fr_losses.row_rules import rule_of

ROWS_AT_ONCE = 1024


@_keras.serializable
class RowOptimizer(RowLayer):
    """Do to rows of a matrix what a Keras optimizer does to variables.

    A layer, so that models and checkpoints track its slots. On several replicas each has its own rows.

    Parameters
    ----------
    optimizer : keras.optimizers.SGD, Adam or AdamW
        Gives the rule and, unless `apply` is told another, the learning rate. One of another rule names one
        of these for rows by a method ``of_rows``.
    l2 : float
        MXNet's weight decay: the share of a row that is added to its gradient, as by `l2_regularizer`. It
        counts in no loss.
    sub_centers : int
        Rows of a class, which are on one replica.
    **layer
        As in every Keras layer.

    Raises
    ------
    ValueError
        If the optimizer is another or clips gradients, or the decay is below 0.

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

    def __init__(self, optimizer: Any, l2: float = 0.0, sub_centers: int = 1, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.l2 = non_negative("l2", l2)
        self.sub_centers = at_least("sub_centers", sub_centers, 1)
        self._rule = rule_of(optimizer)
        self._optimizer_config = keras.optimizers.serialize(optimizer)
        self._learning_rate = float(tf.convert_to_tensor(_keras.learning_rate(optimizer)))

    def build(self, input_shape: Any) -> None:
        """Create the slots of a matrix of ``input_shape [R, D]``."""
        for number in range(self._rule.slots):
            self.add_rows(f"slot_{number}", tuple(input_shape), "zeros", together=self.sub_centers)
        self.own("steps", _keras.add_counter(self, "steps"))
        self.built = True

    @property
    def slots(self) -> list[Any]:
        """What the optimizer remembers of the matrix, such as its momentum: variables ``[R, D]``."""
        return [getattr(self, f"slot_{number}") for number in range(self._rule.slots)]

    def apply(
        self,
        gradient: Any,
        matrix: Any,
        learning_rate: Any = None,
        finite: Any = True,
        may_overwrite: bool = False,
    ) -> None:
        """Update the rows of ``matrix [R, D]`` that have a gradient.

        Parameters
        ----------
        gradient : float32 ``[R, D]``, or tf.IndexedSlices of ascending, distinct rows
            If the sum of its squares is not finite, the step is left out.
        matrix : variable ``[R, D]``
            Of a layer, or of TensorFlow; on several replicas the rows of this one.
        learning_rate : float, optional
            For this step; by default that which the optimizer had.
        finite : bool tensor, optional
            Whether the other gradients of the step are finite: if not, it is left out.
        may_overwrite : bool
            Whether the memory of a gradient of all rows may become that of the matrix, so that the step needs
            no further; the gradient must not be used afterwards.

        Raises
        ------
        tf.errors.InvalidArgumentError
            If the rows do not ascend.
        """
        if not self.built:
            with tf.init_scope():
                self.build(tuple(matrix.shape))
        rate = tf.cast(self._learning_rate if learning_rate is None else learning_rate, tf.float32)
        sparse = isinstance(gradient, tf.IndexedSlices)
        values = _ascending(gradient) if sparse else tf.convert_to_tensor(gradient)
        if not sparse and values.shape[0] != matrix.shape[0]:
            raise ValueError(f"gradient: expected shape {tuple(matrix.shape)}, got {tuple(values.shape)}")
        finite = _of_all_replicas(tf.logical_and(finite, tf.math.is_finite(tf.nn.l2_loss(values))))
        self.steps.assign_add(tf.cast(finite, tf.int64))
        step = tf.cast(tf.convert_to_tensor(self.steps), tf.float32)
        matrix, slots = local(matrix), [local(slot) for slot in self.slots]

        def changed(rows: tf.Tensor, gradient: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
            """Update the slots of some rows, and return what becomes of these."""
            before = [tf.gather(slot, places) for slot in slots]
            rows, after = self._rule(rows, gradient + self.l2 * rows, before, rate, step)
            for slot, part in zip(slots, after, strict=True):
                slot.scatter_update(tf.IndexedSlices(part, places))
            return rows

        def update() -> tf.Tensor:
            if sparse:
                return _update_some(matrix, values, gradient.indices, changed)
            free = values if may_overwrite else tf.raw_ops.DeepCopy(x=values)
            return _update_all(matrix, free, changed)

        tf.cond(finite, update, lambda: tf.constant(0))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        own = {"optimizer": self._optimizer_config, "l2": self.l2, "sub_centers": self.sub_centers}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RowOptimizer:
        """Build a layer from `get_config`."""
        return cls(**{**config, "optimizer": keras.optimizers.deserialize(config["optimizer"])})


Changed = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _update_some(matrix: tf.Variable, values: tf.Tensor, indices: tf.Tensor, changed: Changed) -> tf.Tensor:
    """Give the rows ``indices`` what ``changed(rows, gradient, places)`` makes of them."""

    def part(first: tf.Tensor) -> list[tf.Tensor]:
        last = tf.minimum(first + ROWS_AT_ONCE, tf.size(indices))
        places = indices[first:last]
        rows = changed(tf.gather(matrix, places), values[first:last], places)
        matrix.scatter_update(tf.IndexedSlices(rows, places))
        return [last]

    return _loop(tf.size(indices), part, [tf.constant(0)])[0]


def _update_all(matrix: tf.Variable, values: tf.Tensor, changed: Changed) -> tf.Tensor:
    """Give all rows what ``changed`` makes of them, written over ``values``, their gradient.

    TensorFlow copies a variable whenever it is read whole, once rows of it have been gathered or scattered.
    The next step reads this one whole, so that it is given another tensor instead.
    """
    before = tf.convert_to_tensor(matrix)

    def part(first: tf.Tensor, values: tf.Tensor) -> list[tf.Tensor]:
        last = tf.minimum(first + ROWS_AT_ONCE, matrix.shape[0])
        places = tf.range(first, last)
        rows = changed(before[first:last], values[first:last], places)
        with tf.control_dependencies([rows]):
            return [last, tf.raw_ops.InplaceUpdate(x=values, i=places, v=rows)]

    last, after = _loop(matrix.shape[0], part, [tf.constant(0), values])
    matrix.assign(after)
    return last


def _loop(end: Any, part: Callable[..., Any], start: list[tf.Tensor]) -> Any:
    return tf.while_loop(lambda first, *_: first < end, part, start, parallel_iterations=1)


def _of_all_replicas(flag: tf.Tensor) -> tf.Tensor:
    """Whether it is true on every replica, so that all leave a step out or none."""
    if replicas() == 1:
        return flag
    context = tf.distribute.get_replica_context()
    count = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(flag, tf.float32))
    return count > replicas() - 0.5


def _ascending(gradient: tf.IndexedSlices) -> tf.Tensor:
    """Return the values, having checked the indices."""
    indices, message = gradient.indices, "gradient: expected ascending, distinct rows"
    with tf.control_dependencies([tf.debugging.assert_less(indices[:-1], indices[1:], message)]):
        return tf.identity(gradient.values)

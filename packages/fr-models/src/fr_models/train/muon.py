"""Muon: the momentum of a convolution's kernel, made orthogonal before it is a step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models._keras import first_moment, serializable, tensor_variable

__all__ = ["Muon", "orthogonal"]

# Of the odd polynomial a x + b x^3 + c x^5, which five times over takes singular values from 0.003 to 1
# between 0.68 and 1.2 (Jordan): exact ones train no better, and steeper at 0 is faster.
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5
SMALL = 1e-7


@serializable
class Muon(keras.optimizers.AdamW):
    """Muon for kernels of convolutions, AdamW for all other weights, at one learning rate.

    A kernel ``[h, w, I, O]`` is a matrix ``[h w I, O]``, also that of grouped convolutions. Of its momentum
    with Nesterov's step, every singular value becomes about 1, so that a step moves it in all directions
    alike. Depthwise kernels, ``[h, w, C, 1]`` or ``[h, w, 1, O]``, are AdamW's. Keras's class of this name
    leaves kernels of all convolutions to AdamW.

    It keeps as much as AdamW does. On several replicas each takes the step of all of them: alike to the last
    bit where their devices are alike.

    Parameters
    ----------
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule
        Of all weights.
    weight_decay : float
        Share of a weight, times the rate, that a step takes.
    momentum : float
        Share of a kernel's momentum that stays.
    update_rms : float
        About the root mean square of a kernel's step, in learning rates. That of AdamW is 0.2 to 0.4.
    **adamw
        As of `keras.optimizers.AdamW`.

    References
    ----------
    Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024; Liu et al., Muon is Scalable
    for LLM Training, 2025, equation 4, for ``update_rms``.

    Examples
    --------
    >>> kernel = tf.Variable(tf.zeros((1, 1, 2, 2)))
    >>> optimizer = Muon(learning_rate=0.1, update_rms=1.0)
    >>> _ = optimizer.apply_gradients([(tf.reshape([[3.0, 0.0], [0.0, 0.01]], kernel.shape), kernel)])
    >>> bool(tf.reduce_all(tf.linalg.diag_part(kernel[0, 0]) < -0.06))
    True
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        weight_decay: float = 0.004,
        momentum: float = 0.95,
        update_rms: float = 0.2,
        **adamw: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **{"name": "Muon", **adamw})
        self.momentum = momentum
        self.update_rms = update_rms

    def update_step(self, gradient: Any, variable: Any, *learning_rate: Any) -> None:
        """Take a step of one weight; Keras 3 gives the learning rate, Keras 2 the optimizer has."""
        if not _is_kernel(variable.shape):
            super().update_step(gradient, variable, *learning_rate)
            return
        rate = tf.cast(learning_rate[0] if learning_rate else self.learning_rate, gradient.dtype)
        velocity = first_moment(self, variable)
        velocity.assign(self.momentum * velocity + gradient)
        step = orthogonal(tf.reshape(gradient + self.momentum * velocity, [-1, variable.shape[-1]]))
        # the squares of an orthogonal matrix add up to its shorter side
        size = self.update_rms * math.sqrt(max(step.shape))
        tensor_variable(variable).assign_sub(rate * size * tf.reshape(step, variable.shape))

    def of_rows(self) -> Any:
        """Return what updates rows of classes (`fr_losses.RowOptimizer`): AdamW of equal settings."""
        own = ("name", "momentum", "update_rms")
        config = {key: value for key, value in self.get_config().items() if key not in own}
        return keras.optimizers.AdamW.from_config(config)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal optimizer."""
        return {**super().get_config(), "momentum": self.momentum, "update_rms": self.update_rms}


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Return nearly the orthogonal matrix next to one of float ``[N, M]``: ``U V^T`` of ``U S V^T``.

    Singular values between 0.68 and 1.2 take the place of those above 0.003 of the matrix's Frobenius norm;
    directions that the matrix hardly has get less. Its shape must be known when a graph is made.

    Examples
    --------
    >>> tf.linalg.svd(orthogonal(tf.constant([[3.0, 1.0], [1.0, -0.5]])), compute_uv=False).numpy().round(1)
    array([0.7, 0.7], dtype=float32)
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if is_tall else matrix
    x /= tf.norm(x) + SMALL
    for _ in range(ITERATIONS):
        square = tf.matmul(x, x, transpose_b=True)
        x = A * x + (B * square + C * square @ square) @ x
    return tf.transpose(x) if is_tall else x


def _is_kernel(shape: Any) -> bool:
    """Whether a weight is a kernel of a convolution that adds channels up."""
    return len(shape) == 4 and shape[2] > 1 and shape[3] > 1

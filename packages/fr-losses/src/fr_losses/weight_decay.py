"""Weight decay: what one number means to MXNet, Keras and TensorFlow Addons.

With ``v`` the momentum, ``m`` its factor, ``lr`` the current learning rate and ``wd`` the number, a step on
the gradient ``g`` of the loss alone is

========================== ======================================================================
MXNet's SGD                ``v <- m v - lr (g + wd w)``, ``w <- w + v``
Keras's SGD, ``L2(wd / 2)`` the same: the regulariser's gradient is ``wd w``
Keras's ``weight_decay``   ``w <- w - lr wd w``, then ``v <- m v - lr g``, ``w <- w + v``
Addons' ``SGDW``           ``w <- w - wd w``, then ``v <- m v - lr g``, ``w <- w + v``
========================== ======================================================================

Without momentum, MXNet's ``wd``, Keras's ``wd`` and Addons' ``lr wd`` do the same. With momentum only the
first two lines do: there decay is part of the gradient (coupled), so that momentum adds it up to
``lr wd w / (1 - m)`` a step; in the last two lines it is not (decoupled). Dividing by ``1 - m`` makes up for
that in the long run, though not step by step. The equivalence that Keras_insightface states, a rate of 0.1
and 5e-4 of MXNet for 5e-5 of SGDW, does not divide: at a momentum of 0.9 it decays ten times less.

Keras's decay follows the learning rate, Addons' does not: `ProportionalWeightDecay` makes it.
"""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_losses import _keras
from fr_losses._checks import positive, share


def l2_regularizer(mxnet_weight_decay: float) -> Any:
    """Make the regulariser whose gradient is MXNet's weight decay, with any momentum.

    Parameters
    ----------
    mxnet_weight_decay : float
        ``wd``.

    Returns
    -------
    keras.regularizers.L2
        Of ``wd / 2``.

    Examples
    --------
    >>> print(f"{float(l2_regularizer(5e-4).l2):.5f}")
    0.00025
    """
    return keras.regularizers.L2(mxnet_weight_decay / 2.0)


def keras_weight_decay(mxnet_weight_decay: float, momentum: float = 0.0) -> float:
    """Weight decay for a Keras optimizer's ``weight_decay``.

    Parameters
    ----------
    mxnet_weight_decay : float
        ``wd``.
    momentum : float in [0, 1)
        That of MXNet's optimizer: weights then decay as fast in the long run.

    Returns
    -------
    float
        ``wd / (1 - momentum)``.

    Raises
    ------
    ValueError
        If the momentum is not in ``[0, 1)``.

    Examples
    --------
    >>> decay = keras_weight_decay(5e-4, momentum=0.9)
    >>> optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=decay)
    """
    return mxnet_weight_decay / (1.0 - share("momentum", momentum))


def sgdw_weight_decay(mxnet_weight_decay: float, learning_rate: float, momentum: float = 0.0) -> float:
    """Weight decay for `tfa.optimizers.SGDW`, while the learning rate is ``learning_rate``.

    Parameters
    ----------
    mxnet_weight_decay : float
        ``wd``.
    learning_rate : float
        Which the optimizer starts with; `ProportionalWeightDecay` follows it from there.
    momentum : float in [0, 1)
        As in `keras_weight_decay`.

    Returns
    -------
    float
        ``learning_rate * wd / (1 - momentum)``.

    Raises
    ------
    ValueError
        If the momentum is not in ``[0, 1)``.

    References
    ----------
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 1.

    Examples
    --------
    >>> round(sgdw_weight_decay(5e-4, learning_rate=0.1), 12)
    5e-05
    """
    return learning_rate * keras_weight_decay(mxnet_weight_decay, momentum)


class ProportionalWeightDecay(keras.callbacks.Callback):
    """Keep an optimizer's ``weight_decay`` proportional to its learning rate, batch by batch.

    For the optimizers of TensorFlow Addons, which subtract ``wd w``; those of Keras subtract ``lr wd w``, and
    need no such callback. Callbacks that set the learning rate go before it.

    Parameters
    ----------
    weight_decay : float
        While the learning rate is ``learning_rate``.
    learning_rate : float
        The one which ``weight_decay`` belongs to.

    Raises
    ------
    ValueError
        When training begins with another optimizer.

    References
    ----------
    Keras_insightface, ``OptimizerWeightDecay``.
    """

    def __init__(self, weight_decay: float, learning_rate: float) -> None:
        super().__init__()
        self.ratio = weight_decay / positive("learning_rate", learning_rate)

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse optimizers whose decay follows the learning rate by itself, or that have none."""
        del logs
        optimizer = self._optimizer()
        hyperparameters = getattr(optimizer, "_hyper", {})  # variables that each step reads; Keras's has none
        if "weight_decay" not in hyperparameters:
            name = type(optimizer).__name__
            raise ValueError(f"optimizer: expected one of TensorFlow Addons with a weight_decay, got {name}")
        if getattr(self.model, "row_optimizer", None) is not None:
            raise ValueError("optimizer: the rows of a head keep the weight decay they began with")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the weight decay of the next step."""
        del batch, logs
        optimizer = self._optimizer()
        optimizer.weight_decay = self.ratio * float(_keras.learning_rate(optimizer))

    def _optimizer(self) -> Any:
        return _keras.inner_optimizer(self.model.optimizer)

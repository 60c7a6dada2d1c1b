"""What every loss of this package is to Keras: how it is reduced, what it is called, how it is saved."""

from __future__ import annotations

import re

from tensorflow import keras

from fr_losses import _keras


class Loss(keras.losses.Loss):
    """A Keras loss of which Keras 2 and Keras 3 make the same.

    Parameters
    ----------
    reduction : str
        As in every Keras loss: ``"sum_over_batch_size"``, ``"sum"`` or ``"none"``.
    name : str, optional
        Name of the loss; by default its class's, as in ``center_loss``.
    """

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None) -> None:
        name = name or _snake_case(type(self).__name__)
        super().__init__(reduction=reduction, name=name, **_keras.IN_FLOAT32)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

"""PReLU with one slope a channel."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class ChannelPReLU(keras.layers.PReLU):
    """``max(x, 0) + slope min(x, 0)``, with one slope, 0.25 at first, a channel.

    Parameters
    ----------
    **layer
        As in `keras.layers.PReLU`.

    References
    ----------
    He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.1.
    """

    def __init__(self, **layer: Any) -> None:
        defaults = {"alpha_initializer": keras.initializers.Constant(0.25), "shared_axes": [1, 2]}
        super().__init__(**{**defaults, **layer})

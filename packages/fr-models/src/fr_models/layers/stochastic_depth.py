"""Leaving whole branches of a residual network out."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_models import _keras
from fr_models._checks import is_number


@_keras.serializable
class StochasticDepth(keras.layers.Dropout):
    """In training, either leaves a sample's whole input out or divides it by `survival`, its chance to stay.

    Training's expectation is then what inference gives, which passes its input on. (The paper does not divide
    in training, and multiplies by `survival` in inference.)

    Parameters
    ----------
    survival : float
        Probability, in (0, 1], that the input stays.
    seed : int, optional
        Of the draws.
    **layer
        As in `keras.layers.Layer`.

    References
    ----------
    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, section 3.
    """

    def __init__(self, survival: float, seed: int | None = None, **layer: Any) -> None:
        if not is_number(survival) or not 0.0 < survival <= 1.0:
            raise ValueError(f"survival: expected a probability in (0, 1], got {survival!r}")
        super().__init__(1.0 - survival, seed=seed, **layer)
        self.survival = survival

    def build(self, input_shape: Any) -> None:
        """Draw one number a sample."""
        self.noise_shape = (None,) + (1,) * (len(input_shape) - 1)
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        config = super().get_config()
        del config["rate"], config["noise_shape"]
        return {**config, "survival": self.survival}

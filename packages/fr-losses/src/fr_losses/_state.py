"""The variables of a loss live in a layer: models and checkpoints track layers, and nothing of a loss."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_losses import _keras


class LossState(keras.layers.Layer):
    """Float32 variables with names.

    Parameters
    ----------
    shape : tuple of int
        Shape of each variable.
    trainable : bool
        Whether an optimizer changes them.
    **initial : float
        The name and first value of each variable.
    """

    def __init__(self, shape: tuple[int, ...] = (), trainable: bool = False, **initial: float) -> None:
        super().__init__(name="_".join([*initial, "state"]), dtype="float32")
        self._names = tuple(initial)
        for name, value in initial.items():
            setattr(self, name, _keras.add_state(self, name, shape, value, trainable))
        self.built = True

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def values(self) -> dict[str, float]:
        """Read the scalars, outside of a graph."""
        return {name: float(self[name].numpy()) for name in self._names}

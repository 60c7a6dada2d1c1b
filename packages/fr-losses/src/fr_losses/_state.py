"""The variables of a loss live in a layer: models and checkpoints track layers, and nothing of a loss."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_losses import _keras


class LossState(keras.layers.Layer):
    """Scalar variables with names: float32 ones, and a count of batches.

    Parameters
    ----------
    trainable : bool
        Whether an optimizer changes the float32 ones.
    steps : int, optional
        First value of ``steps``, an int64, for a loss that counts batches.
    **initial : float
        The name and first value of each float32 variable.
    """

    def __init__(self, trainable: bool = False, steps: int | None = None, **initial: float) -> None:
        names = tuple(initial) if steps is None else ("steps", *initial)
        super().__init__(name="_".join([*names, "state"]), dtype="float32")
        self._names = names
        if steps is not None:
            self.steps = _keras.add_counter(self, "steps", steps)
        for name, value in initial.items():
            setattr(self, name, _keras.add_state(self, name, (), value, trainable))
        self.built = True

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def values(self) -> dict[str, float]:
        """Read the variables, outside of a graph."""
        return {name: self[name].numpy().item() for name in self._names}

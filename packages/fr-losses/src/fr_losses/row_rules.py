"""What Keras's SGD, Adam and AdamW do to a variable, as functions of some of its rows.

Keras's own classes update a variable whole and agree over replicas on the way; rows that only one replica
holds, and only some of which have a gradient, need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf
from tensorflow import keras

UNSUPPORTED = (
    "amsgrad",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "gradient_accumulation_steps",
)


class RowRule(Protocol):
    """An optimizer's update of rows ``[n, D]``."""

    @property
    def slots(self) -> int:
        """How many values, 0 at first, it remembers of each element."""
        ...

    def __call__(
        self,
        rows: tf.Tensor,
        gradient: tf.Tensor,
        slots: Sequence[tf.Tensor],
        learning_rate: Any,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Rows and slots after ``step`` (from 1 on)."""
        ...


@dataclass(frozen=True)
class Decay:
    """Decoupled weight decay: a share of the rows, times the learning rate (Keras) or not (Addons)."""

    share: float
    by_rate: bool

    def __call__(self, rows: tf.Tensor, learning_rate: Any) -> tf.Tensor:
        """Rows after a step's decay."""
        return rows - self.share * (learning_rate if self.by_rate else 1.0) * rows


@dataclass(frozen=True)
class Momentum:
    """`keras.optimizers.SGD`, with decoupled weight decay."""

    momentum: float
    nesterov: bool
    decay: Decay

    @property
    def slots(self) -> int:
        """The velocity, if there is momentum."""
        return int(self.momentum != 0)

    def __call__(
        self,
        rows: tf.Tensor,
        gradient: tf.Tensor,
        slots: Sequence[tf.Tensor],
        learning_rate: Any,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Rows and slots after a step."""
        del step
        rows = self.decay(rows, learning_rate)
        if not slots:
            return rows - learning_rate * gradient, []
        velocity = self.momentum * slots[0] - learning_rate * gradient
        move = self.momentum * velocity - learning_rate * gradient if self.nesterov else velocity
        return rows + move, [velocity]


@dataclass(frozen=True)
class Moments:
    """`keras.optimizers.Adam` and `AdamW`."""

    beta_1: float
    beta_2: float
    epsilon: float
    decay: Decay
    slots: int = 2

    def __call__(
        self,
        rows: tf.Tensor,
        gradient: tf.Tensor,
        slots: Sequence[tf.Tensor],
        learning_rate: Any,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Rows and slots after a step."""
        rows = self.decay(rows, learning_rate)
        first = slots[0] + (gradient - slots[0]) * (1.0 - self.beta_1)
        second = slots[1] + (tf.square(gradient) - slots[1]) * (1.0 - self.beta_2)
        rate = learning_rate * tf.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        return rows - rate * first / (tf.sqrt(second) + self.epsilon), [first, second]


def rule_of(optimizer: Any) -> RowRule:
    """Read the rule of a Keras optimizer.

    Raises
    ------
    ValueError
        If it is another than SGD, Adam, AdamW or Addons' SGDW and AdamW, and has no method ``of_rows`` that
        returns one of them, or has settings rows cannot follow.
    """
    config = optimizer.get_config()
    for name in UNSUPPORTED:
        if config.get(name):
            raise ValueError(f"optimizer: {name}={config[name]} is not defined for some rows of a matrix")
    for name in (
        "exclude_from_weight_decay",  # Addons' list; Keras has a method of this name
        "_exclude_from_weight_decay",
        "_exclude_from_weight_decay_pattern",
    ):
        excluded = getattr(optimizer, name, None)
        if excluded and not callable(excluded):
            raise ValueError("optimizer: exclude_from_weight_decay is not defined for some rows of a matrix")
    if isinstance(config.get("weight_decay"), dict):
        raise ValueError("optimizer: a schedule of weight_decay is not defined for some rows of a matrix")
    if hasattr(optimizer, "of_rows"):
        return rule_of(optimizer.of_rows())
    decay = Decay(config.get("weight_decay") or 0.0, by_rate=not _of_addons(optimizer))
    kind = type(optimizer).__name__
    if type(optimizer) is keras.optimizers.SGD or (_of_addons(optimizer) and kind == "SGDW"):
        return Momentum(config["momentum"], config["nesterov"], decay)
    if type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW) or (
        _of_addons(optimizer) and kind == "AdamW"
    ):
        return Moments(config["beta_1"], config["beta_2"], config["epsilon"], decay)
    raise ValueError(
        f"optimizer: expected SGD, Adam or AdamW for rows of a matrix, got {type(optimizer).__name__}"
    )


def _of_addons(optimizer: Any) -> bool:
    return type(optimizer).__module__.startswith("tensorflow_addons.")

"""Optimizers by name, with arguments: those of Keras, the reference's SGDW, and Muon.

====== ==================================================================================================
SGD    Keras's, with momentum 0.9; ``weight_decay`` takes ``rate * weight_decay`` of a weight in a step
SGDW   the same, where it takes ``weight_decay`` at the schedule's highest rate, and less in proportion:
       the number that Keras_insightface gives to TensorFlow Addons' SGDW
Adam   Keras's
AdamW  Keras's; ``weight_decay`` as that of SGD
Muon   `fr_models.train.muon.Muon` for kernels of convolutions, AdamW for all else
====== ==================================================================================================

Decay leaves out vectors, which are biases, scales and offsets of batch normalisation, and slopes of PReLU;
``decay_vectors`` lets them decay, as in the reference. MXNet's weight decay, which momentum adds up, is the
model's ``l2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fr_models._settings import Settings, boolean, nearest, number
from fr_models.train.schedules import Schedule

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "SGDW",
    "Adam",
    "AdamW",
    "Muon",
    "Optimizer",
    "build_optimizer",
    "checked_optimizer",
    "exclude_vectors",
    "is_vector",
]

VECTORS = ("gamma", "beta", "bias", "alpha")


@dataclass(frozen=True)
class Optimizer(Settings):
    """What optimizers share.

    Attributes
    ----------
    sam : float
        Radius of sharpness-aware minimisation (`fr_models.train.step.TrainStep`); 0 for none.
    """

    sam: Annotated[float, number(0)] = 0.0

    def build(self, rate: Any, base: float) -> Any:
        """Make the optimizer of Keras, for a rate that is ``base`` at its highest. A child overrides this."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return what `checked_optimizer` takes."""
        return {"name": type(self).__name__, **super().to_dict()}


@dataclass(frozen=True)
class _Decaying(Optimizer):
    """What optimizers with decoupled weight decay share.

    Attributes
    ----------
    weight_decay : float
        As in the table above.
    decay_vectors : bool
        Whether it holds for vectors too.
    """

    weight_decay: Annotated[float, number(0)] = 0.0
    decay_vectors: Annotated[bool, boolean] = False


@dataclass(frozen=True)
class SGD(_Decaying):
    """`keras.optimizers.SGD`.

    Attributes
    ----------
    momentum : float
        Share of the velocity that stays.
    nesterov : bool
        Whether the gradient counts once more.
    """

    momentum: Annotated[float, number(0, 1, below=True)] = 0.9
    nesterov: Annotated[bool, boolean] = False

    def build(self, rate: Any, base: float) -> Any:
        """Make the optimizer."""
        from tensorflow import keras

        decay = self.keras_decay(base) or None
        return keras.optimizers.SGD(rate, self.momentum, self.nesterov, weight_decay=decay)

    def keras_decay(self, base: float) -> float:
        """Return the decay that Keras multiplies by the rate."""
        del base
        return self.weight_decay


@dataclass(frozen=True)
class SGDW(SGD):
    """`keras.optimizers.SGD` with the weight decay that the reference gives to Addons' SGDW."""

    def keras_decay(self, base: float) -> float:
        """Return the decay that Keras multiplies by the rate."""
        return self.weight_decay / base


@dataclass(frozen=True)
class Adam(Optimizer):
    """`keras.optimizers.Adam`; arguments as there."""

    beta_1: Annotated[float, number(0, 1, below=True)] = 0.9
    beta_2: Annotated[float, number(0, 1, below=True)] = 0.999
    epsilon: Annotated[float, number(0, above=True)] = 1e-7

    def build(self, rate: Any, base: float) -> Any:
        """Make the optimizer."""
        from tensorflow import keras

        del base
        return keras.optimizers.Adam(rate, self.beta_1, self.beta_2, self.epsilon)


@dataclass(frozen=True)
class AdamW(_Decaying):
    """`keras.optimizers.AdamW`; arguments as there."""

    weight_decay: Annotated[float, number(0)] = 0.004
    beta_1: Annotated[float, number(0, 1, below=True)] = 0.9
    beta_2: Annotated[float, number(0, 1, below=True)] = 0.999
    epsilon: Annotated[float, number(0, above=True)] = 1e-7

    def build(self, rate: Any, base: float) -> Any:
        """Make the optimizer."""
        from tensorflow import keras

        del base
        return keras.optimizers.AdamW(rate, self.weight_decay, self.beta_1, self.beta_2, self.epsilon)


@dataclass(frozen=True)
class Muon(AdamW):
    """`fr_models.train.muon.Muon`; other arguments are those of AdamW.

    Attributes
    ----------
    momentum : float
        Share of a kernel's momentum that stays.
    update_rms : float
        About the root mean square of a kernel's step, in learning rates.
    """

    momentum: Annotated[float, number(0, 1, below=True)] = 0.95
    update_rms: Annotated[float, number(0, above=True)] = 0.2

    def build(self, rate: Any, base: float) -> Any:
        """Make the optimizer."""
        from fr_models.train import muon

        del base
        adamw = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return muon.Muon(rate, self.weight_decay, self.momentum, self.update_rms, **adamw)


OPTIMIZERS = {kind.__name__: kind for kind in (SGD, SGDW, Adam, AdamW, Muon)}


def checked_optimizer(value: Any) -> Optimizer:
    """Return an optimizer from its name, from a mapping with its ``name`` and arguments, or itself.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> checked_optimizer({"name": "SGDW", "weight_decay": 5e-5}).keras_decay(base=0.1)
    0.0005
    >>> checked_optimizer("sgd")
    SGD(sam=0.0, weight_decay=0.0, decay_vectors=False, momentum=0.9, nesterov=False)
    """
    if isinstance(value, Optimizer):
        return value
    settings = dict(value) if isinstance(value, Mapping) else {"name": value}
    name = settings.pop("name", None)
    if name is None:
        raise ValueError(f"name: missing, expected one of {', '.join(OPTIMIZERS)}")
    kinds = {known.lower(): kind for known, kind in OPTIMIZERS.items()}
    if not isinstance(name, str) or name.lower() not in kinds:
        raise ValueError(f"name: there is no optimizer {name!r}, {nearest(name, OPTIMIZERS)}")
    return kinds[name.lower()].from_dict(settings)


def build_optimizer(
    settings: Optimizer, schedule: Schedule, steps_per_epoch: int, first_epoch: int = 0
) -> Any:
    """Make the optimizer of Keras that follows a schedule.

    Parameters
    ----------
    settings : Optimizer
        Which.
    schedule : Schedule
        Of the learning rate.
    steps_per_epoch, first_epoch : int
        Of the training, and the epoch that step 0 belongs to.
    """
    from fr_models.train.keras_schedule import KerasSchedule

    return settings.build(KerasSchedule(schedule, steps_per_epoch, first_epoch), schedule.base)


def exclude_vectors(model: Any) -> None:
    """Let the optimizer of a compiled model decay no vectors; before its slots are made."""
    vectors = [variable for variable in model.trainable_variables if is_vector(variable)]
    if vectors:
        inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        inner.exclude_from_weight_decay(var_list=vectors)


def is_vector(variable: Any) -> bool:
    """Whether a weight is a bias, of batch normalisation, or slopes of PReLU."""
    name = variable.name.split("/")[-1].split(":")[0]
    return len(variable.shape) <= 1 or name in VECTORS

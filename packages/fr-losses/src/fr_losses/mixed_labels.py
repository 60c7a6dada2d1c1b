"""What labels of mixed images (mixup) are, for whoever mixes them: fr-models does without fr-losses."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["MixedLabels"]


@runtime_checkable
class MixedLabels(Protocol):
    """Labels of images that are each ``weight * first + (1 - weight) * second``, as their losses are, too.

    Named tuples with these three fields are, such as `fr_models.data.MixedLabels`.

    Examples
    --------
    >>> from collections import namedtuple
    >>> Labels = namedtuple("Labels", "first second weight")
    >>> isinstance(Labels([0, 1], [1, 0], [0.7, 0.9]), MixedLabels), isinstance([0, 1], MixedLabels)
    (True, False)

    References
    ----------
    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, equation 1.
    """

    @property
    def first(self) -> Any:
        """Class numbers ``[B]``."""

    @property
    def second(self) -> Any:
        """Class numbers ``[B]``."""

    @property
    def weight(self) -> Any:
        """Share of the first ones, float32 ``[B]``."""

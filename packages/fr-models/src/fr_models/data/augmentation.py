"""What happens to an image before it is trained on, as plain settings; by default, it is mirrored at times.

Published ablations on IJB-C find that stronger augmentation costs accuracy on aligned faces, so all of the
rest is opt-in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fr_models._checks import is_number
from fr_models.data._settings import checked_settings

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of images.

    Attributes
    ----------
    horizontal_flip : float
        Probability of a mirror image.

    Examples
    --------
    >>> Augmentation.from_dict({"horizontal_flip": 0.0})
    Augmentation(horizontal_flip=0.0)
    """

    horizontal_flip: float = 0.5

    def __post_init__(self) -> None:
        for name in ("horizontal_flip",):
            value = getattr(self, name)
            if not is_number(value) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: expected a probability in [0, 1], got {value!r}")

    @classmethod
    def from_dict(cls, settings: Any, where: str = "augmentation") -> Augmentation:
        """Build from a mapping, as YAML holds it.

        Raises
        ------
        ValueError
            If a key or value is none of those that are allowed; the message names all three.
        """
        return checked_settings(cls, settings, where)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return asdict(self)

"""What happens to an image before it is trained on, as plain settings; by default, it is mirrored at times.

Published ablations on IJB-C find that stronger augmentation costs accuracy on aligned faces, so all of the
rest is opt-in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from fr_models._checks import is_number, is_whole
from fr_models.data._settings import checked_settings, choice

__all__ = ["FACE_OPERATIONS", "PAPER_OPERATIONS", "Augmentation"]

FACE_OPERATIONS = (
    *("identity", "auto_contrast", "equalize", "color", "contrast", "brightness", "sharpness"),
    "cutout",
)
PAPER_OPERATIONS = (
    *("identity", "auto_contrast", "equalize", "rotate", "solarize", "color", "posterize", "contrast"),
    *("brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"),
)
OPERATIONS = (*PAPER_OPERATIONS, "cutout")
LEVELS = 4
LARGEST_MAGNITUDE = 10
MOST_LAYERS = 8

PROBABILITIES = ("horizontal_flip", "grey", "lower_face_mask", "random_erase")
STRENGTHS = ("brightness", "contrast", "saturation")


@dataclass(frozen=True)
class Augmentation:
    """Random changes of images, in this order.

    Attributes
    ----------
    horizontal_flip : float
        Probability of a mirror image.
    crop : float
        Share of height and width that a crop keeps, anywhere; it is resized to the whole image. 1: no crop.
    brightness : float
        Largest shift of all pixels, as a share of 255.
    contrast, saturation : float
        Largest distance from 1 of a factor: of differences from the mean grey, and from the pixel's own grey.
    grey : float
        Probability of an image without colour.
    rand_augment_layers : int
        How many operations RandAugment applies, one after the other.
    rand_augment_magnitude : float
        From 0, where every operation but ``auto_contrast`` and ``equalize`` leaves the image as it is, to 10.
    rand_augment_operations : tuple of str
        What RandAugment chooses from, all alike; by default nothing that moves an aligned face.
        `PAPER_OPERATIONS` are those of the paper.
    lower_face_mask : float
        Probability that all below a line between the eyes and the mouth becomes grey.
    random_erase : float
        Probability that a rectangle of 2 % to 40 % of the image becomes noise.
    mixup : float
        Alpha of the beta distribution by which two images are mixed; 0: none are. Batches then have
        `fr_models.data.mixup.MixedLabels`.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> Augmentation.level(2).brightness
    0.1
    >>> Augmentation.from_dict({"level": 1, "horizontal_flip": 0.0}).horizontal_flip
    0.0

    References
    ----------
    Cubuk et al., "RandAugment", NeurIPS 2020, section 3; magnitudes: Cubuk et al., "AutoAugment", CVPR 2019,
    table 6. Zhong et al., "Random erasing data augmentation", AAAI 2020. Zhang et al., "mixup", ICLR 2018.
    """

    horizontal_flip: float = 0.5
    crop: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    grey: float = 0.0
    rand_augment_layers: int = 0
    rand_augment_magnitude: float = 5.0
    rand_augment_operations: tuple[str, ...] = FACE_OPERATIONS
    lower_face_mask: float = 0.0
    random_erase: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            _check(name, getattr(self, name), 0.0, 1.0, "a probability in [0, 1]")
        for name in STRENGTHS:
            _check(name, getattr(self, name), 0.0, 1.0, "a number in [0, 1]")
        _check("crop", self.crop, 0.1, 1.0, "a share in [0.1, 1]")
        _check("mixup", self.mixup, 0.0, 100.0, "a number in [0, 100]")
        magnitude = self.rand_augment_magnitude
        _check("rand_augment_magnitude", magnitude, 0, LARGEST_MAGNITUDE, "a number in [0, 10]")
        layers, names = self.rand_augment_layers, self.rand_augment_operations
        if not is_whole(layers) or not 0 <= layers <= MOST_LAYERS:
            raise ValueError(f"rand_augment_layers: expected a whole number from 0 to 8, got {layers!r}")
        if not isinstance(names, list | tuple) or not names:
            allowed = ", ".join(OPERATIONS)
            raise ValueError(f"rand_augment_operations: expected some of {allowed}, got {names!r}")
        checked = tuple(choice("rand_augment_operations", name, OPERATIONS) for name in names)
        object.__setattr__(self, "rand_augment_operations", checked)

    @classmethod
    def level(cls, level: int) -> Augmentation:
        """Return a level of Keras_insightface's ``random_status``.

        0: mirror images. 1: and brightness. 2: and contrast and saturation. 3: and crops of 100 of 112
        pixels. The strength of each grows with the level.
        """
        if not is_whole(level) or not 0 <= level < LEVELS:
            raise ValueError(f"level: expected 0, 1, 2 or 3, got {level!r}")
        colour = 0.1 * level if level >= 2 else 0.0
        crop = 100 / 112 if level >= 3 else 1.0
        return cls(brightness=0.05 * level, contrast=colour, saturation=colour, crop=crop)

    @classmethod
    def from_dict(cls, settings: Any, where: str = "augmentation") -> Augmentation:
        """Build from a mapping, as YAML holds it; ``level``, if given, is what other settings change.

        Raises
        ------
        ValueError
            If a key or value is none of those that are allowed; the message names all three.
        """
        if not isinstance(settings, dict) or "level" not in settings:
            return checked_settings(cls, settings, where)
        others = {key: value for key, value in settings.items() if key != "level"}
        checked_settings(cls, others, where)
        try:
            return replace(cls.level(settings["level"]), **others)
        except ValueError as error:
            raise ValueError(f"{where}.{error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return asdict(self) | {"rand_augment_operations": list(self.rand_augment_operations)}


def _check(name: str, value: Any, least: float, most: float, expected: str) -> None:
    if not is_number(value) or not least <= value <= most:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")

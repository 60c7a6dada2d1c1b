"""What happens to an image before it is trained on, as plain settings; by default, it is mirrored at times.

Published ablations on IJB-C find that stronger augmentation costs accuracy on aligned faces, so all of the
rest is opt-in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

from fr_models._checks import is_whole
from fr_models._settings import Settings, a_mapping, list_of, number, one_of, under, whole

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


@dataclass(frozen=True)
class Augmentation(Settings):
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

    horizontal_flip: Annotated[float, number(0, 1)] = 0.5
    crop: Annotated[float, number(0.1, 1)] = 1.0
    brightness: Annotated[float, number(0, 1)] = 0.0
    contrast: Annotated[float, number(0, 1)] = 0.0
    saturation: Annotated[float, number(0, 1)] = 0.0
    grey: Annotated[float, number(0, 1)] = 0.0
    rand_augment_layers: Annotated[int, whole(0, MOST_LAYERS)] = 0
    rand_augment_magnitude: Annotated[float, number(0, LARGEST_MAGNITUDE)] = 5.0
    rand_augment_operations: Annotated[tuple[str, ...], list_of(one_of(*OPERATIONS), 1)] = FACE_OPERATIONS
    lower_face_mask: Annotated[float, number(0, 1)] = 0.0
    random_erase: Annotated[float, number(0, 1)] = 0.0
    mixup: Annotated[float, number(0, 100)] = 0.0

    @classmethod
    def level(cls, level: int) -> Self:
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
    def from_dict(cls, settings: Any, where: str = "augmentation") -> Self:
        """Build from a mapping, as YAML holds it; ``level``, if given, is what other settings change.

        Raises
        ------
        ValueError
            If a key or value is none of those that are allowed; the message names all three.
        """
        with under(where):
            others = {key: value for key, value in a_mapping(settings).items() if key != "level"}
            plain = super().from_dict(others)
            return replace(cls.level(settings["level"]), **others) if "level" in settings else plain

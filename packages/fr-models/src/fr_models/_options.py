"""What can be chosen of a backbone, and what its layers then are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from fr_models._checks import checked_above_0, checked_bool, checked_share

PADDINGS = ("same", "explicit", "trailing")
OF_BATCH_NORM = ("bn_momentum", "bn_epsilon")


@dataclass(frozen=True)
class Options:
    """Settings of a backbone; one that is None is of something that the backbone does not have.

    Attributes
    ----------
    activation : str, optional
        ``prelu`` (a slope a channel, 0.25 at first), ``relu6``, ``hard_sigmoid`` and ``hard_swish`` (those of
        MobileNetV3), or any activation of Keras by name.
    use_se : bool, optional
        Whether blocks end in squeeze-and-excitation.
    use_max_pool : bool, optional
        Whether the shortcut of a strided block that keeps its channels is a max-pooling, as in
        InsightFace_Pytorch, and no convolution.
    bn_momentum, bn_epsilon : float, optional
        Of batch normalisation; momentum is the share of the old mean that stays.
    padding : {"same", "explicit", "trailing"}, optional
        Zeros before a strided convolution: as TensorFlow's ``same``, which may add them at one side only;
        ``size // 2`` at every side, as MXNet and PyTorch networks do; or as ``same`` does for even inputs,
        whatever the input, one less at the beginning than at the end, as MobileNet of keras.applications.
    """

    activation: str | None = "relu"
    use_se: bool | None = None
    use_max_pool: bool | None = None
    bn_momentum: float | None = 0.99
    bn_epsilon: float | None = 1e-3
    padding: str | None = "same"

    def __post_init__(self) -> None:
        if self.padding is not None and self.padding not in PADDINGS:
            raise ValueError(f"padding: expected one of {', '.join(PADDINGS)}, got {self.padding!r}")
        if self.bn_momentum is not None:
            checked_share("bn_momentum", self.bn_momentum)
        if self.bn_epsilon is not None:
            checked_above_0("bn_epsilon", self.bn_epsilon)
        for name in ("use_se", "use_max_pool"):
            if getattr(self, name) is not None:
                checked_bool(name, getattr(self, name))

    def with_chosen(self, model: str, **chosen: Any) -> Options:
        """Return these settings with those in their places that are not None.

        Those of batch normalisation may always be chosen: a head has it where the backbone has none.

        Raises
        ------
        ValueError
            If one is chosen that the model has not.
        """
        chosen = {name: value for name, value in chosen.items() if value is not None}
        for name in chosen:
            if getattr(self, name) is None and name not in OF_BATCH_NORM:
                known = ", ".join(
                    field.name for field in fields(self) if getattr(self, field.name) is not None
                )
                raise ValueError(f"{model}: {name} cannot be chosen, only {known or 'nothing'}")
        return replace(self, **chosen)

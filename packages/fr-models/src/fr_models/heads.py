"""Heads: from a backbone's last feature map to an embedding.

Names are those of insightface's MXNet networks, and GDC is MobileFaceNet's. With FC for a dense layer without
bias and BN for batch normalisation:

====  ============================================================
E     BN, dropout, FC, BN
F     BN, dropout, FC
G     BN, FC
H     FC
I     BN, FC, BN
J     FC, BN
Z     BN, dropout: the feature map is the embedding
GAP   BN, mean over places, dropout, FC, BN
GDC   depthwise convolution over all places, BN, dropout, FC, BN
GNAP  BN, norm-aware mean over places, BN, dropout, FC, BN
====  ============================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorflow import keras

from fr_models._activations import checked_activation
from fr_models._builder import Builder, Tensor
from fr_models._checks import checked_bool, checked_share, is_whole
from fr_models.layers.norm_aware_pooling import NormAwarePooling


def _all(x: Tensor, build: Builder) -> Tensor:
    """Keep every place."""
    del build
    return x


def _mean(x: Tensor, build: Builder) -> Tensor:
    """Average over places."""
    del build
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name="head_pool")(x)


def _depthwise(x: Tensor, build: Builder) -> Tensor:
    """Weigh places, for each channel by itself."""
    x = keras.layers.DepthwiseConv2D(tuple(x.shape[1:3]), use_bias=False, name="head_depthwise")(x)
    return build.bn(x, "head_depthwise_bn")


def _norm_aware(x: Tensor, build: Builder) -> Tensor:
    """Average over places, each with the same weight."""
    return build.bn(NormAwarePooling(name="head_pool")(x), "head_pool_bn")


@dataclass(frozen=True)
class _Kind:
    pool: Callable[[Tensor, Builder], Tensor] = _all
    first_bn: bool = True
    dropout: bool = True
    dense: bool = True
    final_bn: bool = True


HEADS = {
    "E": _Kind(),
    "F": _Kind(final_bn=False),
    "G": _Kind(dropout=False, final_bn=False),
    "H": _Kind(first_bn=False, dropout=False, final_bn=False),
    "I": _Kind(dropout=False),
    "J": _Kind(first_bn=False, dropout=False),
    "Z": _Kind(dense=False, final_bn=False),
    "GAP": _Kind(_mean),
    "GDC": _Kind(_depthwise, first_bn=False),
    "GNAP": _Kind(_norm_aware),
}


@dataclass(frozen=True)
class Head:
    """A head and what can be chosen of it.

    Attributes
    ----------
    kind : str
        One of `HEADS`.
    first_bn, final_bn : bool, optional
        Whether BN comes first and last; by default as the kind has it.
        ``Head("F", first_bn=False, final_bn=True)`` is what Keras_insightface calls F.
    use_bias : bool
        Of the dense layer; MXNet's networks have one.
    scale : bool
        Whether the final BN has a scale; MXNet's networks fix it at 1.
    pointwise_activation : str
        What follows the pointwise convolution of `fr_models.create`.

    Raises
    ------
    ValueError
        If there is no such kind, or a setting is of a layer that the head has not.
    """

    kind: str = "GDC"
    first_bn: bool | None = None
    final_bn: bool | None = None
    use_bias: bool = False
    scale: bool = True
    pointwise_activation: str = "relu"

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in HEADS:
            raise ValueError(f"head: expected one of {', '.join(HEADS)}, got {self.kind!r}")
        for name in ("first_bn", "final_bn", "use_bias", "scale"):
            if getattr(self, name) is not None or name in ("use_bias", "scale"):
                checked_bool(name, getattr(self, name))
        kind = HEADS[self.kind]
        if self.use_bias and not kind.dense:
            raise ValueError(f"use_bias: head {self.kind} has no dense layer that could have one")
        if not self.scale and not (kind.final_bn if self.final_bn is None else self.final_bn):
            raise ValueError(f"scale: head {self.kind} has no final BN here whose scale could be left out")

    def __call__(
        self, x: Tensor, build: Builder, embedding_dim: int, dropout: float = 0.0, pointwise: int = 0
    ) -> Tensor:
        """Lay the head's layers on a feature map ``[B, H, W, C]``.

        Parameters
        ----------
        x : tensor
            The feature map.
        build : Builder
            Lays the layers.
        embedding_dim : int
            ``D``.
        dropout : float
            Share of features that training leaves out, in kinds with dropout.
        pointwise : int
            Channels of a 1x1 convolution before the head; 0 for none, -1 for half of the map's.

        Returns
        -------
        float32 ``[B, D]``
            The embedding, not normalised.

        Raises
        ------
        ValueError
            As in `check`; or if the kind has no dense layer and the map is not of ``D`` numbers.
        """
        self.check(embedding_dim, dropout, pointwise)
        kind = HEADS[self.kind]
        if pointwise:
            x = self._pointwise(x, build, pointwise)
        if kind.first_bn if self.first_bn is None else self.first_bn:
            x = build.bn(x, "head_bn")
        x = kind.pool(x, build)
        if dropout:
            x = keras.layers.Dropout(dropout, name="head_dropout")(x)
        x = keras.layers.Flatten(name="head_flatten")(x)
        if kind.dense:
            x = keras.layers.Dense(
                embedding_dim, use_bias=self.use_bias, kernel_initializer="glorot_normal", name="head_dense"
            )(x)
        elif x.shape[-1] != embedding_dim:
            raise ValueError(
                f"embedding_dim: head {self.kind} gives the {x.shape[-1]} numbers of the map, "
                f"not {embedding_dim}"
            )
        if kind.final_bn if self.final_bn is None else self.final_bn:
            x = build.bn(x, "pre_embedding", scale=self.scale)
        return keras.layers.Activation("linear", dtype="float32", name="embedding")(x)

    def check(self, embedding_dim: int, dropout: float = 0.0, pointwise: int = 0) -> None:
        """Say whether it can be laid so, before anything is.

        Raises
        ------
        ValueError
            If a number is out of its range, or the kind has no dropout.
        """
        checked_share("dropout", dropout)
        if dropout and not HEADS[self.kind].dropout:
            raise ValueError(f"dropout: head {self.kind} has none, got {dropout}")
        if not is_whole(embedding_dim) or embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected a whole number of 1 or more, got {embedding_dim!r}")
        if not is_whole(pointwise) or pointwise < -1:
            raise ValueError(f"pointwise: expected 0, -1 or a number of channels, got {pointwise!r}")

    def _pointwise(self, x: Tensor, build: Builder, filters: int) -> Tensor:
        channels = int(x.shape[-1]) // 2 if filters == -1 else filters
        x = build.bn(build.conv(x, channels, 1, "head_pointwise"), "head_pointwise_bn")
        activation = checked_activation("pointwise_activation", self.pointwise_activation)
        return build.act(x, "head_pointwise_act", activation)


def checked_head(head: Any) -> Head:
    """Return a head by name or itself."""
    return head if isinstance(head, Head) else Head(head)


def is_of_head(layer: str) -> bool:
    """Whether a layer's name is one that `Head` or `fr_models.create` gives, after the backbone."""
    return layer.startswith("head_") or layer in ("pre_embedding", "embedding", "embedding_norm")

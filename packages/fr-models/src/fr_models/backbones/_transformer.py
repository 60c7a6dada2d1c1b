"""The parts of vision transformers, on maps ``[B, H, W, C]``, so that every head can follow."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_models._builder import Builder, Tensor


def patches(x: Tensor, dim: int, size: int, name: str) -> Tensor:
    """Embed patches of ``size x size`` pixels that do not overlap; pixels that fill none are left out."""
    return keras.layers.Conv2D(dim, size, strides=size, kernel_initializer=truncated_normal(), name=name)(x)


def dense(x: Tensor, units: int, name: str, use_bias: bool = True) -> Tensor:
    """Map the channels of each place."""
    return keras.layers.Dense(units, use_bias=use_bias, kernel_initializer=truncated_normal(), name=name)(x)


def mlp(x: Tensor, build: Builder, name: str) -> Tensor:
    """Lay two dense layers, with four times the channels and the activation between."""
    dim = int(x.shape[-1])
    return dense(build.act(dense(x, 4 * dim, f"{name}_1"), f"{name}_act"), dim, f"{name}_2")


def truncated_normal() -> Any:
    """Of a standard deviation of 0.02, as of ViT and Swin."""
    return keras.initializers.TruncatedNormal(stddev=0.02)

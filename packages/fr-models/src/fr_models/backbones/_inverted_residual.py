"""The block of MobileNetV2 and of what came after it."""

from __future__ import annotations

from tensorflow import keras

from fr_models._builder import Builder, Tensor


def inverted_residual(
    x: Tensor,
    build: Builder,
    expanded: int,
    channels: int,
    size: int,
    strides: int,
    name: str,
    squeezed: int = 0,
    activation: str | None = None,
    squeezed_activation: str | None = None,
    gate: str = "sigmoid",
) -> Tensor:
    """Lay 1x1, depthwise, squeeze-and-excitation and 1x1, with a shortcut where the shape stays.

    Parameters
    ----------
    x : tensor
        The input.
    build : Builder
        Lays the layers.
    expanded : int
        Channels of the depthwise convolution; the first 1x1 is left out if `x` has as many.
    channels : int
        Channels that come out.
    size, strides : int
        Of the depthwise convolution.
    name : str
        Of the block.
    squeezed : int
        Channels in the middle of squeeze-and-excitation; 0 for none.
    activation, squeezed_activation : str, optional
        Of the convolutions and within squeeze-and-excitation; by default as the options say.
    gate : str
        Activation that makes the weights.
    """
    shortcut = x
    if expanded != x.shape[-1]:
        x = build.conv(x, expanded, 1, f"{name}_expand")
        x = build.act(build.bn(x, f"{name}_expand_bn"), f"{name}_expand_act", activation)
    x = build.depthwise(x, size, f"{name}_depthwise", strides=strides)
    x = build.act(build.bn(x, f"{name}_depthwise_bn"), f"{name}_depthwise_act", activation)
    if squeezed:
        x = build.squeeze_excite(x, squeezed, f"{name}_se", squeezed_activation, gate, use_bias=True)
    x = build.bn(build.conv(x, channels, 1, f"{name}_project"), f"{name}_project_bn")
    return with_shortcut(x, shortcut, name)


def with_shortcut(x: Tensor, shortcut: Tensor, name: str) -> Tensor:
    """Add the input of a block to its output where both have one shape."""
    return keras.layers.Add(name=f"{name}_add")([x, shortcut]) if x.shape == shortcut.shape else x


def divisible_by_8(channels: float) -> int:
    """Round to the nearest multiple of 8 from 8 on, or to the next where that would take a tenth away."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded

"""The block of ResNet-50 and of those that put something else in its middle."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow import keras

from fr_models._builder import Builder, Tensor

CHANNELS = (256, 512, 1024, 2048)
SE_RATIO = 16

# Lays what is between the two 1x1 convolutions: (x, build, strides, name) -> x
Middle = Callable[[Tensor, Builder, int, str], Tensor]


def stem(x: Tensor, build: Builder) -> Tensor:
    """Lay a strided 7x7 convolution, BN, activation and a strided max-pooling."""
    x = build.conv(x, 64, 7, "stem_conv", strides=2)
    x = build.act(build.bn(x, "stem_bn"), "stem_act")
    return build.max_pool(x, 3, "stem_pool", strides=2)


def stack(
    x: Tensor,
    build: Builder,
    number: int,
    depth: int,
    width: int,
    middle: Middle,
    average_down: bool = False,
) -> Tensor:
    """Lay the blocks of one size of map, the first of which halves it in all stacks but the first.

    Parameters
    ----------
    x : tensor
        The input.
    build : Builder
        Lays the layers.
    number : int
        Of the stack, from 1 on.
    depth : int
        Blocks.
    width : int
        Channels between the 1x1 convolutions.
    middle : callable
        Lays what is between them.
    average_down : bool
        Whether a strided shortcut averages, and so sees every place.
    """
    for block in range(1, depth + 1):
        strides = 2 if block == 1 and number > 1 else 1
        channels, name = CHANNELS[number - 1], f"stack{number}_block{block}"
        x = _block(x, build, width, channels, strides, middle, average_down, name)
    return x


def conv_middle(groups: int) -> Middle:
    """Return what lays a 3x3 convolution in groups, BN and activation."""

    def middle(x: Tensor, build: Builder, strides: int, name: str) -> Tensor:
        x = build.conv(x, int(x.shape[-1]), 3, f"{name}_conv", strides=strides, groups=groups)
        return build.act(build.bn(x, f"{name}_bn"), f"{name}_act")

    return middle


def _block(
    x: Tensor,
    build: Builder,
    width: int,
    channels: int,
    strides: int,
    middle: Middle,
    average_down: bool,
    name: str,
) -> Tensor:
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        if average_down and strides > 1:
            pool = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_shortcut_pool")
            shortcut = build.conv(pool(x), channels, 1, f"{name}_shortcut_conv")
        else:
            shortcut = build.conv(x, channels, 1, f"{name}_shortcut_conv", strides=strides)
        shortcut = build.bn(shortcut, f"{name}_shortcut_bn")
    x = build.conv(x, width, 1, f"{name}_1_conv")
    x = build.act(build.bn(x, f"{name}_1_bn"), f"{name}_1_act")
    x = middle(x, build, strides, f"{name}_2")
    x = build.bn(build.conv(x, channels, 1, f"{name}_3_conv"), f"{name}_3_bn")
    if build.options.use_se:
        x = build.squeeze_excite(x, channels // SE_RATIO, f"{name}_se", use_bias=True)
    return build.act(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_act")

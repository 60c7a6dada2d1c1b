"""The layers that backbones and heads are built of, with one set of options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow import keras

from fr_models._activations import activation_layer
from fr_models._options import Options
from fr_models.layers.fused_batch_norm import FusedBatchNormalization
from fr_models.layers.grouped_conv import GroupedConv2D

Tensor = Any


def he_fan_out() -> Any:
    """Return the initializer of a variance of 2 over the outputs of a place (He et al. 2015, section 2.2)."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


class Builder:
    """Lays layers, with the options of a backbone, one on the other.

    Every method takes the name of the layer that it lays, and gives derived names to further ones.

    Parameters
    ----------
    options : Options
        What was chosen.
    initializer : callable
        Makes the initializer of a convolution's kernels.
    of_depthwise : callable, optional
        Makes that of depthwise ones; by default the same.
    """

    def __init__(
        self,
        options: Options,
        initializer: Callable[[], Any] = keras.initializers.GlorotUniform,
        of_depthwise: Callable[[], Any] | None = None,
    ) -> None:
        self.options = options
        self._initializer = initializer
        self._of_depthwise = of_depthwise or initializer

    def with_initializer(
        self, initializer: Callable[[], Any], of_depthwise: Callable[[], Any] | None = None
    ) -> Builder:
        """Return one with the same options and other initializers of kernels."""
        return Builder(self.options, initializer, of_depthwise)

    def for_head(self) -> Builder:
        """Return one for the head, with Keras's batch normalisation where the backbone has none."""
        momentum, epsilon = self.options.bn_momentum, self.options.bn_epsilon
        return Builder(
            Options(
                bn_momentum=Options.bn_momentum if momentum is None else momentum,
                bn_epsilon=Options.bn_epsilon if epsilon is None else epsilon,
            )
        )

    def conv(
        self,
        x: Tensor,
        filters: int,
        size: int,
        name: str,
        strides: int = 1,
        groups: int = 1,
        use_bias: bool = False,
    ) -> Tensor:
        """Convolve with ``size x size`` kernels, padded as the options say."""
        x, padding = self._pad(x, size, strides, name)
        layer = GroupedConv2D if groups > 1 else keras.layers.Conv2D
        return layer(
            filters,
            size,
            strides=strides,
            groups=groups,
            padding=padding,
            use_bias=use_bias,
            kernel_initializer=self._initializer(),
            name=name,
        )(x)

    def depthwise(
        self, x: Tensor, size: int | tuple[int, int], name: str, strides: int = 1, use_bias: bool = False
    ) -> Tensor:
        """Convolve each channel by itself, padded as the options say."""
        x, padding = self._pad(x, size, strides, name)
        return keras.layers.DepthwiseConv2D(
            size,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            depthwise_initializer=self._of_depthwise(),
            name=name,
        )(x)

    def max_pool(self, x: Tensor, size: int, name: str, strides: int) -> Tensor:
        """Take the largest of ``size x size`` values, padded as the options say.

        Explicit zeros count: behind an activation with negative values, such as PReLU, they may be the
        largest at the border, where PyTorch and MXNet leave them out.
        """
        x, padding = self._pad(x, size, strides, name)
        return keras.layers.MaxPooling2D(size, strides=strides, padding=padding, name=name)(x)

    def average_pool(self, x: Tensor, size: int, name: str, strides: int) -> Tensor:
        """Average ``size x size`` values, padded as the options say; explicit zeros count."""
        x, padding = self._pad(x, size, strides, name)
        return keras.layers.AveragePooling2D(size, strides=strides, padding=padding, name=name)(x)

    def bn(
        self, x: Tensor, name: str, scale: bool = True, center: bool = True, gamma: Any = "ones"
    ) -> Tensor:
        """Normalise over the batch."""
        return FusedBatchNormalization(
            momentum=self.options.bn_momentum,
            epsilon=self.options.bn_epsilon,
            scale=scale,
            center=center,
            gamma_initializer=gamma,
            name=name,
        )(x)

    def act(self, x: Tensor, name: str, activation: str | None = None) -> Tensor:
        """Apply the activation of the options, or another by name."""
        return activation_layer(activation or self.options.activation, name=name)(x)

    def squeeze_excite(
        self,
        x: Tensor,
        squeezed: int,
        name: str,
        activation: str | None = "relu",
        gate: str = "sigmoid",
        use_bias: bool = False,
    ) -> Tensor:
        """Weigh channels by two dense layers of their means (Hu et al. 2018, section 3)."""
        channels = int(x.shape[-1])
        weights = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
        weights = self.conv(weights, squeezed, 1, f"{name}_squeeze", use_bias=use_bias)
        weights = self.act(weights, f"{name}_act", activation)
        weights = self.conv(weights, channels, 1, f"{name}_excite", use_bias=use_bias)
        weights = self.act(weights, f"{name}_gate", gate)
        return keras.layers.Multiply(name=name)([x, weights])

    def _pad(self, x: Tensor, size: int | tuple[int, int], strides: int, name: str) -> tuple[Tensor, str]:
        """Return what to convolve, and the padding that is left to the convolution."""
        if self.options.padding == "same" or size == 1 or strides == 1:
            return x, "same"
        height, width = (size, size) if isinstance(size, int) else size
        after = (height // 2, width // 2)
        before = tuple(zeros - 1 for zeros in after) if self.options.padding == "trailing" else after
        zeros = tuple(zip(before, after, strict=True))
        return keras.layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x), "valid"

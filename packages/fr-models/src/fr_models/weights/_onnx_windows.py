"""Operations of ONNX that slide a window over a feature map: convolution, pooling, padding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tensorflow import keras

from fr_models.weights._onnx_build import Builder
from fr_models.weights._onnx_graph import Node
from fr_models.weights._settings import same_padding


def conv(build: Builder, node: Node) -> None:
    """Convolve, in groups or each channel by itself too."""
    kernel = build.constant(node.inputs[1], "kernel")
    bias = [build.constant(node.input(2), "bias")] if node.input(2) else []
    if kernel.ndim != 4:
        raise ValueError(f"expected a kernel of 4 dimensions, found {list(kernel.shape)}")
    x, padding, window = _window(build, node, kernel.shape[2:], ("same", "explicit"))
    groups, channels = node.attributes.get("group", 1), int(x.shape[-1])
    window |= {"padding": padding, "use_bias": bool(bias)}
    dilations = tuple(node.attributes.get("dilations", (1, 1)))
    if groups == channels > 1:
        multiplier = kernel.shape[0] // channels
        layer = keras.layers.DepthwiseConv2D(
            kernel.shape[2:], depth_multiplier=multiplier, dilation_rate=dilations, **window
        )
        laid = kernel.reshape(channels, multiplier, *kernel.shape[2:]).transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(
            kernel.shape[0], kernel.shape[2:], groups=groups, dilation_rate=dilations, **window
        )
        laid = kernel.transpose(2, 3, 1, 0)
    build.put(node, build.lay(layer, x, node.name, [laid, *bias]), is_map=True)


def average_pool(build: Builder, node: Node) -> None:
    """Average; padded zeros count only where ONNX says so."""
    size = _pool_size(node)
    counts = bool(node.attributes.get("count_include_pad", 0))
    x, padding, window = _window(build, node, size, ("explicit",) if counts else ("same",))
    layer = keras.layers.AveragePooling2D(size, padding=padding, **window)
    build.put(node, build.lay(layer, x, node.name), is_map=True)


def max_pool(build: Builder, node: Node) -> None:
    """Take the largest; padding never is."""
    size = _pool_size(node)
    x, padding, window = _window(build, node, size, ("same",))
    layer = keras.layers.MaxPooling2D(size, padding=padding, **window)
    build.put(node, build.lay(layer, x, node.name), is_map=True)


def pad(build: Builder, node: Node) -> None:
    """Add zeros around a feature map."""
    pads = node.attributes.get("pads") or build.constant(node.input(1), "list of pads").ravel().tolist()
    mode = node.attributes.get("mode", b"constant")
    value = build.constant(node.input(2), "value").ravel()[0] if node.input(2) else 0
    if mode != b"constant" or value != 0 or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)):
        raise ValueError(f"expected zeros around height and width, found {mode.decode()} {list(pads)}")
    layer = keras.layers.ZeroPadding2D(((int(pads[2]), int(pads[6])), (int(pads[3]), int(pads[7]))))
    build.put(node, build.lay(layer, build.map(node.inputs[0]), node.name), is_map=True)


def _pool_size(node: Node) -> tuple[int, ...]:
    """Height and width of a pooling, which has no gaps in Keras."""
    dilations = list(node.attributes.get("dilations", (1, 1)))
    if any(dilation != 1 for dilation in dilations):
        raise ValueError(f"expected a pooling without dilation, found dilations {dilations}")
    return tuple(node.attributes["kernel_shape"])


def _window(
    build: Builder, node: Node, size: Sequence[int], ways: Collection[str]
) -> tuple[Any, str, dict[str, Any]]:
    """Return the input, padded if need be, Keras's padding, and strides.

    ``ways`` are those of padding that give the right numbers: ``same`` of the layer, ``explicit`` zeros.
    """
    attributes = node.attributes
    x = build.map(node.inputs[0])
    strides = tuple(attributes.get("strides", (1, 1)))
    dilations = attributes.get("dilations", (1, 1))
    if attributes.get("ceil_mode", 0):
        raise ValueError("expected ceil_mode 0, found 1")
    extents = [(n - 1) * d + 1 for n, d in zip(size, dilations, strict=True)]
    same = [same_padding(int(n), e, s) for n, e, s in zip(x.shape[1:3], extents, strides, strict=True)]
    automatic = attributes.get("auto_pad", b"NOTSET")
    if automatic == b"SAME_UPPER":
        pads = same
    elif automatic == b"SAME_LOWER":
        pads = [(after, before) for before, after in same]
    elif automatic == b"VALID":
        pads = [(0, 0), (0, 0)]
    else:
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        pads = [(top, bottom), (left, right)]
    if not any(map(any, pads)):
        return x, "valid", {"strides": strides}
    if pads == same and "same" in ways:
        return x, "same", {"strides": strides}
    if "explicit" not in ways:
        raise ValueError(f"expected padding as Keras has it, {same}, found {pads}")
    x = build.lay(keras.layers.ZeroPadding2D(pads), x, f"{node.name}_pad")
    return x, "valid", {"strides": strides}

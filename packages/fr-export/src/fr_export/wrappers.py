"""Models whose input is pixels: what the sidecar says of preprocessing becomes layers of the graph.

Each layer is registered with Keras, so that a wrapped model is a ``.keras`` file like any other. Unit length
is taken image by image, and only embeddings of unit length are quantised, around a zero point that keeps
their sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf
from fr_eval.embedders import Codes, Preprocessing
from fr_eval.errors import InputError, ParameterError
from tensorflow import keras

from fr_export import _keras
from fr_export._limits import LARGEST_SIZE

if TYPE_CHECKING:
    from fr_export._source import Source

__all__ = ["MirrorBatch", "MirrorSum", "Pixels", "Quantise", "Resize", "pixels_preprocessing", "wrap"]

STEPS = 127  # of a quantised embedding between 0 and 1
ZERO_POINTS = {"int8": 0, "uint8": 128}


def wrap(
    model: Any,
    preprocessing: Preprocessing | None = None,
    uint8_input: bool = False,
    resize: tuple[int, int] | Literal["dynamic"] | None = None,
    colour: str = "RGB",
    flip_sum: bool = False,
    l2_normalise: bool = True,
    output_dtype: str = "float32",
) -> Any:
    """Put preprocessing before a model and unit length behind it.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``; a ``.keras`` file brings its sidecar.
    preprocessing : Preprocessing, optional
        What the model's input is made by; by default the sidecar's.
    uint8_input : bool
        Whether pixels come as uint8, and not as float32, from 0 to 255.
    resize : tuple of int or ``"dynamic"``, optional
        Height and width of the images that come, or any size; bilinear, centres of pixels at halves.
    colour : str
        ``RGB`` or ``BGR``: the order in which pixels come.
    flip_sum : bool
        Whether to add the embedding of the mirror image.
    l2_normalise : bool
        Whether each embedding gets unit length.
    output_dtype : str
        ``float32``; or, for embeddings ``x`` of unit length, codes: ``int8``, where ``x = code / 127``, or
        ``uint8``, where ``x = (code - 128) / 127``.

    Returns
    -------
    keras.Model
        Exports need no ``preprocessing=`` of it: its own is ``scale 1, offset 0``, with what codes stand for
        and whether mirror images are added. `to_keras` writes it with its sidecar.

    Raises
    ------
    InputError
        Preprocessing that is unknown or another size's, a model that takes pixels already, an unknown option,
        codes of embeddings of any length.

    Examples
    --------
    >>> phone = wrap("net.keras", uint8_input=True, flip_sum=True)  # doctest: +SKIP
    >>> phone.input_shape  # doctest: +SKIP
    (None, 112, 112, 3)
    """
    from fr_export._source import open_source  # it reads wrapped models, too

    source = open_source(model, preprocessing)
    _check(source, resize, colour, l2_normalise, output_dtype)
    preprocessing = source.preprocessing
    height, width = (None, None) if resize == "dynamic" else resize or preprocessing.size
    images = keras.Input((height, width, 3), dtype="uint8" if uint8_input else "float32", name="pixels")
    pixels = Pixels(
        preprocessing.size,
        preprocessing.scale,
        preprocessing.offset,
        colour,
        swap_colours=colour != preprocessing.colour,
        name="preprocess",
    )
    x = images if resize is None else Resize(*preprocessing.size, name="resize")(images)
    x = pixels(x)
    embedding = source.model(MirrorBatch(name="mirror")(x) if flip_sum else x)
    if flip_sum:
        embedding = MirrorSum(name="mirror_sum")(embedding)
    if l2_normalise:
        embedding = keras.layers.UnitNormalization(dtype="float32", name="unit_length")(embedding)
    if output_dtype != "float32":
        embedding = Quantise(output_dtype, name="quantise")(embedding)
    return keras.Model(images, embedding, name=f"{source.model.name}_wrapped")


def pixels_preprocessing(model: Any) -> Preprocessing | None:
    """Return what a wrapped model's sidecar says: size, colours, codes, mirror sum; None for other models."""
    layers = getattr(model, "layers", [])
    found = [layer for layer in layers if isinstance(layer, Pixels)]
    if not found:
        return None
    height, width = (free or inner for free, inner in zip(model.input_shape[1:3], found[0].size, strict=True))
    codes = layers[-1].meaning if isinstance(layers[-1], Quantise) else None
    flip_sum = any(isinstance(layer, MirrorSum) for layer in layers)
    return Preprocessing((height, width), 1.0, 0.0, found[0].colour, codes, flip_sum)


@_keras.serializable
class Resize(keras.layers.Layer):
    """Resize images ``[B, h, w, 3]`` of any size and type to float32 ``[B, height, width, 3]``, bilinearly.

    Parameters
    ----------
    height, width : int
        Of the result.
    """

    def __init__(self, height: int, width: int, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **layer})
        self.height = height
        self.width = width

    def call(self, inputs: Any) -> Any:
        """Return the resized images."""
        return tf.image.resize(tf.cast(inputs, tf.float32), (self.height, self.width))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the new height and width in their places."""
        return (input_shape[0], self.height, self.width, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "height": self.height, "width": self.width}


@_keras.serializable
class Pixels(keras.layers.Layer):
    """A network's input of pixels: ``(pixel - offset) * scale``, in the network's order of colours.

    Parameters
    ----------
    size : tuple of int
        Height and width that the network wants.
    scale, offset : float
        For pixels from 0 to 255.
    colour : str
        ``RGB`` or ``BGR``: the order in which they come.
    swap_colours : bool
        Whether the network wants the other order.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale: float,
        offset: float,
        colour: str,
        swap_colours: bool,
        **layer: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **layer})
        self.size = (size[0], size[1])
        self.scale = scale
        self.offset = offset
        self.colour = colour
        self.swap_colours = swap_colours

    def call(self, inputs: Any) -> Any:
        """Return the network's input, float32."""
        x = (tf.cast(inputs, tf.float32) - self.offset) * self.scale
        # Swapped last: before the subtraction, calibration gave the swapped pixels the range of both.
        return _reversed(x, axis=3) if self.swap_colours else x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        names = ("size", "scale", "offset", "colour", "swap_colours")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@_keras.serializable
class MirrorBatch(keras.layers.Layer):
    """Images ``[B, H, W, C]`` and, behind them, their mirror images: ``[2 B, H, W, C]``.

    So that the network, and its weights, are in an exported graph once.
    """

    def call(self, inputs: Any) -> Any:
        """Return both."""
        return tf.concat([inputs, _reversed(inputs, axis=2)], axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Double the batch."""
        batch = input_shape[0]
        return (None if batch is None else 2 * batch, *input_shape[1:])


@_keras.serializable
class MirrorSum(keras.layers.Layer):
    """The sum of each image's embedding and its mirror image's: ``[2 B, D]`` to ``[B, D]``."""

    def call(self, inputs: Any) -> Any:
        """Return the sums."""
        images, mirrored = tf.split(inputs, 2, axis=0)
        return images + mirrored

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Halve the batch."""
        batch = input_shape[0]
        return (None if batch is None else batch // 2, *input_shape[1:])


@_keras.serializable
class Quantise(keras.layers.Layer):
    """Codes of embeddings of unit length: ``round(127 x)``, for uint8 128 more.

    Parameters
    ----------
    codes : str
        ``int8`` or ``uint8``.
    """

    def __init__(self, codes: str, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.codes = codes

    def call(self, inputs: Any) -> Any:
        """Return the codes."""
        return tf.cast(tf.round(inputs * float(STEPS)) + float(ZERO_POINTS[self.codes]), self.codes)

    @property
    def meaning(self) -> Codes:
        """Return what the codes stand for."""
        return Codes(1 / STEPS, ZERO_POINTS[self.codes])

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return shape and type of the codes, for Keras 3."""
        return keras.KerasTensor(inputs.shape, dtype=self.codes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "codes": self.codes}


def _reversed(x: Any, axis: int) -> Any:
    """Reverse an axis by TFLite's GATHER: REVERSE_V2 may get two scales, of which it knows none."""
    size = tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]
    return tf.gather(x, tf.range(size - 1, -1, -1), axis=axis)


def _check(source: Source, resize: Any, colour: str, l2_normalise: bool, output_dtype: str) -> None:
    if pixels_preprocessing(source.model) is not None:
        raise InputError(f"{source.name}: is wrapped already")
    if source.input_type == "uint8":
        raise InputError(f"{source.name}: takes uint8 pixels, expected a model of float32 inputs to wrap")
    if colour not in ("RGB", "BGR"):
        raise ParameterError("colour", f"expected RGB or BGR, got {colour!r}")
    is_size = (
        isinstance(resize, tuple)
        and len(resize) == 2
        and all(isinstance(n, int) and 0 < n <= LARGEST_SIZE for n in resize)
    )
    if not (resize is None or resize == "dynamic" or is_size):
        raise ParameterError(
            "resize", f"expected 'dynamic' or height and width, {LARGEST_SIZE} at most, got {resize!r}"
        )
    if output_dtype not in ("float32", *ZERO_POINTS):
        raise ParameterError("output_dtype", f"expected float32, int8 or uint8, got {output_dtype!r}")
    if output_dtype != "float32" and not l2_normalise:
        raise ParameterError(
            "output_dtype", f"{output_dtype} codes are of embeddings of unit length: l2_normalise=True"
        )

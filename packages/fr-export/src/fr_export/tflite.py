"""TFLite files on built-in operations: float32, dynamic range, float16, int8 and int16x8.

The batch is one image. Batch normalisation is folded by the converter. A file is run by LiteRT, through
fr-eval's embedder, before it takes its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_eval.errors import InputError
from fr_eval.model_files import written_with_sidecar
from numpy.typing import NDArray
from tensorflow import keras

from fr_export._equalise import equalised
from fr_export._files import checked_path, size_of
from fr_export._flatbuffer import mended
from fr_export._messages import first_line
from fr_export._quiet import quiet
from fr_export._source import Source, open_source
from fr_export.exported import Exported, comparison_images, held_back, measured, run_file
from fr_export.wrappers import STEPS, ZERO_POINTS

__all__ = ["IO_TYPES", "KINDS", "check_options", "to_tflite"]

IO_TYPES = {"float": tf.float32, "int8": tf.int8, "uint8": tf.uint8}
KINDS = ("float32", "dynamic", "float16", "int8", "int16x8")
CALIBRATED = ("int8", "int16x8")
N_EQUALISED = 64  # images that channels are equalised by
OPS = tf.lite.OpsSet
# Built-in operations stand in where there is none of 8 or 16 bits, such as PReLU of 16.
OPERATIONS = {
    "int8": [OPS.TFLITE_BUILTINS_INT8, OPS.TFLITE_BUILTINS],
    "int16x8": [OPS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, OPS.TFLITE_BUILTINS],
}
MISSING = re.compile(r"^(?:TF Select|Flex|Custom) ops: (.+)$", re.MULTILINE)


def to_tflite(
    model: Any,
    path: str | Path,
    kind: str = "float32",
    preprocessing: Preprocessing | None = None,
    representative: NDArray[np.uint8] | None = None,
    io: str = "float",
) -> Exported:
    """Write a model as ``MODEL.tflite``, and its preprocessing as ``MODEL.json`` beside it.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``; a ``.keras`` file brings its sidecar.
    path : str or Path
        Where to.
    kind : str
        ``float32``; ``dynamic``: weights of 8 bits; ``float16``: weights of 16; ``int8``: weights of 8 bits,
        channel by channel, and activations of 8; ``int16x8``: activations of 16.
    preprocessing : Preprocessing, optional
        By default the sidecar's, or the wrapper's.
    representative : ndarray of uint8, shape (N, H, W, 3), optional
        RGB images that the ranges of activations are taken from: `representative_images`. ``int8`` and
        ``int16x8`` need them; a quarter of them, 8 at most, is held back to compare both networks on.
    io : str
        Of int8 files, what goes in and out: ``float``, or codes ``int8`` or ``uint8`` whose scale and zero
        point the file tells.

    Returns
    -------
    Exported
        What LiteRT made of the file, beside the model.

    Raises
    ------
    InputError
        An unknown kind, no representative images, unknown preprocessing, a sidecar there that another model
        needs, an operation that TFLite lacks, a file that LiteRT cannot run, embeddings that are not finite
        or zero, or in float32 others than the model's.

    Examples
    --------
    >>> to_tflite("net.keras", "net.tflite", "float16").mean_cosine  # doctest: +SKIP
    0.9999995
    """
    path = checked_path(path, ".tflite")
    check_options(kind, io, has_images=representative is not None)
    source = open_source(model, preprocessing)
    if kind in CALIBRATED and source.quantise is not None:
        raise InputError(
            f"{kind}: the model gives codes already: leave output_dtype out, and take io='int8' for codes"
        )
    images = comparison_images(representative, source.preprocessing.size, "representative")
    if kind in CALIBRATED and representative is not None:
        representative, images = held_back(representative)
    with written_with_sidecar(path, source.preprocessing) as temporary:
        content = _converted(source, kind, representative, io)
        temporary.write_bytes(mended(content, *_told_scales(source)))
        received = run_file(temporary, path, source, images)
        return measured(path, kind, size_of(temporary), source, images, received, exact=kind == "float32")


def check_options(kind: str, io: str, has_images: bool) -> None:
    """Refuse a kind or type of in- and output that there is not, and calibration without images.

    Raises
    ------
    InputError
        In one line.
    """
    if kind not in KINDS:
        raise InputError(f"kind: expected {', '.join(KINDS)}, got {kind!r}")
    if io not in IO_TYPES:
        raise InputError(f"io: expected {', '.join(IO_TYPES)}, got {io!r}")
    if io != "float" and kind != "int8":
        raise InputError(f"io: {io} goes in and out of int8 files only, not of {kind}")
    if kind in CALIBRATED and not has_images:
        raise InputError(f"{kind}: needs representative images, to know the ranges of activations")


def _converted(source: Source, kind: str, representative: NDArray[np.uint8] | None, io: str) -> bytes:
    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(_of_one_image(source))
        converter.target_spec.supported_ops = OPERATIONS.get(kind, [OPS.TFLITE_BUILTINS])
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind in CALIBRATED:
            assert representative is not None
            converter.representative_dataset = lambda: _batches(source, representative)
            converter.inference_input_type = converter.inference_output_type = IO_TYPES[io]
            inputs = [batch for (batch,) in _batches(source, representative[:N_EQUALISED])]
            _equalise_before_quantising(converter, inputs)
        try:
            return bytes(converter.convert())
        except Exception as error:  # the converter's errors have no public base class
            raise InputError(f"{source.name}: {_reason(error)}") from None


def _equalise_before_quantising(converter: Any, inputs: list[NDArray[Any]]) -> None:
    """Put equalisation between the converter's two steps: the float32 file, and its quantisation."""
    quantise = converter._quantize

    def equalise_and_quantise(content: bytes, *options: Any) -> Any:
        return quantise(equalised(content, inputs), *options)

    converter._quantize = equalise_and_quantise


def _of_one_image(source: Source) -> Any:
    """Fix the batch, so that no operation computes shapes while the network runs."""
    images = keras.Input(batch_shape=(1, *source.image_shape), dtype=source.input_type, name="image")
    return keras.Model(images, source.model(images), name=source.model.name)


def _batches(source: Source, images: NDArray[np.uint8]) -> Iterator[list[NDArray[Any]]]:
    for position in range(len(images)):
        yield [source.inputs(images[position : position + 1])]


def _told_scales(source: Source) -> tuple[tuple[float, int] | None, tuple[float, int] | None]:
    """Return scale and zero point of a wrapper's integer input and output, which the converter leaves out."""
    last = source.quantise
    output = None if last is None else (1 / STEPS, ZERO_POINTS[last.codes])
    return ((1.0, 0) if source.input_type == "uint8" else None), output


def _reason(error: Exception) -> str:
    """Return the operations that TFLite lacks, or else the first line of the converter's message."""
    missing = MISSING.findall(str(error))
    if missing:
        return f"TFLite has no built-in operation for {', '.join(missing)}"
    return f"the converter says: {first_line(error)}"

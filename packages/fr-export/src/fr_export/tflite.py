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
from fr_eval.errors import InputError, ParameterError
from numpy.typing import NDArray

from fr_export._equalise import equalised
from fr_export._files import checked_path
from fr_export._flatbuffer import Scale, mended
from fr_export._float_end import head_of, tail_of, with_end, without_end
from fr_export._messages import first_line
from fr_export._quiet import quiet
from fr_export._source import Source, check_float32, open_source
from fr_export.exported import Exported, calibration_split, comparison_images, exported
from fr_export.kinds import CALIBRATED, check_options

__all__ = ["to_tflite"]

TF_TYPES = {"float": tf.float32, "int8": tf.int8, "uint8": tf.uint8}
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
    float_head: bool = False,
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
    float_head : bool
        Of int8 and int16x8 files, whether what follows the last feature map, pooling and the embedding layer,
        is computed in float32: embeddings are not quantised, and weights of these layers take 16 bits in
        place of 8.

    Returns
    -------
    Exported
        What LiteRT made of the file, beside the model.

    Raises
    ------
    InputError
        An unknown kind, no representative images, a float head where there is none, unknown preprocessing, a
        sidecar there that another model needs, an operation that TFLite lacks, a file that LiteRT cannot
        run, embeddings that are not finite or zero, or in float32 others than the model's.

    Examples
    --------
    >>> to_tflite("net.keras", "net.tflite", "float16").mean_cosine  # doctest: +SKIP
    0.9999995
    """
    path = checked_path(path, ".tflite")
    check_options(kind, io, representative is not None, float_head)
    source = open_source(model, preprocessing)
    check_float32(source)
    if kind in CALIBRATED and source.codes is not None:
        raise InputError(f"{kind}: the model gives codes already, expected one of float embeddings")
    images = comparison_images(representative, source.preprocessing.size, "representative")
    calibrated = None
    if kind in CALIBRATED and representative is not None:
        calibrated, images = calibration_split(representative)

    def write(temporary: Path) -> None:
        content = _converted(source, kind, calibrated, io, float_head)
        temporary.write_bytes(mended(content, *_scales_of_codes(source)))

    return exported(path, kind, source, images, write, kind == "float32", calibrated)


def _converted(
    source: Source, kind: str, calibrated: NDArray[np.uint8] | None, io: str, float_head: bool
) -> bytes:
    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(source.saved))
        converter.target_spec.supported_ops = OPERATIONS.get(kind, [OPS.TFLITE_BUILTINS])
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind in CALIBRATED:
            assert calibrated is not None
            converter.representative_dataset = lambda: _batches(source, calibrated)
            converter.inference_input_type = converter.inference_output_type = TF_TYPES[io]
            inputs = [batch for (batch,) in _batches(source, calibrated[:N_EQUALISED])]
            converter._quantize = _PreparedQuantisation(converter, inputs, io, float_head)
        try:
            content = bytes(converter.convert())
        except ParameterError as error:
            raise ParameterError(error.parameter, f"{source.name}: {error.reason}") from None
        except Exception as error:  # the converter's errors have no public base class
            raise InputError(f"{source.name}: {_reason(error)}") from None
    if kind in CALIBRATED and not converter._quantize.ran:
        raise InputError(
            f"{kind}: TensorFlow {tf.__version__} quantises without a call of _quantize, which fr-export "
            "prepares networks in: expected a version from 2.15 to 2.21"
        )
    return content


class _PreparedQuantisation:
    """What is ours between the converter's two steps: the float32 file, and its quantisation.

    Where embeddings are floats, no more than layers of weights is quantised: unit length in 8 bits is off by
    a tenth and more, and in 16 bits TFLite's changes the embedding's sign.
    """

    def __init__(self, converter: Any, inputs: list[NDArray[Any]], io: str, float_head: bool) -> None:
        self.ran = False
        self._quantise = getattr(converter, "_quantize", None)  # private: another version may not call it
        self._inputs = inputs
        self._io = io
        self._float_head = float_head

    def __call__(self, content: bytes, *options: Any) -> Any:
        self.ran = True
        assert self._quantise is not None
        content = equalised(content, self._inputs)
        if self._io != "float":
            return self._quantise(content, *options)
        first = head_of(content) if self._float_head else tail_of(content)
        return with_end(self._quantise(without_end(content, first), *options), content, first)


def _batches(source: Source, images: NDArray[np.uint8]) -> Iterator[list[NDArray[Any]]]:
    for position in range(len(images)):
        yield [source.inputs(images[position : position + 1])]


def _scales_of_codes(source: Source) -> tuple[Scale | None, Scale | None]:
    """Return scale and zero point of a model's integer input and output, which the converter leaves out."""
    codes = source.codes
    pixels = (1.0, 0) if source.input_type == "uint8" else None
    return pixels, None if codes is None else (codes.scale, codes.zero_point)


def _reason(error: Exception) -> str:
    """Return the operations that TFLite lacks, or else the first line of the converter's message."""
    missing = MISSING.findall(str(error))
    if missing:
        return f"TFLite has no built-in operation for {', '.join(missing)}"
    return f"the converter says: {first_line(error)}"

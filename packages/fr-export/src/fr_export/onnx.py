"""ONNX files by tf2onnx, with a free batch, run by fr-eval's embedder before they take their name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_eval.errors import InputError, MissingExtraError, ParameterError
from numpy.typing import NDArray

from fr_export._files import checked_path
from fr_export._limits import OPSETS
from fr_export._messages import first_line
from fr_export._quiet import quiet
from fr_export._source import Source, open_source
from fr_export.exported import Exported, comparison_images, exported

__all__ = ["to_onnx"]


def to_onnx(
    model: Any,
    path: str | Path,
    opset: int = 17,
    preprocessing: Preprocessing | None = None,
    images: NDArray[np.uint8] | None = None,
) -> Exported:
    """Write a model as ``MODEL.onnx``, and its preprocessing as ``MODEL.json`` beside it.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``; a ``.keras`` file brings its sidecar.
    path : str or Path
        Where to.
    opset : int
        Version of ONNX's operations, from 11 to 18.
    preprocessing : Preprocessing, optional
        By default the sidecar's, or the wrapper's.
    images : ndarray of uint8, shape (N, H, W, 3), optional
        What both networks are compared on; by default a seeded pattern.

    Returns
    -------
    Exported
        What onnxruntime made of the file, beside the model.

    Raises
    ------
    InputError
        An opset out of range, unknown preprocessing, images of another type or size, a sidecar there that
        another model needs, an operation that ONNX lacks, a file that gives other embeddings.
    MissingExtraError
        tf2onnx or onnxruntime is not installed.
    OSError
        A full disk.

    Examples
    --------
    >>> to_onnx("net.keras", "net.onnx").max_difference  # doctest: +SKIP
    4.8e-07
    """
    path = checked_path(path, ".onnx")
    if opset not in OPSETS:
        raise ParameterError("opset", f"expected {OPSETS[0]} to {OPSETS[-1]}, got {opset}")
    source = open_source(model, preprocessing)
    images = comparison_images(images, source.preprocessing.size)
    converter = _converter(source.name)
    return exported(path, "onnx", source, images, partial(_convert, converter, source, opset))


def _converter(what: str) -> Any:
    """Return tf2onnx's module, if that and the runtime of what it writes are installed."""
    missing = "tf2onnx"
    try:
        with quiet():
            import tf2onnx.convert

            missing = "onnxruntime"
            import onnxruntime  # noqa: F401
    except ImportError:
        raise MissingExtraError(missing, "fr-export[onnx]", what) from None
    return tf2onnx.convert


def _convert(converter: Any, source: Source, opset: int, temporary: Path) -> None:
    signature = [tf.TensorSpec((None, *source.image_shape), source.input_type, name="image")]

    def embed(image: Any) -> Any:
        return tf.identity(source.model(image, training=False), name="embedding")

    try:
        with quiet():
            graph, _ = converter.from_function(
                tf.function(embed, autograph=False),
                signature,
                opset=opset,
                custom_op_handlers={"Erfc": (_erfc, [])},
                output_path=str(temporary),
            )
    except OSError:  # of the disk, which may be full
        raise
    except Exception as error:  # tf2onnx lets out whatever its handlers of operations raise
        raise InputError(f"{source.name}: tf2onnx cannot convert it: {first_line(error)}") from None
    unknown = _unknown_operations(graph, opset)
    if unknown:
        raise InputError(f"{source.name}: ONNX (opset {opset}) has no operation for {', '.join(unknown)}")


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Write ``1 - erf(x)``: Keras's GELU has `Erfc`, which ONNX and tf2onnx lack."""
    from tf2onnx.utils import map_onnx_to_numpy_type

    kind = map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    one = graph.make_const(f"{name}/one", np.ones(1, kind))
    erf = graph.make_node("Erf", list(node.input))
    graph.remove_node(name)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=list(node.output), name=name)


def _unknown_operations(graph: Any, opset: int) -> list[str]:
    """Return what tf2onnx left as it was: it logs operations that it has nothing for, and writes them."""
    from onnx import defs

    types = {node.op_type for node in graph.graph.node if node.domain in ("", "ai.onnx")}
    return sorted(name for name in types if not defs.has(name, opset, ""))

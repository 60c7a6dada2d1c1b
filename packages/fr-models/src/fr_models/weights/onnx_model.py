"""A Keras model of an ONNX file's graph, for networks that are none of the registered ones."""

from __future__ import annotations

import re
from pathlib import Path

from tensorflow import keras

from fr_models._checks import existing_file
from fr_models._types import Model
from fr_models.weights._onnx_build import Builder, Value
from fr_models.weights._onnx_graph import fold_constants, read_graph
from fr_models.weights._onnx_ops import OPERATIONS


def from_onnx(path: str | Path) -> Model:
    """Build a Keras model that computes what an ONNX file does.

    Parameters
    ----------
    path : str or Path
        A network of convolutions, dense layers, batch normalisation, activations, pooling and joins, from
        images ``[B, 3, H, W]`` or ``[B, H, W, 3]``. Needs the extra ``onnx``.

    Returns
    -------
    keras.Model
        From images ``[B, H, W, 3]`` for any ``B``, preprocessed as the file's are, to its outputs, in
        inference the same numbers. Feature maps are ``[B, H, W, C]`` inside. All
        layers are Keras's own, so that its file loads where this package is not installed.

    Raises
    ------
    ValueError
        If it is no ONNX file, its input is no image of fixed size, an output is a constant, or it has an
        operation that is not known: the message names it. Padded max-pooling is known only as Keras pads.
    MissingExtraError
        If onnx is not installed.
    """
    graph = read_graph(existing_file("path", path))
    name, shape = _only_input(graph.path, graph.inputs)
    is_channels_first = shape[1] in (1, 3)
    size = (*shape[2:], shape[1]) if is_channels_first else shape[1:]
    image = keras.Input(size, name="image")
    build = Builder(graph, {name: Value(image, is_map=is_channels_first)})
    for node in graph.nodes:
        stored = [graph.constants.get(each) for each in node.inputs if each]
        if stored and all(value is not None for value in stored):
            folded = fold_constants(node, [value for value in stored if value is not None])
            if folded is not None:
                graph.constants[node.outputs[0]] = folded
                continue
        if node.op not in OPERATIONS:
            raise ValueError(f"{graph.path}: {node.name}: expected a known operation, found {node.op}")
        try:
            OPERATIONS[node.op](build, node)
        except (KeyError, NotImplementedError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{graph.path}: {node.name} ({node.op}): {reason}") from None
    for output in graph.outputs:
        if output not in build.values:
            raise ValueError(
                f"{graph.path}: {output}: expected an output that a known operation computes first"
            )
    outputs = [build.values[output].tensor for output in graph.outputs]
    if len(outputs) == 1 and len(outputs[0].shape) == 2:
        outputs = keras.layers.Activation("linear", dtype="float32", name=build.unique("embedding"))(
            outputs[0]
        )
    return keras.Model(image, outputs, name=re.sub(r"\W", "_", Path(path).stem))


def _only_input(path: str, inputs: dict[str, tuple[int | None, ...]]) -> tuple[str, tuple[int | None, ...]]:
    if len(inputs) != 1:
        raise ValueError(f"{path}: expected one input, found {', '.join(inputs) or 'none'}")
    name, shape = next(iter(inputs.items()))
    if len(shape) != 4 or None in shape[1:] or not {1, 3} & {shape[1], shape[3]}:
        raise ValueError(f"{path}: {name}: expected images of a fixed size, found {list(shape)}")
    return name, shape

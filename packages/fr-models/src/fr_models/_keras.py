"""Where Keras 2 (TensorFlow 2.15) and Keras 3 differ."""

from __future__ import annotations

from typing import Any

from keras import __version__, saving  # tf.keras has neither on every row

KERAS_3 = int(__version__.split(".")[0]) >= 3

FUSES_BATCH_NORM = not KERAS_3
ONNX = "fr-models[onnx]" if KERAS_3 else "onnx<1.18"  # later ones want types that TensorFlow 2.15 forbids

serializable = saving.register_keras_serializable(package="fr_models")
registered = saving.get_custom_objects


def graph_of(model: Any) -> Any:
    """Return the functional graph that a model or a built Sequential is, or None."""
    graph = getattr(model, "_functional", model)  # a Sequential of Keras 3 keeps one
    return graph if getattr(graph, "_nodes_by_depth", None) else None


def graph_ends(graph: Any) -> tuple[Any, Any]:
    """Return the tensors that a graph starts with and ends in, structured as the model's user sees them."""
    if KERAS_3:
        return graph._inputs_struct, graph._outputs_struct
    return graph._nested_inputs, graph._nested_outputs


def graph_calls(graph: Any) -> list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]]:
    """Return each call of a layer in a graph, inputs first: layer, arguments, keyword arguments, outputs."""
    nodes = [
        node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]
    ]
    if KERAS_3:
        return [(node.operation, node.arguments.args, node.arguments.kwargs, node.outputs) for node in nodes]
    return [(node.layer, tuple(node.call_args), node.call_kwargs, node.outputs) for node in nodes]

"""Where Keras 2 (TensorFlow 2.15) and Keras 3 differ."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import __version__, saving  # tf.keras has neither on every row

MAJOR = int(__version__.split(".")[0])
KERAS_3 = MAJOR >= 3

FUSES_BATCH_NORM = not KERAS_3
ONNX = "fr-models[onnx]" if KERAS_3 else "onnx<1.18"  # later ones want types that TensorFlow 2.15 forbids

serializable = saving.register_keras_serializable(package="fr_models")
registered = saving.get_custom_objects


def tensor_variable(weight: Any) -> Any:
    """Return the TensorFlow variable that a weight is, or that a weight of Keras 3 holds."""
    return weight.value if KERAS_3 and not isinstance(weight, tf.Variable) else weight


def own_state(model: Any) -> list[Any]:
    """Return the variables by which trainable layers remember past batches: no weights, no random seeds."""
    name = "_non_trainable_variables" if KERAS_3 else "_non_trainable_weights"
    state = [
        tensor_variable(variable)
        for layer in model._flatten_layers(include_self=False)
        if layer.trainable
        for variable in getattr(layer, name)
    ]
    distinct = {id(variable): variable for variable in state if variable.dtype.is_floating}
    return list(distinct.values())


def scales_losses(optimizer: Any) -> bool:
    """Whether an optimizer scales losses of half precision, and leaves out steps that overflow by itself."""
    return hasattr(optimizer, "inner_optimizer")


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


def own_weights(layer: Any) -> list[Any]:
    """Return the weights of a layer that are not those of layers within it."""
    if KERAS_3:
        return [*layer._trainable_variables, *layer._non_trainable_variables]
    return [*layer._trainable_weights, *layer._non_trainable_weights]


def random_states(layer: Any) -> list[Any]:
    """Return the variables from which a layer draws its random numbers, such as a dropout's."""
    if KERAS_3:
        return [generator.state for generator in layer._seed_generators]
    generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
    return [] if generator is None else [generator.state]


def draw_from_variables() -> None:
    """Let layers that are made from now on draw from variables, which Keras 3 always does.

    Otherwise those of Keras 2 draw from states within TensorFlow's kernels, which nothing can save.
    """
    if not KERAS_3:
        from tensorflow import keras

        keras.backend.experimental.enable_tf_random_generator()


def learning_rate(optimizer: Any) -> Any:
    """Return the learning rate of the last step that was taken; of the first, where there was none yet."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = getattr(optimizer, "_learning_rate", optimizer.learning_rate)  # a schedule, not its value
    if not callable(rate):
        return rate
    return rate(tf.maximum(tf.convert_to_tensor(optimizer.iterations) - 1, 0))


def first_moment(optimizer: Any, variable: Any) -> Any:
    """Return the TensorFlow variable in which Adam remembers the gradients of a weight."""
    if KERAS_3:
        return tensor_variable(optimizer._momentums[optimizer._get_variable_index(variable)])
    return optimizer._momentums[optimizer._index_dict[optimizer._var_key(variable)]]

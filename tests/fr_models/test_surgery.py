"""What every operation of surgery keeps: a new one joins by being listed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fr_models
import numpy as np
import pytest
from fr_models import surgery
from tensorflow import keras

from tests.fr_models.surgery_models import MODELS, outputs, trained


@dataclass(frozen=True)
class Operation:
    """A call of surgery, how near outputs must stay, and which models it refuses."""

    apply: Callable[[keras.Model], keras.Model]
    tolerance: float = 0.0
    refused_by: tuple[str, ...] = ()
    keeps_weights: bool = True


OPERATIONS = {
    "prelu": Operation(
        lambda m: surgery.replace_activation(m, slope=0.0), refused_by=("mobilenet",), keeps_weights=False
    ),
    "relu6": Operation(
        lambda m: surgery.replace_activation(m, "relu6", "relu6"),
        refused_by=("iresnet", "two_outputs", "nested"),
    ),
    "l2": Operation(lambda m: surgery.add_l2(m, 5e-4, to_batch_norm=True, to_bias=True)),
    "momentum": Operation(lambda m: surgery.set_batch_norm(m, momentum=0.5)),
    "add_stochastic_depth": Operation(surgery.add_stochastic_depth, refused_by=("mobilenet",)),
    "remove_stochastic_depth": Operation(surgery.remove_stochastic_depth),
    "set_dropout": Operation(lambda m: surgery.set_dropout(m, 0.4), refused_by=("nested",)),
    "remove_dropout": Operation(surgery.remove_dropout),
    "fold": Operation(surgery.fold_batch_norm, 1e-5, keeps_weights=False),
    "float32": Operation(surgery.to_float32),
    "freeze": Operation(lambda m: surgery.freeze(m, "bottleneck_only"), refused_by=("mobilenet",)),
    "unfreeze": Operation(surgery.unfreeze),
}

SAVED = ("nested", "iresnet", "mobilenet")  # the first of them that an operation does not refuse


@cache
def source(kind: str) -> tuple[keras.Model, list[np.ndarray], list[np.ndarray]]:
    """Return a model, with copies of its weights and outputs."""
    model = trained(MODELS[kind]())
    return model, [weight.copy() for weight in model.get_weights()], outputs(model)


def cases(refused: bool) -> list[Any]:
    return [
        pytest.param(kind, operation, id=f"{name}-{kind}")
        for name, operation in OPERATIONS.items()
        for kind in MODELS
        if (kind in operation.refused_by) is refused
    ]


@pytest.mark.parametrize(("kind", "operation"), cases(refused=False))
def test_keeps_outputs_and_the_source(kind: str, operation: Operation) -> None:
    model, weights, expected = source(kind)
    new = operation.apply(model)
    for before, after in zip(expected, outputs(new), strict=True):
        scale = np.abs(before).max()
        assert before.std() > 1e-4 and np.abs(after - before).max() <= operation.tolerance * scale
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    if operation.keeps_weights:
        assert sorted(map(_key, new.weights)) == sorted(map(_key, model.weights))
    assert new.output_names == model.output_names
    assert _input_names(new) == _input_names(model)
    assert not {id(layer) for layer in _layers(new)} & {id(layer) for layer in _layers(model)}
    assert not {id(weight) for weight in new.weights} & {id(weight) for weight in model.weights}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_saves_without_custom_objects(operation: Operation, tmp_path: Path) -> None:
    kind = next(kind for kind in SAVED if kind not in operation.refused_by)
    new = operation.apply(source(kind)[0])
    new.save(tmp_path / "new.keras")
    again = keras.models.load_model(tmp_path / "new.keras")
    assert again.output_names == new.output_names
    for before, after in zip(outputs(new), outputs(again), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(("kind", "operation"), cases(refused=True))
def test_refuses_in_one_line(kind: str, operation: Operation) -> None:
    with pytest.raises(ValueError, match=r"^\S+: (has no|expected) .+") as caught:
        operation.apply(source(kind)[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_refuses_models_without_a_graph(operation: Operation) -> None:
    class Own(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    for model in (Own(name="own"), keras.Sequential(name="own")):
        with pytest.raises(ValueError, match=r"^own: expected a functional model, .* got (Own|Sequential)$"):
            operation.apply(model)


def test_is_the_packages() -> None:
    assert fr_models.surgery is surgery and "surgery" in fr_models.__all__


def _key(weight: Any) -> tuple[str, bytes]:
    name = weight.name.split("/")[-1].split(":")[0]
    return name, np.asarray(weight).tobytes()


def _layers(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers())


def _input_names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.InputLayer)]


@pytest.mark.slow
@pytest.mark.parametrize("make", [keras.applications.MobileNetV2, keras.applications.ResNet50])
def test_one_after_the_other_on_large_networks(
    make: Callable[..., keras.Model], rng: np.random.Generator
) -> None:
    model = trained(make(weights=None, input_shape=(32, 32, 3), pooling="avg", include_top=False))
    pixels = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    new = surgery.add_stochastic_depth(surgery.add_l2(model, 5e-4))
    new = surgery.fold_batch_norm(surgery.remove_stochastic_depth(surgery.to_float32(new)))
    assert not surgery.batch_norm_folds(new).left
    before, after = model(pixels, training=False), new(pixels, training=False)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5 * np.abs(before).max())

"""A checkpoint holds every variable of a training, bit for bit, and is whole or not there."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_models import _keras
from fr_models.train import checkpoints
from tensorflow import keras

CLASSES, DIM = 20, 12

HEADS: dict[str, Callable[[], Any]] = {
    "fused": lambda: fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.CurricularFace()),
    "partial": lambda: fr_losses.PartialFC(CLASSES, fr_losses.AdaFace(), rate=0.9, sub_centers=2),
    "prototypes": lambda: fr_losses.FusedMarginSoftmax(
        CLASSES, fr_losses.AdaCos(CLASSES), prototypes=fr_losses.VariationalPrototypes(start=1)
    ),
}
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
}


def training(head: str = "partial", optimizer: str = "momentum", dim: int = DIM) -> Any:
    """A network with batch normalisation, dropout and a nested network, and its losses."""
    _keras.draw_from_variables()
    keras.utils.set_random_seed(4)
    layers = keras.layers
    nested = keras.Sequential([keras.Input((16,)), layers.Dropout(0.2), layers.Dense(dim)])
    backbone = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16), layers.BatchNormalization(), layers.Dropout(0.3), nested]
    )
    losses = [(fr_losses.CenterLoss(CLASSES, dim), 0.1)]
    model = fr_losses.TrainingModel(backbone, HEADS[head](), losses)
    model.compile(OPTIMIZERS[optimizer]())
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model: Any, epochs: int) -> list[float]:
    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(32, 8)).astype(np.float32), rng.integers(0, CLASSES, 32)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    return model.fit(batches, epochs=epochs, verbose=0, shuffle=False).history["loss"]


@pytest.mark.parametrize(
    ("head", "optimizer"), [("fused", "momentum"), ("partial", "adam"), ("prototypes", "momentum")]
)
def test_goes_on_to_the_bit(head: str, optimizer: str, tmp_path: Path) -> None:
    """Dropout, drawn classes, means of losses and slots go on as if nothing had happened."""
    model, path = training(head, optimizer), tmp_path / "last" / "state.npz"
    fit(model, 2)
    checkpoints.save(path, checkpoints.parts_of(model), {"rate": 0.1 + 0.2})
    expected = fit(model, 2)
    other = training(head, optimizer)
    for variable in [*other.variables, *other.optimizer.variables]:
        variable.assign(tf.ones_like(tf.convert_to_tensor(variable)))
    checkpoints.restore(path, checkpoints.parts_of(other))
    assert fit(other, 2) == expected
    for ours, theirs in zip(other.variables, model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert checkpoints.read_record(path)["rate"] == 0.1 + 0.2


def test_further_variables(tmp_path: Path) -> None:
    model, path = training(), tmp_path / "state.npz"
    counter = tf.Variable(7, dtype=tf.int64)
    checkpoints.save(path, checkpoints.parts_of(model, step=[counter]), {})
    counter.assign(0)
    checkpoints.restore(path, checkpoints.parts_of(model, step=[counter]))
    assert counter.numpy() == 7
    with pytest.raises(ValueError, match=r"state\.npz: step/0000, which the model .* does not have"):
        checkpoints.restore(path, checkpoints.parts_of(model))


def test_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, checkpoints.parts_of(training()), {})
    with np.load(path, allow_pickle=False) as arrays:
        shapes = [arrays[name].shape for name in arrays.files if "PartialFC/class_weights" in name]
    assert shapes == [(2 * CLASSES, DIM)]


def test_a_variable_that_no_layer_writes() -> None:
    """It would be missing from every checkpoint, so that it is an error before the first."""

    class Forgetful(keras.layers.Dense):
        def save_own_variables(self, store: Any) -> None:
            store["0"] = self.kernel

    backbone = keras.Sequential([keras.Input((8,)), Forgetful(DIM, name="forgetful")])
    model = fr_losses.TrainingModel(backbone, HEADS["partial"]())
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"its layers write no .*kernel.*: a run could not go on"):
        checkpoints.parts_of(model)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: training(dim=DIM + 1), r"expected float32 \(16, 13\), found float32 \(16, 12\)"),
        (lambda: training("fused"), r"no model/\d+.FusedMarginSoftmax/class_weights, which the model"),
        (lambda: training(optimizer="adam"), r"which the model of the recipe"),
    ],
)
def test_another_model(other: Callable[[], Any], message: str, tmp_path: Path) -> None:
    """One line says what does not fit, and nothing is restored."""
    path = tmp_path / "state.npz"
    checkpoints.save(path, checkpoints.parts_of(training()), {})
    model = other()
    before = [np.array(variable) for variable in model.variables]
    with pytest.raises(ValueError, match=message) as error:
        checkpoints.restore(path, checkpoints.parts_of(model))
    assert "\n" not in str(error.value)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), value)


def test_damaged_files(tmp_path: Path) -> None:
    path, parts = tmp_path / "state.npz", checkpoints.parts_of(training())
    checkpoints.save(path, parts, {})
    whole = path.read_bytes()
    for cut in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"state\.npz: damaged"):
            checkpoints.restore(path, parts)
    changed = bytearray(whole)
    changed[whole.index(b"\x93NUMPY") + 200] ^= 1  # a number of the first array
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=r"state\.npz: damaged at model/"):
        checkpoints.restore(path, parts)
    path.unlink()
    with pytest.raises(ValueError, match=r"state\.npz: no such file"):
        checkpoints.read_record(path)


def test_any_changed_byte(tmp_path: Path, rng: np.random.Generator) -> None:
    """It is named, whether in the data or in the archive's headers, or nothing that is read is different."""
    model, path = training(), tmp_path / "state.npz"
    parts = checkpoints.parts_of(model)
    checkpoints.save(path, parts, {"number": 1})
    expected = [np.array(variable) for variable in model.variables]
    whole = path.read_bytes()
    headers = whole.index(b"PK\x01\x02")
    places = [
        *rng.integers(0, headers, 100),
        *rng.integers(headers, len(whole), 200),
        *range(len(whole) - 22, len(whole)),
    ]
    refused: list[str] = []
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert checkpoints.read_record(path)["number"] == 1
            checkpoints.restore(path, parts)
        except ValueError as error:
            refused.append(str(error))
        for variable, value in zip(model.variables, expected, strict=True):
            np.testing.assert_array_equal(np.asarray(variable), value)
    assert len(refused) > len(places) // 2
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in refused)


@pytest.mark.parametrize("about", [{"format": 99, "keras": 3}, {"format": 1, "keras": 1}, None])
def test_of_another_kind(about: dict[str, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("record.json" if about else "other.json", json.dumps(about))
    with pytest.raises(ValueError, match=r"format 99, expected 1|written by Keras 1|not a checkpoint"):
        checkpoints.read_record(path)


def test_the_old_one_stays_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, parts = tmp_path / "state.npz", checkpoints.parts_of(training())
    checkpoints.save(path, parts, {"number": 1})

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save(path, parts, {"number": 2})
    monkeypatch.undo()
    assert checkpoints.read_record(path)["number"] == 1
    assert os.listdir(tmp_path) == ["state.npz"]  # noqa: PTH208
    checkpoints.save(path, parts, {"number": 3})
    assert checkpoints.read_record(path)["number"] == 3

"""Two replicas take the steps of one.

A process of its own, because devices are set up before TensorFlow starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import fr_losses  # noqa: E402
from fr_models._keras import tensor_variable  # noqa: E402
from fr_models.train.average import WeightAverage  # noqa: E402
from fr_models.train.muon import Muon  # noqa: E402
from fr_models.train.step import TrainStep  # noqa: E402
from tensorflow import keras  # noqa: E402

from tests.fr_models.train.networks import CLASSES, model, people, variables  # noqa: E402

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipped, parts": {"clip_norm": 0.05, "accumulate": 2},
    "sam, average": {"sam": 0.05, "ema": 0.5},
    "rows, clipped": {"clip_norm": 0.05},
    "muon": {},
}


def on_replicas(strategy: Any, training: Any) -> list[np.ndarray]:
    """Copies of everything that a step can change, of each replica."""
    held = [*training.weights, *variables(training.optimizer)]
    held += [variable for metric in training.metrics for variable in metric.variables]
    layers = (training.head, training.row_optimizer)
    held += [shard for layer in layers for shard in getattr(layer, "shards", ())]
    return [
        np.array(of_replica.numpy())
        for variable in held
        for of_replica in strategy.experimental_local_results(tensor_variable(variable))
    ]


def run(strategy: Any, name: str, batch_norm: bool) -> list[np.ndarray]:
    with strategy.scope():
        head, beside = None, []
        if name.startswith("rows"):
            head = fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(scale=8.0), rate=1.0)
        if name.startswith("states"):
            head = fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.AdaFace(scale=8.0))
            beside = [(fr_losses.CenterLoss(CLASSES, 8), 0.1), (fr_losses.AutoMarginTriplet(), 0.1)]
        optimizer = Muon(0.01) if name == "muon" else keras.optimizers.SGD(0.05, momentum=0.9)
        training = model(head, optimizer, batch_norm=batch_norm, embedding_losses=beside)
        settings = dict(CASES.get(name, {}))
        if ema := settings.pop("ema", None):
            settings["average"] = WeightAverage(training.backbone, ema)
        step = TrainStep(training, **settings)
    images, labels = people(16)
    poisoned = images.copy()
    poisoned[12] = np.nan  # on one replica of two
    take = tf.function(step, autograph=False)
    reports, left = [], []
    for batch in (images, poisoned, images):
        data = tf.data.Dataset.from_tensor_slices((batch, labels)).batch(16)
        before = on_replicas(strategy, training)
        report = take(next(iter(strategy.experimental_distribute_dataset(data))))
        left.append(all(map(np.array_equal, before, on_replicas(strategy, training))))
        reports.append([float(report["loss"]) if report["finite"] else 0.0, float(report["finite"])])
    assert [finite for _, finite in reports] == [1.0, 0.0, 1.0], reports
    assert left == [False, True, False], left
    assert int(step.skipped.numpy()) == 1
    assert all(np.isfinite(w.numpy()).all() for w in training.backbone.weights)
    for weight in training.backbone.trainable_weights:
        copies = strategy.experimental_local_results(tensor_variable(weight))
        assert all(np.array_equal(copies[0], copy) for copy in copies), weight.name
    averages = []
    if step.average is not None:
        kept = training.backbone.get_weights()
        with step.average.in_place():
            averages = training.backbone.get_weights()
        for before, now in zip(kept, training.backbone.get_weights(), strict=True):
            np.testing.assert_array_equal(now, before)
    metrics = [float(metric.result()) for metric in training.metrics]
    rows = np.asarray(training.head.class_weights.numpy())
    return [
        *(w.numpy() for w in training.backbone.weights),
        rows,
        *averages,
        np.array(reports),
        np.array(metrics),
    ]


def main() -> None:
    one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name in CASES:
        for first, second in zip(run(one, name, False), run(two, name, False), strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6, err_msg=name)
    for name in ("plain", "states"):  # batch normalisation is each replica's own, as AdaFace's means are
        run(two, name, True)
    print("EQUAL")


main()

"""Steps against plain Keras, the whole batch and NumPy; and what a step that is not finite leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.average import WeightAverage
from fr_models.train.muon import Muon
from fr_models.train.step import TrainStep
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, model, people, variables, weights

ROOT = Path(__file__).resolve().parents[3]


def partial() -> Any:
    return fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(scale=8.0), rate=1.0, sub_centers=2)


def equal(first: list[np.ndarray], second: list[np.ndarray], rtol: float = 0.0, atol: float = 0.0) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_is_that_of_keras(compiled: bool) -> None:
    batch = people()
    plain, ours = model(), model()
    plain.fit(*batch, batch_size=16, epochs=3, verbose=0, shuffle=False)
    step = TrainStep(ours)
    take = tf.function(step, autograph=False) if compiled else step
    for _ in range(3):
        report = take((tf.constant(batch[0]), tf.constant(batch[1])))
    assert bool(report["finite"]) and int(step.skipped) == 0
    equal(weights(plain), weights(ours), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("head", [None, partial], ids=["all classes", "rows"])
def test_parts_have_the_gradient_of_the_whole(head: Any) -> None:
    images, labels = people(24)
    order = np.random.default_rng(1).permutation(24)  # parts with other classes
    batch = tf.constant(images[order]), tf.constant(labels[order])
    after = []
    for parts in (1, 4):
        training = model(None if head is None else head(), batch_norm=False)
        step = TrainStep(training, accumulate=parts)
        reports = [step(batch) for _ in range(3)]
        after.append((weights(training), [float(report["loss"]) for report in reports]))
        state = {metric.name: float(metric.result()) for metric in training.metrics}
        after[-1][1].append(state["loss"])
    equal(*(one[0] for one in after), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(after[0][1], after[1][1], rtol=1e-5)
    with pytest.raises(ValueError, match="accumulate: expected a batch of a multiple of 4 images, got 6"):
        step((batch[0][:6], batch[1][:6]))


def test_drawn_rows_of_parts_are_added_up() -> None:
    keras.utils.set_random_seed(0)
    head = fr_losses.PartialFC(40, fr_losses.CosFace(scale=8.0), rate=0.4)
    training = model(head, keras.optimizers.SGD(0.1))
    before = np.array(head.class_weights.numpy())
    images, labels = people(16)
    TrainStep(training, accumulate=4)((tf.constant(images), tf.constant(labels)))
    changed = np.any(np.array(head.class_weights.numpy()) != before, axis=1)
    assert changed[:CLASSES].all() and CLASSES < changed.sum() < 40


BAD = {
    "image": lambda images: images * np.where(np.arange(len(images)) == 3, np.nan, 1)[:, None, None, None],
    "overflow": lambda images: np.where(images > 2.5, np.inf, images),
}


def everything(training: Any) -> list[Any]:
    """What a model holds: weights, states, slots, and metrics."""
    metrics = [variable for metric in training.metrics for variable in metric.variables]
    return [*training.weights, *variables(training.optimizer), *metrics]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"sam": 0.05}, {"clip_norm": 1.0}], ids=str)
def test_a_step_that_is_not_finite_changes_nothing(bad: str, settings: dict[str, Any]) -> None:
    images, labels = people()
    head = partial() if "accumulate" in settings else None
    center = fr_losses.CenterLoss(CLASSES, 8)
    training = model(head, keras.optimizers.Adam(0.01), embedding_losses=[(center, 0.1)])
    step = TrainStep(training, average=WeightAverage(training.backbone, 0.9), **settings)
    take = tf.function(step, reduce_retracing=True, autograph=False)
    good = tf.constant(images), tf.constant(labels)
    take(good)
    held = [*everything(training), *step.average.averages, step.average.updates]
    before = [np.array(w.numpy()) for w in held]
    poisoned = tf.constant(BAD[bad](images).astype("float32")), good[1]
    for _ in range(2):
        report = take(poisoned)
    assert not bool(report["finite"])
    equal(before, [np.array(w.numpy()) for w in held])
    assert (int(step.skipped), int(step.skipped_in_a_row)) == (2, 2)
    assert bool(take(good)["finite"])
    assert (int(step.skipped), int(step.skipped_in_a_row)) == (2, 0)
    assert all(np.isfinite(w.numpy()).all() for w in training.weights)


def fused(margin: Any, **settings: Any) -> Any:
    return fr_losses.FusedMarginSoftmax(CLASSES, margin, **settings)


STATEFUL: dict[str, Callable[[], Any]] = {
    "CurricularFace": lambda: fused(fr_losses.CurricularFace(scale=8.0)),
    "AdaFace": lambda: fused(fr_losses.AdaFace(scale=8.0)),
    "AdaCos": lambda: fused(fr_losses.AdaCos(CLASSES)),
    "ElasticFace": lambda: fused(fr_losses.ElasticFace(scale=8.0)),
    "SphereFace": lambda: fused(fr_losses.SphereFace()),
    "UniFace": lambda: fused(fr_losses.UniFace(CLASSES, scale=8.0)),
    "prototypes": lambda: fused(None, prototypes=fr_losses.VariationalPrototypes(start=0)),
    "PartialFC": lambda: fr_losses.PartialFC(CLASSES, fr_losses.AdaFace(scale=8.0), rate=0.9),
    "CenterLoss": lambda: fr_losses.CenterLoss(CLASSES, 8),
    "CosineCenterLoss": lambda: fr_losses.CosineCenterLoss(CLASSES, 8),
    "AutoMarginTriplet": lambda: fr_losses.AutoMarginTriplet(),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_states_of_losses_stay_bit_for_bit(name: str) -> None:
    """A weight that is no number spoils the loss alone: all that follows a batch has followed it by then."""
    images, labels = people()
    loss, center = STATEFUL[name](), fr_losses.CenterLoss(CLASSES, 8, name="other")
    is_beside = isinstance(loss, fr_losses.EmbeddingLoss)
    head, beside = (None, [(loss, 0.1)]) if is_beside else (loss, [(center, 0.1)])
    training = model(head, embedding_losses=beside)
    take, weights_of_samples = tf.function(TrainStep(training), autograph=False), np.ones(16, np.float32)
    good = tf.constant(images), tf.constant(labels), tf.constant(weights_of_samples)
    weights_of_samples[5] = np.nan
    take(good)
    held = everything(training)
    before = [np.array(w.numpy()) for w in held]
    assert not bool(take((*good[:2], tf.constant(weights_of_samples)))["finite"])
    equal(before, [np.array(w.numpy()) for w in held])
    assert bool(take(good)["finite"])
    layers = [training.head, *(one.state for one, _ in beside)]
    states = {id(w) for layer in layers for w in layer.weights if "class_weights" not in w.name}
    moved = [np.any(w.numpy() != old) for w, old in zip(held, before, strict=True) if id(w) in states]
    assert moved and all(moved), [w.name for w in held if id(w) in states]


def test_a_step_left_out_with_gradients_that_are_finite() -> None:
    """In half precision too, where the optimizer looks at gradients alone: their norm overflows here."""
    network = model().backbone
    training = fr_losses.TrainingModel(network, fused(None), dtype="mixed_float16", head_weight=1e25)
    training.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    step, batch = TrainStep(training), tuple(map(tf.constant, people()))
    held = [*training.weights, *variables(training.optimizer.inner_optimizer)]
    before = [np.array(w.numpy()) for w in held]
    report = step(batch)
    assert not bool(report["finite"]) and np.isfinite(float(report["loss"]))
    equal(before, [np.array(w.numpy()) for w in held])


def gradients_of(training: Any, batch: Any) -> list[np.ndarray]:
    return [g.numpy() for g in training.gradients(*batch)[1]]


def test_clipping_by_norm_and_value() -> None:
    batch = tuple(map(tf.constant, people()))
    for settings in ({"clip_norm": 0.1}, {"clip_value": 0.01}, {"clip_norm": 0.05, "clip_value": 0.01}):
        training = model(optimizer=keras.optimizers.SGD(1.0))
        gradients = gradients_of(training, batch)
        before = [np.array(w.numpy()) for w in training.trainable_variables]
        report = TrainStep(training, **settings)(batch)
        norm = np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
        assert float(report["gradient_norm"]) == pytest.approx(norm, rel=1e-5)
        if limit := settings.get("clip_value"):
            gradients = [np.clip(g, -limit, limit) for g in gradients]
        norm = np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
        factor = min(1.0, settings.get("clip_norm", np.inf) / norm)
        wanted = [w - factor * g for w, g in zip(before, gradients, strict=True)]
        assert norm > settings.get("clip_norm", 0)
        equal(wanted, [w.numpy() for w in training.trainable_variables], rtol=1e-4, atol=1e-6)


def test_sam_takes_the_gradient_uphill() -> None:
    batch, rho = tuple(map(tf.constant, people())), 0.1
    expected, ours = (model(optimizer=keras.optimizers.SGD(1.0)) for _ in range(2))
    trained = expected.trainable_variables
    before = [np.array(w.numpy()) for w in trained]
    first = gradients_of(expected, batch)
    norm = np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in first))
    for weight, start, gradient in zip(trained, before, first, strict=True):
        weight.assign(start + rho * gradient / norm)
    second = gradients_of(expected, batch)
    wanted = [w - g for w, g in zip(before, second, strict=True)]
    plain = model(optimizer=keras.optimizers.SGD(1.0))
    TrainStep(plain)(batch)
    TrainStep(ours, sam=rho)(batch)
    equal(wanted, [w.numpy() for w in ours.trainable_variables], rtol=1e-3, atol=1e-5)
    states = [[np.array(w.numpy()) for w in one.backbone.non_trainable_weights[:2]] for one in (plain, ours)]
    equal(*states, rtol=1e-6)  # statistics of the first pass alone
    with pytest.raises(ValueError, match="sam: expected a head all of whose rows Keras trains"):
        TrainStep(model(partial_drawn()), sam=rho)


def partial_drawn() -> Any:
    return fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(scale=8.0), rate=0.9)


def test_the_average_follows_and_stands_in() -> None:
    training, batch = model(), tuple(map(tf.constant, people()))
    step = TrainStep(training, average=WeightAverage(training.backbone, 0.7))
    average = [np.array(w.numpy(), np.float64) for w in training.backbone.weights]
    for number in range(30):
        step(batch)
        momentum = min(0.7, (1 + number) / (10 + number))
        average = [
            momentum * a + (1 - momentum) * w.numpy()
            for a, w in zip(average, training.backbone.weights, strict=True)
        ]
    now = training.backbone.get_weights()
    with step.average.in_place():
        equal(average, training.backbone.get_weights(), rtol=1e-4, atol=1e-6)
    equal(now, training.backbone.get_weights())


class Mixed(NamedTuple):
    """Labels of mixed images."""

    first: tf.Tensor
    second: tf.Tensor
    weight: tf.Tensor


def test_mixed_images_in_parts() -> None:
    images, labels = (tf.constant(part) for part in people(16))
    mixed = Mixed(labels, labels[::-1], tf.linspace(0.5, 1.0, 16))
    after = []
    for parts in (1, 2):
        training = model(batch_norm=False)
        tf.function(TrainStep(training, accumulate=parts), autograph=False)((images, mixed))
        after.append(weights(training))
    equal(*after, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, Muon])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(policy: str, optimizer: Any) -> None:
    training = fr_losses.TrainingModel(model().backbone, fr_losses.FusedMarginSoftmax(CLASSES), dtype=policy)
    training.compile(optimizer(0.05))
    step, (images, labels) = TrainStep(training), people()
    report = step((tf.constant(images), tf.constant(labels)))
    assert bool(report["finite"]) and float(report["gradient_norm"]) < 1e4
    images[0] = np.nan
    before = [np.array(w.numpy()) for w in training.weights]
    assert not bool(step((tf.constant(images), tf.constant(labels)))["finite"])
    equal(before, [np.array(w.numpy()) for w in training.weights])


def test_replicas_take_the_step_of_one() -> None:
    script = Path(__file__).with_name("_replicas.py")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "EQUAL"

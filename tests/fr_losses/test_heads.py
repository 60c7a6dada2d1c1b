"""Heads under `fit`: learning, metrics, saving, resuming, drawn classes and the rows they leave alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import _row_layer, heads, row_optimizer
from tensorflow import keras

CLASSES, WIDTH = 40, 16


def backbone() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((12,)), keras.layers.Dense(WIDTH, use_bias=False)])


def people(seed: int = 0, per_class: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), per_class)
    centres = np.random.default_rng(99).normal(size=(CLASSES, 12))
    order = rng.permutation(len(labels))
    return (centres[labels] + 0.3 * rng.normal(size=(len(labels), 12))).astype(np.float32)[order], labels[
        order
    ]


def trained(head: Any, epochs: int = 3, optimizer: Any = None, **settings: Any) -> tuple[Any, Any]:
    model = fr_losses.TrainingModel(backbone(), head, **settings)
    model.compile(optimizer or keras.optimizers.SGD(0.05, momentum=0.9))
    images, labels = people()
    history = model.fit(images, labels, batch_size=32, epochs=epochs, verbose=0, shuffle=False)
    return model, history.history


HEADS = {
    "fused": lambda: fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.ArcFace(scale=16.0)),
    "stateful": lambda: fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.CurricularFace(scale=16.0)),
    "norms": lambda: fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.AdaFace(scale=16.0)),
    "unified": lambda: fr_losses.FusedMarginSoftmax(
        CLASSES, fr_losses.UniFace(num_classes=CLASSES, scale=16.0)
    ),
    "sub-centres": lambda: fr_losses.FusedMarginSoftmax(
        CLASSES, fr_losses.CosFace(scale=16.0), sub_centers=2
    ),
    "prototypes": lambda: fr_losses.FusedMarginSoftmax(
        CLASSES, fr_losses.ArcFace(scale=16.0), prototypes=fr_losses.VariationalPrototypes(start=2)
    ),
    "partial": lambda: fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(scale=16.0), rate=0.8),
    "partial, sub-centres": lambda: fr_losses.PartialFC(
        CLASSES, fr_losses.ArcFace(scale=16.0), rate=0.8, sub_centers=2
    ),
}
every_head = pytest.mark.parametrize("name", HEADS)


@every_head
def test_learns(name: str) -> None:
    model, history = trained(HEADS[name](), epochs=20)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9 and history["target_cosine"][-1] > 0.5
    images, labels = people(seed=5)
    report = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert set(report) == {"loss", "accuracy", "target_cosine"} and report["accuracy"] > 0.85


@every_head
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    """As `.keras`, without custom objects; then training goes on to the same numbers."""
    images, labels = people()
    model, _ = trained(HEADS[name]())
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))
    for part in ("backbone", "head"):
        for ours, theirs in zip(getattr(model, part).weights, getattr(again, part).weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    wanted = model.fit(images, labels, batch_size=32, epochs=2, verbose=0, shuffle=False).history
    got = again.fit(images, labels, batch_size=32, epochs=2, verbose=0, shuffle=False).history
    assert got["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


@every_head
def test_checkpoint(name: str, tmp_path: Path) -> None:
    images, labels = people()
    model, _ = trained(HEADS[name]())
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "state"))
    fresh = fr_losses.TrainingModel(backbone(), HEADS[name]())
    fresh.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    fresh.fit(images[:32], labels[:32], batch_size=32, epochs=1, verbose=0)
    tf.train.Checkpoint(model=fresh).restore(path)
    wanted = model.fit(images, labels, batch_size=32, epochs=2, verbose=0, shuffle=False).history
    got = fresh.fit(images, labels, batch_size=32, epochs=2, verbose=0, shuffle=False).history
    assert got["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


def test_norm_dense_and_compile(tmp_path: Path) -> None:
    """The plain way: a layer of cosines and a Keras loss, under mixed precision too."""
    images, labels = people()
    for policy in ("float32", "mixed_bfloat16"):
        keras.mixed_precision.set_global_policy(policy)
        try:
            images_in = keras.Input((12,))
            outputs = fr_losses.NormDense(CLASSES, sub_centers=2, append_norm=True)(backbone()(images_in))
            model = keras.Model(images_in, outputs)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        assert model(images[:2]).dtype == tf.float32
        model.compile("adam", fr_losses.AdaFace(scale=16.0), metrics=["accuracy"])
        history = model.fit(images, labels, epochs=20, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]
        path = tmp_path / f"{policy}.keras"
        model.save(path)
        again = keras.models.load_model(path)
        np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))
        assert again.loss.state.values() == model.loss.state.values()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_dtype_policy_of_a_file(policy: str, tmp_path: Path) -> None:
    """It is the model's, whatever the global one is where it is loaded; so is the scale of its loss."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        model, _ = trained(HEADS["norms"](), epochs=1)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.dtype_policy.name == model.dtype_policy.name == policy
    assert type(again.optimizer) is type(model.optimizer)
    layers = [(ours.backbone.layers[-1].dtype_policy.name, ours.head.dtype) for ours in (model, again)]
    assert layers == [(policy, "float32")] * 2
    images, labels = people()
    wanted, got = (
        ours.fit(images, labels, batch_size=32, verbose=0, shuffle=False).history for ours in (model, again)
    )
    assert got["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


def test_partial_loss_is_the_softmax_of_the_drawn_classes() -> None:
    head = fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(), rate=0.5, backend="tensorflow")
    head.build((None, WIDTH))
    rng = np.random.default_rng(0)
    embeddings = tf.constant(rng.normal(size=(8, WIDTH)), tf.float32)
    labels = tf.constant(rng.integers(CLASSES, size=8), tf.int32)
    rows, places, chosen = head.select(labels, training=True)
    assert chosen.shape == (20,) and set(labels.numpy()) <= set(chosen.numpy())
    np.testing.assert_array_equal(tf.gather(chosen, places), labels)
    np.testing.assert_array_equal(rows, head.class_weights.numpy()[chosen.numpy()])
    fresh = fr_losses.PartialFC.from_config(head.get_config())
    fresh.build((None, WIDTH))
    fresh.set_weights(head.get_weights())
    fresh.steps.assign(0)
    got = fresh(embeddings, labels, training=True)
    wanted = fr_losses.fused_margin_softmax(
        embeddings, rows, places, fr_losses.ArcFace(), backend="tensorflow"
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_partial_draws_every_class_alike() -> None:
    head = fr_losses.PartialFC(CLASSES, rate=0.25)
    head.build((None, WIDTH))
    counts = np.zeros(CLASSES)
    labels = tf.constant([3, 3, 7])
    for _ in range(400):
        _, _, chosen = head.select(labels, training=True)
        assert len(set(chosen.numpy())) == 10
        counts[chosen.numpy()] += 1
    assert counts[3] == counts[7] == 400
    others = np.delete(counts, [3, 7])
    assert np.abs(others - 400 * 8 / 38).max() < 5 * np.sqrt(400 * 8 / 38)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.AdamW(0.01),
    ],
)
def test_rows_that_are_not_drawn_stay(make: Any) -> None:
    """Their momentum too, bit for bit; the others move as under the plain optimizer."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(50, 4)).astype(np.float32)
    drawn = [1, 4, 9, 20, 33, 49]
    matrix, moved = tf.Variable(start), tf.Variable(start[drawn])
    rows, plain = fr_losses.RowOptimizer(make()), make()
    for _ in range(3):
        gradient = tf.constant(rng.normal(size=(6, 4)), tf.float32)
        rows.apply(tf.IndexedSlices(gradient, tf.constant(drawn)), matrix)
        plain.apply_gradients([(gradient, moved)])
    np.testing.assert_array_equal(np.delete(matrix.numpy(), drawn, axis=0), np.delete(start, drawn, axis=0))
    np.testing.assert_allclose(matrix.numpy()[drawn], moved.numpy(), rtol=2e-6)
    for slot in rows.slots:
        assert not np.delete(slot.numpy(), drawn, axis=0).any() and slot.numpy()[drawn].all()


def test_large_matrices_are_updated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the row optimizer, to the numbers of the plain optimizer; the last part is smaller."""
    make = lambda: keras.optimizers.AdamW(0.01)  # noqa: E731
    _, wanted = trained(HEADS["fused"](), optimizer=make())
    monkeypatch.setattr(heads, "MOST_TRAINABLE_ROWS", 12)
    monkeypatch.setattr(row_optimizer, "ROWS_AT_ONCE", 12)
    model, got = trained(HEADS["fused"](), optimizer=make())
    assert len(model.row_optimizer.slots) == 2
    assert got["loss"] == pytest.approx(wanted["loss"], rel=1e-5)


@pytest.mark.parametrize("all_rows", [True, False])
def test_decay_of_rows_is_that_of_a_regularizer(all_rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras trains a small matrix, a `RowOptimizer` a large one: both decay, as MXNet's SGD does."""

    def rows() -> np.ndarray:
        if all_rows:
            head = fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.ArcFace(scale=16.0), l2=0.1)
        else:
            head = fr_losses.PartialFC(CLASSES, fr_losses.ArcFace(scale=16.0), rate=1.0, l2=0.1)
        again = type(head).from_config(head.get_config())
        return np.array(trained(again, epochs=2)[0].head.class_weights.numpy())

    wanted = rows()
    monkeypatch.setattr(heads, "MOST_TRAINABLE_ROWS", 12)
    np.testing.assert_allclose(rows(), wanted, rtol=1e-4, atol=1e-6)


def test_regularisers_are_reported() -> None:
    model = fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES, l2=2.0))
    model.compile("sgd")
    images, labels = people()
    report = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert report["regular_loss"] == pytest.approx(
        np.square(model.head.class_weights.numpy()).sum(), rel=1e-5
    )
    losses = model.head(model(images), labels).numpy()
    assert report["loss"] - report["regular_loss"] == pytest.approx(losses.mean(), rel=1e-4)


def test_decay_of_rows_that_are_drawn() -> None:
    """MXNet's rule: ``v <- m v - lr (g + wd w)``, ``w <- w + v``; others stay."""
    matrix = tf.Variable(tf.fill((3, 2), 2.0))
    rows = fr_losses.RowOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), l2=0.5)
    for _ in range(2):
        rows.apply(tf.IndexedSlices(tf.ones((1, 2)), [1]), matrix)
    first = 2.0 - 0.1 * (1 + 0.5 * 2.0)
    second = first + 0.9 * (first - 2.0) - 0.1 * (1 + 0.5 * first)
    np.testing.assert_allclose(matrix.numpy()[:, 0], [2.0, second, 2.0], rtol=1e-6)
    with pytest.raises(ValueError, match="l2: expected a number from 0 on, got -1"):
        fr_losses.RowOptimizer(keras.optimizers.SGD(0.1), l2=-1)


def test_rows_under_addons_optimizers() -> None:
    """Their weight decay is not multiplied by the learning rate."""
    addons = pytest.importorskip("tensorflow_addons").optimizers
    start = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    for make in (
        lambda: addons.SGDW(weight_decay=0.01, learning_rate=0.1, momentum=0.9),
        lambda: addons.AdamW(weight_decay=0.01, learning_rate=0.1),
    ):
        matrix, moved = tf.Variable(start), tf.Variable(start)
        rows, plain = fr_losses.RowOptimizer(make()), make()
        for step in range(3):
            gradient = tf.constant(np.random.default_rng(step).normal(size=(6, 4)), tf.float32)
            rows.apply(gradient, matrix)
            plain.apply_gradients([(gradient, moved)])
        np.testing.assert_allclose(matrix.numpy(), moved.numpy(), rtol=1e-5, atol=1e-5)


def test_sample_weights() -> None:
    """Each sample's loss is multiplied; the mean is over all samples; those of weight 0 train nothing."""
    images, labels = people()
    weights = np.resize([0.0, 1.0, 2.0], len(labels)).astype(np.float32)
    kernels = []
    for other in (images, np.where(weights[:, None] == 0, -images, images)):
        keras.utils.set_random_seed(2)
        model = fr_losses.TrainingModel(backbone(), HEADS["fused"]())
        model.compile(keras.optimizers.SGD(0.05))
        losses = model.head(model(other), labels).numpy().astype(float)
        history = model.fit(other, labels, batch_size=len(labels), sample_weight=weights, verbose=0).history
        assert history["loss"][0] == pytest.approx((weights * losses).mean(), rel=1e-5)
        kernels.append(model.backbone.get_weights()[0])
    np.testing.assert_allclose(*kernels, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("may_overwrite", [True, False])
def test_rows_under_a_gradient_of_all(may_overwrite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal to Keras's own optimizer; the gradient stays unless it may be overwritten."""
    monkeypatch.setattr(row_optimizer, "ROWS_AT_ONCE", 4)
    start = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    make = lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)  # noqa: E731
    matrix, moved = tf.Variable(start), tf.Variable(start)
    rows, plain = fr_losses.RowOptimizer(make()), make()
    for step in range(3):
        values = np.random.default_rng(step).normal(size=(10, 4)).astype(np.float32)
        gradient = tf.constant(values)
        rows.apply(
            tf.Variable(values) * 1.0 if may_overwrite else gradient, matrix, may_overwrite=may_overwrite
        )
        plain.apply_gradients([(tf.constant(values), moved)])
        np.testing.assert_array_equal(gradient, values)
    np.testing.assert_allclose(matrix.numpy(), moved.numpy(), rtol=1e-5, atol=1e-6)


def test_a_frozen_head_stays() -> None:
    head = HEADS["partial"]()
    model = fr_losses.TrainingModel(backbone(), head)
    head.trainable = False
    model.compile(keras.optimizers.SGD(0.05))
    before = head.class_weights.numpy()
    images, labels = people()
    model.fit(images, labels, batch_size=32, epochs=1, verbose=0)
    np.testing.assert_array_equal(head.class_weights.numpy(), before)


def test_row_optimizer_leaves_all_as_it_is_when_a_gradient_is_not_finite() -> None:
    matrix = tf.Variable(tf.ones((9, 2)))
    rows = fr_losses.RowOptimizer(keras.optimizers.SGD(0.1, momentum=0.9))
    rows.apply(tf.IndexedSlices(tf.constant([[1.0, np.inf]]), [2]), matrix)
    assert (matrix.numpy() == 1).all() and not rows.slots[0].numpy().any()
    with pytest.raises(
        ValueError, match="optimizer: expected SGD, Adam or AdamW for rows of a matrix, got Adagrad"
    ):
        fr_losses.RowOptimizer(keras.optimizers.Adagrad(0.1))
    with pytest.raises(ValueError, match=r"optimizer: clipnorm=1.0 is not defined for some rows of a matrix"):
        fr_losses.RowOptimizer(keras.optimizers.SGD(0.1, clipnorm=1.0))


def test_a_teachers_outputs_come_beside_labels(tmp_path: Path) -> None:
    images, labels = people()
    teacher = (
        np.random.default_rng(1).normal(size=(len(labels), backbone().output_shape[1])).astype("float32")
    )
    losses = [(fr_losses.CosineDistillation(), 2.0)]
    model = fr_losses.TrainingModel(backbone(), HEADS["fused"](), losses, head_weight=0.5)
    model.compile("sgd")
    targets = {"labels": labels, "teacher": teacher}
    got = model.batch_losses(images, targets).losses.numpy()
    embeddings = model(images)
    of_head = model.head.losses_and_sums(embeddings, labels, False)[0].numpy()
    expected = 0.5 * of_head + 2 * fr_losses.cosine_distillation(teacher, embeddings).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    model.fit(images, targets, batch_size=len(labels), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.head_weight == 0.5
    assert again.evaluate(images, targets, verbose=0) == pytest.approx(
        model.evaluate(images, targets, verbose=0), rel=1e-5
    )
    with pytest.raises(
        ValueError, match="targets: cosine_distillation is called with 'teacher', got labels alone"
    ):
        model.batch_losses(images, labels)


class MixedLabels(NamedTuple):
    """What a pipeline gives for mixed images."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray


def test_losses_of_mixed_images_are_mixed() -> None:
    images, labels = people()
    share = np.random.default_rng(0).uniform(0.5, 1, len(labels)).astype("float32")
    center = fr_losses.CenterLoss(CLASSES, backbone().output_shape[1])
    model = fr_losses.TrainingModel(backbone(), HEADS["fused"](), [(center, 0.1)])
    model.compile(keras.optimizers.SGD(0.05))
    losses = [model.batch_losses(images, of).losses.numpy() for of in (labels, labels[::-1].copy())]
    mixed = MixedLabels(labels, labels[::-1].copy(), share)
    got = model.batch_losses(images, mixed)
    np.testing.assert_allclose(got.losses, share * losses[0] + (1 - share) * losses[1], rtol=1e-4)
    assert not center.state.centers.numpy().any()
    gradients = model.gradients(images, mixed)[1]
    assert len(gradients) == len(model.trainable_variables) and all(g is not None for g in gradients)
    assert center.state.centers.numpy().any()
    rows = fr_losses.TrainingModel(backbone(), HEADS["partial"]())
    rows.compile("sgd")
    with pytest.raises(
        ValueError, match="targets: mixed labels expect a head all of whose rows Keras trains"
    ):
        rows.gradients(images, mixed)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"rate: expected a share in \(0, 1\], got 0"):
        fr_losses.PartialFC(CLASSES, rate=0)
    with pytest.raises(ValueError, match="classes: expected a whole number from 2 on, got 1"):
        fr_losses.FusedMarginSoftmax(1)
    with pytest.raises(
        ValueError, match=r"sub_centers: expected .* 1 to 214748364 for 10 classes, got 4294967296"
    ):
        fr_losses.PartialFC(10, sub_centers=2**32)
    with pytest.raises(ValueError, match=r"sub_centers: expected .* from 1 to 214748364 for 10 .*, got inf"):
        fr_losses.FusedMarginSoftmax(10, sub_centers=float("inf"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prototypes: expected one row a class, got sub_centers=2"):
        fr_losses.FusedMarginSoftmax(9, sub_centers=2, prototypes=fr_losses.VariationalPrototypes())
    images = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    model = fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES))
    with pytest.raises(ValueError, match="loss: the head gives it; further losses are embedding_losses"):
        model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match=r"backbone: expected embeddings \[B, D\] of a known D as output"):
        fr_losses.TrainingModel(images, fr_losses.FusedMarginSoftmax(9))
    twice = [(fr_losses.CenterLoss(CLASSES, WIDTH), weight) for weight in (0.1, 0.2)]
    with pytest.raises(
        ValueError, match=r"embedding_losses: expected a name of its own for each, got \['center_loss', 'cen"
    ):
        fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES), twice)
    head = fr_losses.PartialFC(CLASSES, rate=0.1)
    head.build((None, WIDTH))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="more classes in the batch than the 4 drawn of 40: raise"
    ):
        head(tf.ones((5, WIDTH)), tf.range(5), training=True)
    for wrong, message in (
        (tf.constant([CLASSES]), "labels: expected class numbers below 40"),
        (tf.constant([-1]), "labels: expected class numbers from 0 on"),
        (tf.constant([0.5]), "labels: expected whole numbers"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            head(tf.ones((1, WIDTH)), wrong, training=True)
    with pytest.raises(ValueError, match=r"labels: expected the class numbers \[B\] of a batch, got shape"):
        head(tf.ones((2, WIDTH)), tf.eye(2, CLASSES), training=True)


def test_fewer_classes_than_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other number is shared out, evenly or not: see `_replicas.py`."""
    for module in (_row_layer, heads):
        monkeypatch.setattr(module, "replicas", lambda: 4)
    with pytest.raises(ValueError, match="class_weights: expected a block of rows for each of 4 replicas"):
        fr_losses.PartialFC(3).build((None, WIDTH))


def test_a_step_that_is_not_finite_is_named() -> None:
    model, _ = trained(HEADS["fused"](), epochs=1)
    images, labels = people()
    images = images.copy()
    images[35] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        model.fit(images, labels, batch_size=32, epochs=1, verbose=0, shuffle=False)
    assert "the loss is not finite in step" in str(error.value) and "[11]" in str(error.value)


def test_rows_follow_a_schedule_of_learning_rates() -> None:
    """Step by step as the rest of the model: nothing moves once the rate is 0."""
    images, labels = people()
    head = fr_losses.PartialFC(CLASSES, rate=0.99)
    model = fr_losses.TrainingModel(backbone(), head)
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])))
    rows = [head.class_weights.numpy()]
    for _ in range(4):
        model.train_on_batch(images[:32], labels[:32])
        rows.append(head.class_weights.numpy())
    moved = [bool(np.any(after != before)) for before, after in itertools.pairwise(rows)]
    assert moved == [True, True, False, False]


def test_a_frozen_backbone() -> None:
    """The head alone learns, and steps are counted."""
    images, labels = people()
    frozen = backbone()
    frozen.trainable = False
    model = fr_losses.TrainingModel(frozen, fr_losses.PartialFC(CLASSES, rate=0.9))
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(images, labels, batch_size=32, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert history[-1] < history[0]
    assert int(tf.convert_to_tensor(model.optimizer.iterations)) == 30


def test_checkpoints_hold_the_states_of_embedding_losses(tmp_path: Path) -> None:
    images, labels = people()
    make = lambda: fr_losses.TrainingModel(  # noqa: E731
        backbone(), HEADS["fused"](), [(fr_losses.CenterLoss(CLASSES, WIDTH), 0.1)]
    )
    model, fresh = make(), make()
    for each in (model, fresh):
        each.compile("sgd")
    model.fit(images, labels, batch_size=32, epochs=1, verbose=0)
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "state"))
    tf.train.Checkpoint(model=fresh).restore(path)
    centers = [each.embedding_losses[0][0].state.centers.numpy() for each in (model, fresh)]
    assert centers[0].any()
    np.testing.assert_array_equal(*centers)


def test_weights_of_samples_that_are_not_numbers() -> None:
    images, labels = people()
    model = fr_losses.TrainingModel(backbone(), HEADS["fused"]())
    model.compile("sgd")
    with pytest.raises(tf.errors.InvalidArgumentError, match="the loss is not finite in step"):
        model.train_on_batch(images[:4], labels[:4], sample_weight=np.array([1, np.nan, 1, 1], np.float32))


def test_exported_is_the_backbone(tmp_path: Path, rng: np.random.Generator) -> None:
    """What serves is a SavedModel from images to the embeddings of `predict`."""
    model = fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES))
    model.compile("sgd")
    images = rng.normal(size=(4, *model.backbone.input_shape[1:])).astype("float32")
    model.export(str(tmp_path / "served"))
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(images), model.predict(images, verbose=0), rtol=1e-5, atol=1e-6)

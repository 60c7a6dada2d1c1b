"""Stages as they are built: what trains, by which loss and rate, and what the classes take along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import heads, vpl
from fr_models.heads import is_of_head
from fr_models.train.build import build_stage, build_step, check_stages
from fr_models.train.handover import count_sub_centers, hand_over
from fr_models.train.heads import NoHead, SoftmaxHead
from fr_models.train.network import build_backbone
from fr_models.train.recipe import Recipe
from fr_models.train.stage_losses import embedding_losses
from fr_models.train.teacher import TeacherSource
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, backbone, people
from tests.fr_models.train.teachers import save_teacher

STEPS, BATCH_CLASSES = 4, 4


def recipe(*stages: dict[str, Any], **settings: Any) -> Recipe:
    return Recipe.from_dict({"model": {"name": "r18"}, "stages": list(stages), **settings})


def stage(given: Recipe, number: int = 0, previous: Any = None, network: Any = None, **settings: Any) -> Any:
    network = backbone() if network is None else network
    return build_stage(given, number, network, CLASSES, previous, steps_per_epoch=STEPS, **settings)


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    images, labels = people()
    return tf.constant(images), tf.constant(labels)


@pytest.mark.parametrize("head", [{}, {"partial_fc": 0.9}], ids=["all classes", "rows"])
def test_rows_stay_bit_for_bit_from_softmax_to_margin_and_back(head: dict[str, Any]) -> None:
    stages = [
        {"epochs": 1, "loss": "Softmax"},
        {"epochs": 1, "loss": "ArcFace", **head},
        {"epochs": 1, "loss": "softmax"},
    ]
    given, model, kinds = recipe(*stages), None, []
    network = backbone()
    for number in range(3):
        after = None if model is None else np.array(model.head.class_weights.numpy())
        model = stage(given, number, model, network)
        if after is not None:
            np.testing.assert_array_equal(model.head.class_weights.numpy(), after)
        assert bool(build_step(given, number, model)(batch())["finite"])
        kinds.append(type(model.head))
    assert kinds == [SoftmaxHead, fr_losses.PartialFC if head else fr_losses.FusedMarginSoftmax, SoftmaxHead]


def test_softmax_is_that_of_keras() -> None:
    head = SoftmaxHead(CLASSES, label_smoothing=0.1)
    embeddings, labels = tf.random.stateless_normal((9, 8), (1, 2)), tf.range(9) % CLASSES
    head.build((None, 8))
    losses, sums = head.losses_and_sums(embeddings, labels, True)
    rows = np.asarray(head.class_weights.numpy(), np.float64)
    logits = embeddings.numpy() @ rows.T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = 0.9 * np.eye(CLASSES)[labels.numpy()] + 0.1 / CLASSES
    np.testing.assert_allclose(losses.numpy(), -(targets * np.log(shares)).sum(axis=1), rtol=1e-5)
    cosines = logits / np.linalg.norm(embeddings, axis=1)[:, None] / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(sums.target, cosines[np.arange(9), labels], rtol=1e-5)
    others = np.where(np.eye(CLASSES)[labels.numpy()] > 0, -1, cosines).max(axis=1)
    np.testing.assert_allclose(sums.largest, others, rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="class numbers below 6"):
        head.losses_and_sums(embeddings, tf.fill((9,), CLASSES), True)


def test_no_head_compares_samples_of_the_batch() -> None:
    embeddings = tf.constant([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
    losses, sums = NoHead().losses_and_sums(embeddings, tf.constant([0, 0, 1, 2]), True)
    root = np.sqrt(0.5)
    assert losses.numpy().tolist() == [0.0] * 4
    np.testing.assert_allclose(sums.target, [root, root, 0, 0], atol=1e-6)
    np.testing.assert_allclose(sums.largest, [0, root, root, 0], atol=1e-6)


def test_three_centers_become_the_dominant_one() -> None:
    given = recipe({"epochs": 1, "loss": "ArcFace", "sub_centers": 3}, {"epochs": 1, "loss": "ArcFace"})
    network, (images, labels) = backbone(), people(64)
    first = stage(given, 0, network=network)
    batches = [(images[:40], labels[:40]), (images[40:], labels[40:])]
    second = stage(given, 1, first, network, batches=lambda: batches)
    rows = np.asarray(first.head.class_weights.numpy()).reshape(CLASSES, 3, -1)
    embeddings = network.predict(images, verbose=0)
    for label in range(CLASSES):
        own = embeddings[labels == label]
        cosines = own @ (rows[label] / np.linalg.norm(rows[label], axis=1, keepdims=True)).T
        dominant = np.bincount(cosines.argmax(axis=1), minlength=3).argmax()
        np.testing.assert_array_equal(second.head.class_weights.numpy()[label], rows[label, dominant])
    assert count_sub_centers(first, batches).sum() == 64
    with pytest.raises(ValueError, match=r"stages\.1\.sub_centers: going from 3 to 1 needs images"):
        stage(given, 1, first, network)


def test_one_center_becomes_three_around_it() -> None:
    given = recipe({"epochs": 1, "loss": "ArcFace"}, {"epochs": 1, "loss": "ArcFace", "sub_centers": 3})
    first = stage(given)
    second = stage(given, 1, first, first.backbone)
    rows = np.asarray(first.head.class_weights.numpy())
    spread = np.asarray(second.head.class_weights.numpy()).reshape(CLASSES, 3, -1)
    np.testing.assert_array_equal(spread[:, 0], rows)
    lengths = np.linalg.norm(spread[:, 1:] - rows[:, None], axis=2) / np.linalg.norm(rows, axis=1)[:, None]
    np.testing.assert_allclose(lengths, 0.1, rtol=1e-3)
    with pytest.raises(ValueError, match="sub_centers: expected 1 or 3, as in the stage before, got 2"):
        hand_over(second.head, stage(recipe({"epochs": 1, "loss": "ArcFace", "sub_centers": 2})).head)
    more = fr_losses.FusedMarginSoftmax(7)
    more.build((None, 8))
    with pytest.raises(ValueError, match="classes: expected 6, as in the stage before, got 7"):
        hand_over(first.head, more)


def test_bottleneck_only_trains_the_head_of_the_backbone() -> None:
    given = recipe({"epochs": 1, "loss": "ArcFace", "bottleneckOnly": True}, {"epochs": 1, "loss": "ArcFace"})
    network = backbone()
    for number in range(2):
        model = stage(given, number, network=network)
        before = {weight.name: np.array(weight.numpy()) for weight in network.weights}
        layers = {layer.name: [np.array(w.numpy()) for w in layer.weights] for layer in network.layers}
        build_step(given, number, model)(batch())
        for layer in network.layers:
            changed = [
                np.any(w.numpy() != old) for w, old in zip(layer.weights, layers[layer.name], strict=True)
            ]
            assert all(changed) if number or is_of_head(layer.name) else not any(changed), layer.name
        assert before
    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(8)])
    with pytest.raises(ValueError, match=r"stages\.0\.bottleneck_only: .* has no head"):
        stage(given, network=plain)


def test_frozen_batch_normalisation_keeps_what_inference_uses() -> None:
    frozen = {"epochs": 1, "loss": "ArcFace", "freeze_batch_norm": True}
    given = recipe(frozen, {"epochs": 1, "freeze_batch_norm": False})
    network = backbone()
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for number in range(2):
        model = stage(given, number, network=network)
        images = tf.convert_to_tensor(batch()[0])
        alike = np.allclose(network(images, training=True), network(images, training=False), atol=1e-6)
        before = [[np.array(w.numpy()) for w in layer.weights] for layer in network.layers]
        build_step(given, number, model)(batch())
        for layer, old in zip(network.layers, before, strict=True):
            kept = all(np.array_equal(w.numpy(), o) for w, o in zip(layer.weights, old, strict=True))
            assert kept == (not layer.weights or (number == 0 and layer in norms)), layer.name
        assert norms and alike == (number == 0)


def test_losses_of_a_stage_are_added_with_their_weights() -> None:
    loss = {"name": "CosFace", "scale": 8}
    given = recipe(
        {
            "epochs": 1,
            "loss": loss,
            "lossWeight": 0.5,
            "centerloss": 0.1,
            "triplet": 2,
            "alpha": 0.4,
            "embedding_losses": [{"name": "MultiSimilarity", "weight": 0.3}],
            "distill": {"name": "distiller_loss_euclidean", "weight": 0.01},
        }
    )
    model = stage(given, teacher=TeacherSource(dim=8))
    images, labels = batch()
    teacher = tf.random.stateless_normal((16, 8), (3, 4))
    got = model.batch_losses(images, {"labels": labels, "teacher": teacher})
    embeddings = model.backbone(images, training=False)
    rows = tf.convert_to_tensor(model.head.class_weights)
    expected = 0.5 * fr_losses.fused_margin_softmax(embeddings, rows, labels, fr_losses.CosFace(scale=8.0))
    expected += 2 * fr_losses.batch_hard_triplet(embeddings, labels, margin=0.4)
    expected += 0.1 * tf.reduce_sum(embeddings**2, axis=1) / 2  # centers are 0 at first
    expected += 0.3 * fr_losses.multi_similarity(embeddings, labels)
    expected += 0.01 * tf.reduce_sum((embeddings - teacher) ** 2, axis=1)
    np.testing.assert_allclose(got.losses.numpy(), expected.numpy(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"stages\.0\.distill: needs a teacher"):
        stage(given)


def test_alpha_is_the_margin_of_triplets_that_have_none() -> None:
    """Also of `embLossTypes` and of a stage's own loss, as tripletAlpha is in the reference."""
    types = ["BatchHardTripletLoss", {"name": "triplet", "margin": 0.6}, "MultiSimilarity", "centerloss"]
    auto = "BatchHardTripletLossEuclideanAutoAlpha"
    given = recipe(
        {"epochs": 1, "loss": "ArcFace", "embLossTypes": [*types, auto], "tripletAlpha": 0.2},
        {
            "epochs": 1,
            "loss": "BatchAllTriplet",
            "tripletAlpha": 0.1,
            "triplet": {"name": "SupervisedContrastive"},
        },
    )
    beside = [loss for loss, _ in embedding_losses(given.stage(0), CLASSES, 8)]
    assert [getattr(loss, "margin", None) for loss in beside] == [0.2, 0.6, None, None, 1.0]
    main, beside_it = (loss for loss, _ in embedding_losses(given.stage(1), CLASSES, 8))
    assert main.margin == 0.1 and isinstance(beside_it, fr_losses.SupervisedContrastive)


WRONG_STAGES = {
    "loss.margn: ArcFace has no such argument": {"loss": {"name": "ArcFace", "margn": 0.5}},
    "loss.label_smoothing: expected a number in [0, 1), got 10": {
        "loss": {"name": "Softmax", "label_smoothing": 10}
    },
    "center_loss.alpha: expected a number in [0, 1], got 7": {"center_loss": {"weight": 1, "alpha": 7}},
    "prototypes: expected one row a class": {"head": {"prototypes": {}}, "sub_centers": 2},
    "sub_centers: expected a whole number from 1 to 357913941 for 6 classes, got 4294967296": {
        "sub_centers": 2**32
    },
    "partial_fc: expected 0.6667 or more, to draw the 4 classes that a batch may have of 6, got 0.5": {
        "partial_fc": 0.5
    },
    "bottleneck_only": {"bottleneck_only": True},
}


@pytest.mark.parametrize("message", WRONG_STAGES)
def test_wrong_stages_are_found_before_the_first_is_trained(message: str) -> None:
    good = {"epochs": 50, "loss": "ArcFace"}
    fine = {"epochs": 1, "center_loss": 0.1, "head": {"prototypes": {}}, "partial_fc": 0.51}
    check_stages(recipe(good, fine), backbone(), CLASSES, BATCH_CLASSES)
    given, network = recipe(good, {"epochs": 1, **WRONG_STAGES[message]}), backbone()
    if message == "bottleneck_only":
        network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(8)])
    with pytest.raises(ValueError, match=re.escape(f"stages.1.{message}")) as caught:
        check_stages(given, network, CLASSES, BATCH_CLASSES)
    assert "\n" not in str(caught.value)


FEATURES = {"form": "features", "layers": [["conv", "maps"]]}
MATCHING = {"distill": {"name": "FeatureMatching", "weight": 1.0}}
UNFIT_STAGES = {
    "distill: feature maps expect teacher.model, a .keras file, and teacher.layers": (
        MATCHING,
        {"form": "features"},
    ),
    "teacher.model: expected a .keras file, got 'nowhere.keras'": (
        MATCHING,
        {**FEATURES, "model": "nowhere.keras"},
    ),
    "teacher.layers: ": (MATCHING, {**FEATURES, "layers": [["conv", "map"]]}),
    "distill: expected FeatureMatching for feature maps, got CosineDistillation": ({"distill": 1}, FEATURES),
    "distill: cosines with classes expect embeddings beside the images, and classes all of": (
        {"distill": 1, "partial_fc": 0.9},
        {"form": "classes"},
    ),
    "distill: needs a teacher: teacher.model, or embeddings beside the images": ({"distill": 1}, None),
    "embedding_losses: expected a name of its own for each, got ['center_loss', 'center_loss']": (
        {"center_loss": 1, "embedding_losses": ["CenterLoss"]},
        None,
    ),
    "prototypes: expected one replica, each would remember its own, got 2": (
        {"head": {"prototypes": {}}},
        None,
    ),
}


@pytest.mark.parametrize("message", UNFIT_STAGES)
def test_stages_that_do_not_fit_are_found_before_the_first_is_trained(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither their teacher, nor their losses, nor the replicas."""
    one, teacher = UNFIT_STAGES[message]
    settings: dict[str, Any] = {}
    if teacher is not None:
        settings["teacher"] = {"model": str(save_teacher(tmp_path)), **teacher}
    if message.startswith(("distill: feature maps", "distill: cosines")):
        del settings["teacher"]["model"]
    if message.startswith("prototypes"):
        monkeypatch.setattr(vpl, "replicas", lambda: 2)
    given = recipe({"epochs": 50, "loss": "ArcFace"}, {"epochs": 1, **one}, **settings)
    source = TeacherSource(5, centers=np.ones((CLASSES, 5), np.float32)) if teacher else None
    with pytest.raises(ValueError, match=re.escape(f"stages.1.{message}")) as caught:
        check_stages(given, backbone(), CLASSES, BATCH_CLASSES, source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "one", "data"),
    [
        ("optimizer.sam", {"optimizer": {"name": "SGD", "sam": 0.05}}, {}),
        ("data.augmentation.mixup", {}, {"augmentation": {"mixup": 0.05}}),
    ],
)
def test_what_needs_rows_that_keras_trains(name: str, one: dict[str, Any], data: dict[str, Any]) -> None:
    """Two passes or two labels: found before anything is trained, without the memory of so many rows."""
    given = recipe({"epochs": 1, "loss": "softmax"}, {"epochs": 1, "loss": "ArcFace", **one}, data=data)
    check_stages(given, backbone(), 65_536, BATCH_CLASSES)
    many = 65_537
    with pytest.raises(
        ValueError, match=rf"^stages\.1\.loss: expected no {name} with {many} rows .* got 0.05"
    ):
        check_stages(given, backbone(), many, BATCH_CLASSES)


def test_settings_of_an_embedding_head_that_it_does_not_have() -> None:
    given = recipe({"epochs": 1, "loss": "ArcFace"}, model={"name": "r18", "head": {"kind": "GDC", "foo": 1}})
    with pytest.raises(ValueError, match=r"model\.head: expected arguments of Head: .*foo"):
        build_backbone(given)


@pytest.mark.parametrize("loss", ["BatchHardTripletLoss", "CenterLoss", "MultiSimilarity"])
def test_stages_without_classes(loss: str) -> None:
    given = recipe(
        {"epochs": 1, "loss": "ArcFace"}, {"epochs": 1, "loss": loss}, {"epochs": 1, "loss": "ArcFace"}
    )
    network, model = backbone(), None
    for number in range(3):
        model = stage(given, number, model, network)
        assert bool(build_step(given, number, model)(batch())["finite"])
    assert model.head.class_weights is not None


def test_rates_count_epochs_of_the_training_or_of_the_stage() -> None:
    given = recipe(
        {"epochs": 2, "loss": "ArcFace", "bottleneck_only": True},
        {"epochs": 3, "loss": "ArcFace"},
        {"epochs": 2, "loss": "ArcFace", "optimizer": {"name": "SGDW", "weight_decay": 0.01}},
        {"epochs": 2, "loss": "ArcFace", "learning_rate": {"schedule": "steps", "base": 0.3, "epochs": [1]}},
        learning_rate={"schedule": "steps", "base": 0.1, "epochs": [2, 4]},
    )
    rates = []
    for number in range(4):
        optimizer = stage(given, number).optimizer
        rate = optimizer.get_config()["learning_rate"]["config"]
        schedule = given.stages[number].learning_rate or given.learning_rate
        first = rate["first_epoch"]
        assert rate["steps_per_epoch"] == STEPS and rate["schedule"] == schedule.to_dict()
        rates.append(schedule.rate(np.arange(given.stages[number].epochs) + first, 1).tolist())
    np.testing.assert_allclose(rates[0] + rates[1], [0.1, 0.1, 0.1, 0.1, 0.01])
    np.testing.assert_allclose(rates[2] + rates[3], [0.01, 0.001, 0.3, 0.03])
    assert optimizer.get_config()["weight_decay"] == pytest.approx(0.01 / 0.3)  # goes on with the settings


def test_l2_of_rows_and_kernels() -> None:
    given = recipe({"epochs": 1, "loss": "ArcFace"}, model={"name": "r18", "l2": 0.1})
    model = stage(given)
    got = model.batch_losses(*batch())
    rows = np.asarray(model.head.class_weights.numpy(), np.float64)
    assert float(got.regularisers) == pytest.approx(0.05 * np.square(rows).sum(), rel=1e-5)


@pytest.mark.parametrize("head", [{}, {"partial_fc": 1.0}], ids=["all classes", "rows"])
def test_l2_of_rows_that_keras_does_not_train(head: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix too large for Keras ends where a small one does."""
    loss, optimizer = {"name": "ArcFace", "scale": 8}, {"name": "SGD", "momentum": 0.9}
    one = {"epochs": 1, "loss": loss, "optimizer": optimizer, **head}
    given = recipe(one, model={"name": "r18", "l2": 0.5}, learning_rate=0.05)

    def rows() -> np.ndarray:
        model = stage(given)
        step = build_step(given, 0, model)
        for _ in range(3):
            step(batch())
        assert (model.row_optimizer is None) == (heads.MOST_TRAINABLE_ROWS > CLASSES)
        return np.array(model.head.class_weights.numpy())

    wanted = rows()
    monkeypatch.setattr(heads, "MOST_TRAINABLE_ROWS", 2)
    np.testing.assert_allclose(rows(), wanted, rtol=1e-4, atol=1e-6)


def test_the_backbone_of_a_recipe(tmp_path: Any) -> None:
    settings = {
        "name": "mobilefacenet",
        "embedding_dim": 32,
        "head": {"kind": "E", "use_bias": True},
        "input_shape": [48, 48, 3],
        "dropout": 0.3,
        "l2": 0.1,
        "stochastic_depth": 0.8,
    }
    given = recipe({"epochs": 1, "loss": "ArcFace"}, model=settings, precision="mixed_bfloat16")
    network = build_backbone(given)
    assert network.output_shape == (None, 32) and network.input_shape == (None, 48, 48, 3)
    names = [layer.name for layer in network.layers]
    assert any(name.endswith("_survival") for name in names) and "head_dropout" in names
    assert network.get_layer("head_dense").use_bias and len(network.losses) > 10
    assert network.get_layer("head_dense").compute_dtype == "bfloat16"
    plain = keras.Model(network.inputs, network.outputs)
    plain.save(tmp_path / "one.keras")
    one = {"file": str(tmp_path / "one.keras"), "input_shape": [48, 48, 3]}
    from_file = recipe({"epochs": 1, "loss": "ArcFace"}, model=one)
    np.testing.assert_array_equal(build_backbone(from_file).get_weights()[0], network.get_weights()[0])
    assert "embedding_dim" not in from_file.to_dict()["model"], "the file's own"
    with pytest.raises(
        ValueError, match=r"embedding_dim: a network of a file has its own, expected none, got 7"
    ):
        recipe({"epochs": 1, "loss": "ArcFace"}, model={"file": "one.keras", "embedding_dim": 7})
    with pytest.raises(
        ValueError, match=r"model\.input_shape: .*one\.keras takes images of \[.*, got \[64, 64, 3\]"
    ):
        build_backbone(recipe({"epochs": 1, "loss": "ArcFace"}, model={**one, "input_shape": [64, 64, 3]}))
    for model, message in {
        ("mobilefacenot", "GDC"): r"model.*: there is no 'mobilefacenot'; did you mean mobilefacenet",
        ("r18", "X"): r"model\.head: expected one of E, F",
    }.items():
        wrong = recipe({"epochs": 1, "loss": "ArcFace"}, model={"name": model[0], "head": model[1]})
        with pytest.raises(ValueError, match=message):
            build_backbone(wrong)
    with pytest.raises(ValueError, match=r"model\.file: expected a \.keras file, got 'nowhere\.keras'"):
        build_backbone(recipe({"epochs": 1, "loss": "ArcFace"}, model={"file": "nowhere.keras"}))
    with pytest.raises(
        ValueError, match=r"stages\.0\.head\.conflict_abov: no such key, did you mean conflict_above"
    ):
        stage(recipe({"epochs": 1, "loss": "ArcFace", "head": {"conflict_abov": 0.5}}))

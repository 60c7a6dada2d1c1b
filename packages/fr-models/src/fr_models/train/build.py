"""From a recipe to what trains: the network, a stage's compiled model, its step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import fr_losses
import tensorflow as tf
from tensorflow import keras

from fr_models._settings import number as number_in
from fr_models._settings import under, with_key
from fr_models.heads import is_of_head
from fr_models.train.average import WeightAverage
from fr_models.train.handover import count_sub_centers, hand_over, needs_counts
from fr_models.train.heads import NoHead, SoftmaxHead
from fr_models.train.losses import kind_of, make_loss
from fr_models.train.optimizers import build_optimizer, exclude_vectors
from fr_models.train.recipe import Recipe
from fr_models.train.stage_losses import embedding_losses, training_model
from fr_models.train.stages import Stage
from fr_models.train.step import TrainStep
from fr_models.train.teacher import TeacherSource

__all__ = ["build_stage", "build_step", "check_stages"]

FEW_CLASSES = 2

a_share = number_in(0, 1, below=True)


def build_stage(
    recipe: Recipe,
    number: int,
    backbone: Any,
    classes: int,
    previous: Any = None,
    *,
    steps_per_epoch: int,
    teacher: TeacherSource | None = None,
    batches: Callable[[], Iterable[Any]] | None = None,
) -> fr_losses.TrainingModel:
    """Build the model that a stage trains, in the scope of the strategy that trains it.

    Parameters
    ----------
    recipe : Recipe
        The training.
    number : int
        Of the stage, from 0 on.
    backbone : keras.Model
        Which the stage trains on; which of its layers train is set by the stage.
    classes : int
        Of the images.
    previous : TrainingModel, optional
        Of the stage before, whose rows of classes are taken over (`fr_models.train.handover`). Without one
        the rows are random: for the first stage, and where a checkpoint is to be loaded.
    steps_per_epoch : int
        Batches of an epoch, for the learning rate.
    teacher : TeacherSource, optional
        `fr_models.train.teacher.teacher_of` the recipe, where the stage distils.
    batches : callable, optional
        Gives all images, to find the dominant ones of several sub-centers (`count_sub_centers`).

    Returns
    -------
    TrainingModel
        Compiled, with the slots of its optimizer.

    Raises
    ------
    ValueError
        If settings do not fit each other or the backbone; the message names the key.
    """
    stage, dim = recipe.stage(number), int(backbone.output_shape[-1])
    with under(f"stages.{number}"):
        _choose_trainable(backbone, stage)
        head = _head(recipe, stage, classes)
        head.build((None, dim))
        if previous is not None:
            counts = None
            if batches is not None and needs_counts(previous.head, head.sub_centers):
                counts = count_sub_centers(previous, batches())
            hand_over(previous.head, head, counts, recipe.seed)
        losses = embedding_losses(stage, classes, dim)
        model = training_model(recipe, stage, backbone, head, losses, teacher)
        _compile(model, recipe, number, steps_per_epoch)
    return model


def check_stages(
    recipe: Recipe, backbone: Any, classes: int, batch_classes: int, teacher: TeacherSource | None = None
) -> None:
    """Build all stages, of few classes, and leave them, so that no stage fails after those before it.

    Parameters
    ----------
    recipe, backbone, classes, teacher
        As of `build_stage`; in the scope of the strategy that trains.
    batch_classes : int
        The most that a head may meet at once.

    Raises
    ------
    ValueError
        If a stage cannot be built, or not be trained as the recipe says, or a head draws fewer classes than
        a batch may have; the message names the key.
    """
    dim = int(backbone.output_shape[-1])
    for number in range(len(recipe.stages)):
        stage = recipe.stage(number)
        with under(f"stages.{number}"):
            _choose_trainable(backbone, stage)
            head = _head(recipe, stage, classes)
            if isinstance(head, fr_losses.PartialFC):
                _expect_draws(head, batch_classes)
            if getattr(head, "prototypes", None) is not None:
                head.prototypes.build((FEW_CLASSES, dim))
            _expect_rows_of_keras(recipe, stage, head)
            losses = embedding_losses(stage, FEW_CLASSES, dim)  # rows and centres of all cost memory
            training_model(recipe, stage, backbone, _small(head, dim), losses, teacher)


def build_step(
    recipe: Recipe, number: int, model: fr_losses.TrainingModel, average: WeightAverage | None = None
) -> TrainStep:
    """Make the step of a stage by what the recipe says, and for this stage; the average is the run's."""
    return TrainStep(
        model,
        accumulate=recipe.accumulate,
        clip_norm=recipe.clip_norm,
        clip_value=recipe.clip_value,
        sam=recipe.stage(number).optimizer.sam,
        average=average,
    )


def _small(head: Any, dim: int) -> Any:
    """Return a head of few classes in place of one that is not built."""
    if isinstance(head, NoHead):
        return head
    small = SoftmaxHead(FEW_CLASSES)
    small.build((None, dim))
    small.updates_rows = head.updates_rows
    return small


def _expect_rows_of_keras(recipe: Recipe, stage: Stage, head: Any) -> None:
    """Refuse what takes two passes, or two labels, where a `RowOptimizer` updates rows of classes."""
    mixup = recipe.data.mixup
    for name, value in {"optimizer.sam": stage.optimizer.sam, "data.augmentation.mixup": mixup}.items():
        if value and head.updates_rows:
            rows = head.classes * head.sub_centers
            raise ValueError(
                f"loss: expected no {name} with {rows} rows that a RowOptimizer updates, got {value}"
            )


def _compile(model: Any, recipe: Recipe, number: int, steps_per_epoch: int) -> None:
    """Give a model the optimizer of a stage, with its slots."""
    stage = recipe.stage(number)
    schedule, first_epoch = stage.learning_rate, 0
    if schedule is None:
        schedule, first_epoch = recipe.learning_rate, recipe.first_epoch(number)
    model.compile(build_optimizer(stage.optimizer, schedule, steps_per_epoch, first_epoch))
    if getattr(stage.optimizer, "weight_decay", 0) and not stage.optimizer.decay_vectors:
        exclude_vectors(model)
    model.optimizer.build(model.trainable_variables)


def _choose_trainable(backbone: Any, stage: Stage) -> None:
    """Freeze the layers that a stage does not train; batch normalisation then keeps its statistics."""
    layers = list(backbone._flatten_layers(include_self=False))
    if stage.bottleneck_only and not any(is_of_head(layer.name) for layer in layers):
        raise ValueError(f"bottleneck_only: {backbone.name} has no head of fr_models.create")
    backbone.trainable = True
    for layer in layers:
        is_frozen = stage.freeze_batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not is_frozen and (not stage.bottleneck_only or is_of_head(layer.name))


def _head(recipe: Recipe, stage: Stage, classes: int) -> Any:
    """Make the head of a stage, whose losses are those of the classes."""
    kind = kind_of(stage.loss["name"])
    if kind == "softmax":
        return with_key("loss", lambda given: _softmax(classes, recipe.model.l2, given), stage.loss)
    if kind != "arcface":
        return NoHead()
    margin = with_key("loss", lambda given: make_loss(given, num_classes=classes), stage.loss)
    settings = dict(stage.head or {})
    if "prototypes" in settings:
        settings["prototypes"] = fr_losses.VariationalPrototypes(**settings["prototypes"])
    settings |= {"sub_centers": stage.sub_centers, "l2": recipe.model.l2}
    if stage.partial_fc is None:
        settings.pop("seed", None)
        return fr_losses.FusedMarginSoftmax(classes, margin, **settings)
    return fr_losses.PartialFC(classes, margin, rate=stage.partial_fc, **{"seed": recipe.seed, **settings})


def _expect_draws(head: fr_losses.PartialFC, batch_classes: int) -> None:
    """Expect that a head draws all classes of any batch, in the block of classes of each replica."""
    block = -(-head.classes // tf.distribute.get_strategy().num_replicas_in_sync)
    for count in (block, head.classes % block or block):
        own = min(batch_classes, count)
        if head.drawn(count) < own:
            least = math.ceil(own / count * 1e4) / 1e4
            raise ValueError(
                f"partial_fc: expected {least:g} or more, to draw the {own} classes that a batch may have "
                f"of {count}, got {head.rate:g}"
            )


def _softmax(classes: int, l2: float, given: dict[str, Any]) -> SoftmaxHead:
    settings = {key: value for key, value in given.items() if key != "name"}
    for key in settings:
        if key != "label_smoothing":
            raise ValueError(f"{key}: {given['name']} has no such argument, expected label_smoothing")
        settings[key] = with_key(key, a_share, settings[key])
    return SoftmaxHead(classes, l2=l2, **settings)

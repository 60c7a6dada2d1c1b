"""From a recipe to what trains: the backbone, a stage's compiled model, its step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fr_losses
from fr_eval.embedders import Preprocessing
from tensorflow import keras

from fr_models import surgery
from fr_models._create import create
from fr_models._keras import add_regularizer
from fr_models.heads import Head, is_of_head
from fr_models.train._settings import nearest, with_key
from fr_models.train.distill import (
    ClassDistillation,
    FeatureDistillation,
    FeatureTrainingModel,
    MappedDistillation,
    TeacherSource,
    channels_of,
)
from fr_models.train.handover import count_sub_centers, hand_over, needs_counts
from fr_models.train.heads import NoHead, SoftmaxHead
from fr_models.train.losses import class_of, kind_of, make_loss
from fr_models.train.optimizers import build_optimizer, exclude_vectors
from fr_models.train.recipe import Model, Recipe
from fr_models.train.stages import Stage
from fr_models.train.step import TrainStep

CREATED = (
    "embedding_dim",
    "input_shape",
    "dropout",
    "activation",
    "use_se",
    "use_max_pool",
    "bn_momentum",
    "bn_epsilon",
    "padding",
    "pointwise",
    "weights",
)
HEAD_SETTINGS = ("prototypes", "backend", "products", "skip_below", "conflict_above", "seed")


def build_backbone(recipe: Recipe) -> Any:
    """Build the network that a recipe trains.

    Parameters
    ----------
    recipe : Recipe
        Its ``model`` and ``precision`` are what counts.

    Returns
    -------
    keras.Model
        From images to embeddings ``[B, D]``, not compiled. Random weights follow the global seed.

    Raises
    ------
    ValueError
        If there is no such network or file; the message names the key.

    Examples
    --------
    >>> model, stages = {"name": "mobilefacenet", "embedding_dim": 128}, [{"epochs": 1, "loss": "ArcFace"}]
    >>> recipe = Recipe.from_dict({"model": model, "stages": stages})
    >>> build_backbone(recipe).output_shape
    (None, 128)
    """
    backbone = with_key("model", _created, recipe.model)
    if recipe.precision != "float32":
        backbone = surgery.to_policy(backbone, recipe.precision)
    return backbone


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
        `fr_models.train.distill.teacher_of` the recipe, where the stage distils.
    batches : callable, optional
        Gives the batches of an epoch, to find the dominant ones of several sub-centers.

    Returns
    -------
    TrainingModel
        Compiled, with the slots of its optimizer.

    Raises
    ------
    ValueError
        If settings do not fit each other or the backbone; the message names the key.
    """
    return with_key(
        f"stages[{number}]",
        lambda stage: _stage(
            recipe, number, stage, backbone, classes, previous, steps_per_epoch, teacher, batches
        ),
        recipe.stage(number),
    )


def build_step(recipe: Recipe, number: int, model: fr_losses.TrainingModel) -> TrainStep:
    """Make the step of a stage, with what the recipe says of it, and SAM as the stage says."""
    return TrainStep(
        model,
        accumulate=recipe.accumulate,
        clip_norm=recipe.clip_norm,
        clip_value=recipe.clip_value,
        sam=recipe.stage(number).optimizer.sam,
        ema=recipe.ema,
    )


def _created(settings: Model) -> Any:
    if settings.file is not None:
        network = _loaded(Path(settings.file))
        if settings.dropout:
            network = surgery.set_dropout(network, settings.dropout)
    else:
        head = with_key("head", lambda value: Head(**value), settings.head)
        network = create(settings.name, head=head, **{name: getattr(settings, name) for name in CREATED})
    if settings.stochastic_depth is not None:
        network = surgery.add_stochastic_depth(network, (1.0, settings.stochastic_depth))
    if settings.l2:
        network = surgery.add_l2(network, settings.l2, to_batch_norm=settings.l2_batch_norm)
    return network


def _loaded(path: Path) -> Any:
    if not path.is_file() or path.suffix != ".keras":
        raise ValueError(f"file: expected a .keras file, got {str(path)!r}")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"file: Keras cannot load {path}: {error}") from None


def _stage(
    recipe: Recipe,
    number: int,
    stage: Stage,
    backbone: Any,
    classes: int,
    previous: Any,
    steps_per_epoch: int,
    teacher: TeacherSource | None,
    batches: Callable[[], Iterable[Any]] | None,
) -> fr_losses.TrainingModel:
    _train_only_head(backbone, stage.bottleneck_only)
    dim = int(backbone.output_shape[-1])
    head = _head(stage, classes, recipe.seed)
    head.build((None, dim))
    if previous is not None:
        counts = None
        if batches is not None and needs_counts(previous.head, head.sub_centers):
            counts = count_sub_centers(previous, batches())
        hand_over(previous.head, head, counts, recipe.seed)
    if recipe.model.l2 and head.class_weights is not None and not head.updates_rows:
        add_regularizer(head, head.class_weights, fr_losses.l2_regularizer(recipe.model.l2))
    losses = _embedding_losses(stage, classes, dim)
    model = _training_model(recipe, stage, backbone, head, losses, teacher)
    schedule = stage.learning_rate or recipe.learning_rate
    first_epoch = 0 if stage.learning_rate else recipe.first_epoch(number)
    model.compile(build_optimizer(stage.optimizer, schedule, steps_per_epoch, first_epoch))
    if getattr(stage.optimizer, "weight_decay", 0) and not stage.optimizer.decay_vectors:
        exclude_vectors(model)
    model.optimizer.build(model.trainable_variables)
    return model


def _train_only_head(backbone: Any, only: bool) -> None:
    layers = list(backbone._flatten_layers(include_self=False))
    if only and not any(is_of_head(layer.name) for layer in layers):
        raise ValueError(f"bottleneck_only: {backbone.name} has no head of fr_models.create")
    backbone.trainable = True
    for layer in layers:
        layer.trainable = not only or is_of_head(layer.name)


def _head(stage: Stage, classes: int, seed: int) -> Any:
    """Make the head of a stage, whose losses are those of the classes."""
    kind = kind_of(stage.loss["name"])
    if kind == "softmax":
        return with_key("loss", lambda given: _softmax(classes, given), stage.loss)
    if kind != "arcface":
        return NoHead()
    margin = with_key("loss", lambda given: make_loss(given, num_classes=classes), stage.loss)
    settings = dict(stage.head or {})
    for key in settings:
        if key not in HEAD_SETTINGS:
            raise ValueError(f"head.{key}: no such key, {nearest(key, HEAD_SETTINGS)}")
    if "prototypes" in settings:
        settings["prototypes"] = fr_losses.VariationalPrototypes(**settings["prototypes"])
    settings["sub_centers"] = stage.sub_centers
    if stage.partial_fc is None:
        settings.pop("seed", None)
        return fr_losses.FusedMarginSoftmax(classes, margin, **settings)
    return fr_losses.PartialFC(classes, margin, rate=stage.partial_fc, **{"seed": seed, **settings})


def _softmax(classes: int, given: dict[str, Any]) -> SoftmaxHead:
    settings = {key: value for key, value in given.items() if key != "name"}
    for key in settings:
        if key != "label_smoothing":
            raise ValueError(f"{key}: {given['name']} has no such argument, expected label_smoothing")
    return SoftmaxHead(classes, **settings)


def _embedding_losses(stage: Stage, classes: int, dim: int) -> list[tuple[Any, float]]:
    """Losses of the embeddings beside the head's, and that of a stage without classes."""
    available = {"classes": classes, "embedding_dim": dim}
    wanted: dict[str, dict[str, Any]] = {}
    if kind_of(stage.loss["name"]) not in ("softmax", "arcface"):
        wanted["loss"] = {"weight": stage.loss_weight, **stage.loss}
    if stage.triplet is not None:
        margin = {} if class_of(stage.triplet["name"]) == "AutoMarginTriplet" else {"margin": stage.alpha}
        wanted["triplet"] = {**margin, **stage.triplet}
    wanted |= {
        key: getattr(stage, key) for key in ("center_loss", "distill") if getattr(stage, key) is not None
    }
    wanted |= {f"embedding_losses[{place}]": one for place, one in enumerate(stage.embedding_losses)}
    return [
        (with_key(key, lambda given: make_loss(given, **available), settings), settings["weight"])
        for key, settings in wanted.items()
    ]


def _training_model(
    recipe: Recipe,
    stage: Stage,
    backbone: Any,
    head: Any,
    losses: list[tuple[Any, float]],
    teacher: TeacherSource | None,
) -> fr_losses.TrainingModel:
    settings: dict[str, Any] = {"head_weight": stage.loss_weight, "dtype": recipe.precision}
    distilling = [loss for loss, _ in losses if isinstance(loss, fr_losses.DistillationLoss)]
    if not distilling:
        return fr_losses.TrainingModel(backbone, head, losses, **settings)
    form = "embedding" if recipe.teacher is None else recipe.teacher.form
    if form == "features":
        return _with_features(recipe, backbone, head, losses, settings)
    if teacher is None:
        raise ValueError("distill: needs a teacher: teacher.model, or embeddings beside the images")
    dim = int(backbone.output_shape[-1])
    adapted = [
        (_adapted(loss, form, dim, head, teacher) if loss in distilling else loss, weight)
        for loss, weight in losses
    ]
    return fr_losses.TrainingModel(backbone, head, adapted, **settings)


def _adapted(loss: Any, form: str, dim: int, head: Any, teacher: TeacherSource) -> Any:
    """Let a loss take embeddings of student and teacher as they are."""
    if form == "classes" or isinstance(loss, fr_losses.ClassCosineDistillation):
        if teacher.centers is None or head.class_weights is None or head.updates_rows:
            raise ValueError(
                "distill: cosines with classes expect embeddings beside the images, and classes all of whose "
                "rows Keras trains"
            )
        by_class = (
            loss
            if isinstance(loss, fr_losses.ClassCosineDistillation)
            else fr_losses.ClassCosineDistillation()
        )
        return ClassDistillation(by_class, head, teacher.centers)
    return loss if teacher.dim == dim else MappedDistillation(loss, dim, teacher.dim)


def _with_features(
    recipe: Recipe, backbone: Any, head: Any, losses: list[tuple[Any, float]], settings: dict[str, Any]
) -> FeatureTrainingModel:
    """Make a model that compares feature maps with those of a Keras teacher."""
    assert recipe.teacher is not None
    if recipe.teacher.model is None or not recipe.teacher.layers:
        raise ValueError("distill: feature maps expect teacher.model, a .keras file, and teacher.layers")
    path, layers = Path(recipe.teacher.model), recipe.teacher.layers
    network = with_key("teacher", _loaded, path)
    network.trainable = False
    theirs = Preprocessing.beside(path)
    height, width, _ = recipe.model.input_shape
    ours = Preprocessing((height, width), recipe.data.scale, recipe.data.offset, recipe.data.colour)
    adapted = []
    for loss, weight in losses:
        if isinstance(loss, fr_losses.DistillationLoss):
            if not isinstance(loss, fr_losses.FeatureMatching):
                raise ValueError(
                    f"distill: expected FeatureMatching for feature maps, got {type(loss).__name__}"
                )
            loss = FeatureDistillation(loss, channels_of(backbone, network, layers))
        adapted.append((loss, weight))
    between = None if ours == theirs else (ours, theirs)
    return FeatureTrainingModel(
        backbone, head, network, layers, between, embedding_losses=adapted, **settings
    )

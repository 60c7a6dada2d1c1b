"""The losses of a stage besides its head's, fitted to the teacher, and the model that they train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fr_losses
from fr_eval.embedders import Preprocessing

from fr_models._settings import with_key
from fr_models.train.embedding_distillation import ClassDistillation, MappedDistillation
from fr_models.train.feature_distillation import FeatureDistillation, FeatureTrainingModel, channels_of
from fr_models.train.losses import class_of, kind_of, make_loss
from fr_models.train.network import loaded
from fr_models.train.recipe import Recipe
from fr_models.train.stages import Stage
from fr_models.train.teacher import TeacherSource

__all__ = ["embedding_losses", "training_model"]


def embedding_losses(stage: Stage, classes: int, dim: int) -> list[tuple[Any, float]]:
    """Losses of the embeddings beside the head's, and that of a stage without classes."""

    def made(given: dict[str, Any]) -> Any:
        available: dict[str, Any] = {"classes": classes, "embedding_dim": dim}
        if kind_of(given["name"]) == "triplet" and class_of(given["name"]) != "AutoMarginTriplet":
            available["margin"] = stage.alpha
        return make_loss(given, **available)

    wanted: dict[str, dict[str, Any]] = {}
    if kind_of(stage.loss["name"]) not in ("softmax", "arcface"):
        wanted["loss"] = {"weight": stage.loss_weight, **stage.loss}
    if stage.triplet is not None:
        wanted["triplet"] = stage.triplet
    wanted |= {
        key: getattr(stage, key) for key in ("center_loss", "distill") if getattr(stage, key) is not None
    }
    wanted |= {f"embedding_losses.{place}": one for place, one in enumerate(stage.embedding_losses)}
    return [(with_key(key, made, settings), settings["weight"]) for key, settings in wanted.items()]


def training_model(
    recipe: Recipe,
    stage: Stage,
    backbone: Any,
    head: Any,
    losses: list[tuple[Any, float]],
    teacher: TeacherSource | None,
) -> fr_losses.TrainingModel:
    """Make the model that a stage trains, with losses that fit its teacher."""
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
    network = with_key("teacher.model", loaded, path)
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

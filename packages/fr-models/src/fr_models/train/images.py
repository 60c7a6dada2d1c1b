"""The images of a recipe, and the batches that a pipeline makes of them."""

from __future__ import annotations

from functools import partial

import numpy as np

from fr_models._settings import called, with_key
from fr_models.data.augmentation import Augmentation
from fr_models.data.dataset import Dataset
from fr_models.data.formats import open_dataset
from fr_models.data.pipeline import Pipeline
from fr_models.data.samplers import sampler_from_dict
from fr_models.data.selection import Selection
from fr_models.train.recipe import Data, Recipe

__all__ = ["dataset_of", "pipeline_of"]


def dataset_of(recipe: Recipe) -> Dataset:
    """Open the images of a recipe.

    Raises
    ------
    ValueError
        If the recipe names none, or they cannot be opened.
    """
    data = recipe.data
    if data.synthetic is not None:
        from fr_models.data.synthetic import SyntheticFaces

        dataset: Dataset = with_key("data.synthetic", partial(called, SyntheticFaces), data.synthetic)
    elif data.path is not None:
        dataset = open_dataset(data.path)
    else:
        raise ValueError("data.path: missing; fr-train run --data gives it, too")
    if data.least_images == 1:
        return dataset
    return with_key("data", partial(_large_classes, dataset), data.least_images)


def pipeline_of(recipe: Recipe, dataset: Dataset) -> Pipeline:
    """Make the batches of a recipe.

    Raises
    ------
    ValueError
        If the settings do not fit the images.
    """
    pipeline: Pipeline = with_key("data", partial(_pipeline, recipe, dataset), recipe.data)
    return pipeline


def _pipeline(recipe: Recipe, dataset: Dataset, data: Data) -> Pipeline:
    height, width, _ = recipe.model.input_shape
    return Pipeline(
        dataset,
        data.batch_size,
        image_size=(height, width),
        scale=data.scale,
        offset=data.offset,
        colour=data.colour,
        augmentation=Augmentation.from_dict(dict(data.augmentation or {})),
        sampler=sampler_from_dict(dict(data.sampler or {"kind": "shuffled"})),
        seed=recipe.seed,
        with_embeddings=_wants_embeddings(recipe),
        unreadable=data.on_unreadable,
    )


def _large_classes(dataset: Dataset, least_images: int) -> Dataset:
    """Select the classes with so many images or more, numbered anew."""
    large = np.bincount(dataset.labels, minlength=len(dataset.class_names)) >= least_images
    if not large.any():
        raise ValueError(f"least_images: no class has {least_images} images")
    rows = np.flatnonzero(large[dataset.labels])
    labels = (np.cumsum(large) - 1)[dataset.labels[rows]]
    names = [name for name, stays in zip(dataset.class_names, large, strict=True) if stays]
    return Selection(dataset, rows, labels, names)


def _wants_embeddings(recipe: Recipe) -> bool:
    """Whether a stage learns from embeddings that lie beside the images."""
    at_hand = recipe.teacher is None or recipe.teacher.model is None
    return at_hand and any(recipe.stage(number).distills for number in range(len(recipe.stages)))

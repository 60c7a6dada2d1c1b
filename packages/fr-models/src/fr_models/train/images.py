"""The images of a recipe, and the batches that a pipeline makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fr_models._settings import with_key
from fr_models.data.augmentation import Augmentation
from fr_models.data.dataset import Dataset
from fr_models.data.formats import open_dataset
from fr_models.data.pipeline import Pipeline
from fr_models.data.samplers import Sampler
from fr_models.data.selection import Selection
from fr_models.train.recipe import Data, Recipe

__all__ = ["dataset_of", "pipeline_of", "plain_batches"]


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

        dataset: Dataset = SyntheticFaces(**data.synthetic.to_dict())
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
    if (loss := _loss_of_embeddings(recipe)) is not None:
        if dataset.embeddings is None:
            raise ValueError(
                f"{loss}: expected embeddings beside the images, as fr-data distill writes them, "
                "or a teacher.model; got neither"
            )
        if recipe.data.mixup:
            raise ValueError(f"data.augmentation.mixup: expected 0, as {loss} knows none of mixed images")
    make = partial(
        _pipeline,
        recipe,
        dataset,
        augmentation=recipe.data.augmentation,
        sampler=recipe.data.sampler,
        seed=recipe.seed,
        with_embeddings=loss is not None,
    )
    pipeline: Pipeline = with_key("data", make, recipe.data)
    return pipeline


def plain_batches(recipe: Recipe, dataset: Dataset) -> Iterator[tuple[Any, Any]]:
    """Give images and labels in the order of the dataset, each once and as it is."""
    unchanged = Augmentation(horizontal_flip=0.0)
    pipeline = _pipeline(recipe, dataset, recipe.data, augmentation=unchanged, sampler=_InOrder())
    left = len(dataset)
    for images, labels in pipeline.batches(0):
        yield images[:left], labels[:left]
        left -= pipeline.batch_size


@dataclass(frozen=True)
class _InOrder(Sampler):
    """All images in the order of the dataset; the first ones fill up the last batch."""

    kind: ClassVar[str] = "in_order"

    def steps(self, labels: NDArray[np.int64], batch_size: int) -> int:
        return -(-len(labels) // batch_size)

    def order(self, labels: NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
        return np.resize(np.arange(len(labels)), self.steps(labels, batch_size) * batch_size)


def _pipeline(recipe: Recipe, dataset: Dataset, data: Data, **settings: Any) -> Pipeline:
    """Make a pipeline of what a recipe says of images, and of settings of what is done with them."""
    height, width, _ = recipe.model.input_shape
    return Pipeline(
        dataset,
        data.batch_size,
        image_size=(height, width),
        scale=data.scale,
        offset=data.offset,
        colour=data.colour,
        unreadable=data.on_unreadable,
        **settings,
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


def _loss_of_embeddings(recipe: Recipe) -> str | None:
    """Return the key of the first loss that learns from embeddings beside the images, if one does."""
    if recipe.teacher is not None and recipe.teacher.model is not None:
        return None
    for number in range(len(recipe.stages)):
        if (key := recipe.stage(number).distilling_key) is not None:
            return f"stages.{number}.{key}"
    return None

"""A run before it trains: its folder, images, evaluations and teacher, opened and compared with each other.

What does not go together is found here, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tensorflow import keras

from fr_models._settings import a_mapping, with_key
from fr_models.data._digest import Progress
from fr_models.data.dataset import Dataset
from fr_models.train import checkpoints
from fr_models.train._device_errors import located
from fr_models.train.best import Best
from fr_models.train.build import check_stages
from fr_models.train.distribution import batches_of, is_chief, strategy_of
from fr_models.train.evaluation_sets import evaluations_of
from fr_models.train.images import dataset_of, pipeline_of
from fr_models.train.network import build_backbone
from fr_models.train.recipe import Recipe
from fr_models.train.run_folder import RunFolder, data_record, digest_record, with_absolute_paths
from fr_models.train.state import State
from fr_models.train.teacher import teacher_of

__all__ = ["OpenedRun"]


class OpenedRun:
    """What a recipe names, and the folder of its run.

    Parameters
    ----------
    recipe : Recipe
        What is to be done.
    run_folder : str or Path
        Where everything is written.
    dataset : Dataset, optional
        The images, by default those that the recipe names.

    Attributes
    ----------
    strategy : tf.distribute.Strategy
        Who trains.
    is_chief : bool
        Whether this process is the one that writes.
    data : dict
        What tells the images from others, in each checkpoint.

    Raises
    ------
    ValueError
        If files are not there, or do not go together; the message begins with the key.
    """

    def __init__(self, recipe: Recipe, run_folder: str | Path, dataset: Dataset | None = None) -> None:
        self.recipe = recipe
        self.folder = RunFolder(run_folder)
        self.strategy = strategy_of(recipe.distribution)
        self.is_chief = is_chief(self.strategy)
        self.evaluations = evaluations_of(recipe)
        self.dataset = dataset if dataset is not None else dataset_of(recipe)
        self.pipeline = pipeline_of(recipe, self.dataset)
        if self.is_chief:
            for evaluation in self.evaluations:
                evaluation.check()
        self.teacher = teacher_of(recipe, self.dataset)
        self.best = Best(recipe.evaluate, self.evaluations, self.folder.path)
        self.data = data_record(self.dataset)

    @property
    def classes(self) -> int:
        """Count the people in the images."""
        return len(self.dataset.class_names)

    def held(self) -> AbstractContextManager[None]:
        """Keep the folder to this process, if it is the one that writes."""
        return self.folder.held() if self.is_chief else nullcontext()

    def begin(self, progress: Progress | None = None) -> None:
        """Write the recipe and what it runs on to a new folder; all images are read.

        Raises
        ------
        ValueError
            If the folder holds a run already.
        """
        if self.is_chief:
            skips = self.recipe.data.on_unreadable == "skip"
            data = self.data | digest_record(self.dataset, skips, progress)
            self.folder.begin(with_absolute_paths(self.recipe), data)

    def last_checkpoint(self, progress: Progress | None = None) -> tuple[Path | None, State]:
        """Find the last checkpoint, and where it is in the run; None and the start if there was none yet.

        The process that writes reads all images before, to know them again.

        Raises
        ------
        ValueError
            If it is lost, damaged, or of other images.
        """
        if self.is_chief:
            self.folder.expect_images(self.dataset, progress)
        checkpoint = self.folder.state
        if not checkpoint.exists():
            self.folder.expect_no_epochs()
            return None, State()
        record = checkpoints.read_record(checkpoint)
        try:
            known = with_key("data", a_mapping, record.get("data"))
            state = State.from_record(record.get("state"))
        except ValueError as error:
            raise ValueError(f"{checkpoint}: {error}") from None
        if known != self.data:
            raise ValueError(f"{checkpoint}: trained on other images: {known}, these are {self.data}")
        self._expect_place(state)
        return checkpoint, state

    def _expect_place(self, state: State) -> None:
        """Expect where a checkpoint is to be a place of the recipe, which may have been edited since."""
        stages, steps = len(self.recipe.stages), self.pipeline.steps_per_epoch
        for what, place, most in (("stage", state.stage + 1, stages), ("step", state.step, steps)):
            if place > most:
                raise ValueError(
                    f"{self.folder.state}: at {what} {place}, but {self.folder.recipe} has {most} of them"
                )

    def _batch_classes(self) -> int:
        """Count the classes that a head may meet at once: those of a batch, or of a part of one."""
        size = self.pipeline.batch_size // self.recipe.accumulate
        return self.pipeline.sampler.most_classes(self.dataset.labels, size)

    def batches(self, state: State) -> Iterator[Any]:
        """Give the batches that remain of an epoch; an unreadable image is an error that names it."""
        teacher = self.teacher if self.recipe.stage(state.stage).distills else None
        batches = iter(batches_of(self.pipeline, self.strategy, state.epoch_of_run, state.step, teacher))
        for _ in range(state.step, self.pipeline.steps_per_epoch):
            try:
                with located("data"):
                    batch = next(batches)
            except ValueError as error:
                if self.recipe.data.on_unreadable == "skip":
                    raise
                raise ValueError(
                    f"{error}; fr-data check names all images that cannot be read, and fr-train resume goes"
                    " on without those that could not when the run began,"
                    f" once {self.folder.recipe} says data.on_unreadable: skip"
                ) from error
            yield batch

    def backbone(self) -> Any:
        """Build the network of the start, and find what is wrong with any stage of the recipe."""
        keras.utils.set_random_seed(self.recipe.seed)
        with self.strategy.scope(), located("model"):
            backbone = build_backbone(self.recipe)
            check_stages(self.recipe, backbone, self.classes, self._batch_classes(), self.teacher)
        return backbone

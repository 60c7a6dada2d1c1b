"""The loop: stages, epochs, steps; evaluations and checkpoints between them.

A checkpoint is written at the end of each epoch, within epochs where the recipe says so, and before the
evaluation that ends an epoch, so that a run that dies in it has nothing else to do again. Within epochs it
comes before the evaluation of the same step, which a run that goes on from it does first. All that follows
from a checkpoint is the same whether the run was killed or not: batches, random numbers, schedules and
metrics depend on where the run is and on nothing else. On one device with deterministic operations the
numbers are the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras
from fr_models.data.dataset import Dataset
from fr_models.data.input_clock import InputClock
from fr_models.train import checkpoints
from fr_models.train._device_errors import located
from fr_models.train.average import WeightAverage
from fr_models.train.callbacks import Callback, TensorBoard, told, trackers_of
from fr_models.train.distribution import workers
from fr_models.train.history import History
from fr_models.train.images import plain_batches
from fr_models.train.interrupts import Interrupts
from fr_models.train.nonfinite import NonFiniteSteps
from fr_models.train.opened_run import OpenedRun
from fr_models.train.progress import Display, epoch_line
from fr_models.train.recipe import Recipe
from fr_models.train.run_evaluation import RunEvaluation
from fr_models.train.run_folder import RunFolder
from fr_models.train.stage_run import StageRun
from fr_models.train.state import State
from fr_models.train.unreadable import UnreadableImages

__all__ = ["Trainer"]


class Trainer:
    """Trains a recipe in a run folder.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    run_folder : str or Path
        Where everything is written (`fr_models.train.run_folder`).
    callbacks : sequence of Callback
        Told of figures, besides TensorBoard and the recipe's trackers.
    dataset : Dataset, optional
        The images, by default those that the recipe names.

    Raises
    ------
    ValueError
        If the recipe's files are not there, or do not go together; the message begins with the key.

    Examples
    --------
    >>> history = Trainer(Recipe.load("recipe.yaml"), "runs/first").run()  # doctest: +SKIP
    >>> history = Trainer.resume("runs/first")  # doctest: +SKIP
    """

    def __init__(
        self,
        recipe: Recipe,
        run_folder: str | Path,
        callbacks: Sequence[Callback] = (),
        dataset: Dataset | None = None,
    ) -> None:
        if recipe.deterministic:
            tf.config.experimental.enable_op_determinism()
        _keras.draw_from_variables()
        self.opened = OpenedRun(recipe, run_folder, dataset)
        self.recipe, self.folder = recipe, self.opened.folder
        self.strategy, self.is_chief = self.opened.strategy, self.opened.is_chief
        self.dataset, self.pipeline = self.opened.dataset, self.opened.pipeline
        self.display = Display(quiet=not self.is_chief)
        self.callbacks: list[Callback] = []
        if self.is_chief:
            self.callbacks = [TensorBoard(), *trackers_of(recipe.trackers), *callbacks]
        self.state = State()
        self._unreadable = UnreadableImages(self.display.say)
        self._nonfinite = NonFiniteSteps(recipe, self.display.say)

    def run(self) -> History:
        """Train from the start.

        Returns
        -------
        History
            A row an epoch.

        Raises
        ------
        ValueError
            If the run folder holds a run already or is not apart from the images, another process trains in
            it, or a stage of the recipe is not as expected.
        """
        if self.is_chief:
            self.folder.expect_new()
            self.folder.expect_apart(self.dataset)
        backbone = self.opened.backbone()
        with self.opened.held():
            with self.display.work("read images") as progress:
                self.opened.begin(progress)
            return self._train(backbone, checkpoint=None)

    @classmethod
    def resume(
        cls,
        run_folder: str | Path,
        callbacks: Sequence[Callback] = (),
        dataset: Dataset | None = None,
        data: str | Path | None = None,
    ) -> History:
        """Go on with a run from its last checkpoint, or from the start if it was killed before the first.

        Parameters
        ----------
        run_folder, callbacks, dataset
            As of `Trainer`; the recipe is the folder's.
        data : str or Path, optional
            Where the images are now, if they have moved; ``recipe.yaml`` stays as it is.

        Returns
        -------
        History
            That of the whole run.

        Raises
        ------
        ValueError
            If the folder holds no run, another process trains in it, the checkpoint is lost or does not fit,
            the recipe has been edited, or the images are others.
        """
        trainer = cls(RunFolder(run_folder).read_recipe(data), run_folder, callbacks, dataset)
        with trainer.opened.held():
            with trainer.display.work("read images") as progress:
                checkpoint, trainer.state = trainer.opened.last_checkpoint(progress)
            return trainer._train(trainer.opened.backbone(), checkpoint)

    def _train(self, backbone: Any, checkpoint: Path | None) -> History:
        self._evaluation = RunEvaluation(self.opened, backbone, self.display)
        with self.strategy.scope():
            self.average = None if self.recipe.ema is None else WeightAverage(backbone, self.recipe.ema)
        if self.is_chief:
            self._evaluation.settle_best(self.state)
            self.state.history.write(self.folder.path)
        if self.state.epoch_of_run >= self.recipe.epochs:
            return self.state.history
        with told(self.callbacks, self.folder.path, self.recipe.to_dict()):
            try:
                with Interrupts(heed=workers(self.strategy) == 1) as self._interrupts:
                    self._stages(backbone, checkpoint)
            finally:
                self.display.end()
        return self.state.history

    def _stages(self, backbone: Any, checkpoint: Path | None) -> None:
        state, previous = self.state, None
        while True:
            keras.utils.set_random_seed(self.recipe.seed + state.stage + 1)
            with located(f"stages.{state.stage}"):
                run = StageRun(
                    self.recipe,
                    state.stage,
                    backbone,
                    self.opened.classes,
                    self.pipeline,
                    self.strategy,
                    self.opened.teacher,
                    previous,
                    self.average,
                    self._images_of_sub_centers,
                )
                if checkpoint is not None:
                    checkpoints.restore(checkpoint, run.parts)
                    checkpoint = None
            while state.epoch < self.recipe.stages[state.stage].epochs:
                self._epoch(run)
            if state.stage == len(self.recipe.stages) - 1:
                return
            previous = run.model
            state.end_stage()

    def _images_of_sub_centers(self) -> Iterator[Any]:
        """Give all images, plain, where it is counted which of several centers each is nearest to."""
        self.display.begin("dominant sub-centers", 0, len(self.dataset))
        for number, batch in enumerate(plain_batches(self.recipe, self.dataset), 1):
            yield batch
            self.display.advance(number * self.recipe.data.batch_size, dict)
            self._interrupts.heed()

    def _epoch(self, run: StageRun) -> None:
        """Train to the end of the epoch from wherever it is."""
        state, clock = self.state, InputClock()
        clock.reset(state.waiting, state.computing)
        if state.step < self.pipeline.steps_per_epoch:
            self._steps(run, clock)
            self._nonfinite.look()
            if self.opened.evaluations:
                self._save(run, clock)
                self._interrupts.heed()
        self._end_epoch(run, clock)

    def _steps(self, run: StageRun, clock: InputClock) -> None:
        state, total = self.state, self.pipeline.steps_per_epoch
        if state.step == 0:
            run.begin_epoch()
        elif self._evaluation.is_due(state):  # the run was stopped before it
            self._evaluate_within(run)
        self._show_epoch()
        for batch in clock.batches(self.opened.batches(state)):
            where = f"epoch {state.epoch_of_run + 1}, step {state.step + 1}"
            with located(where):
                report = run.step(batch)
            self._nonfinite.after(where, report)
            state.step += 1
            # Of several workers, none can ask for figures, which all sum up together, at a moment of its own.
            self.display.advance(state.step, run.figures if workers(self.strategy) == 1 else dict)
            if state.step < total:
                self._between_steps(run, clock)

    def _between_steps(self, run: StageRun, clock: InputClock) -> None:
        """Do within an epoch what the recipe wants after this many steps of the run."""
        stops, measures = self._interrupts.wanted, self._evaluation.is_due(self.state)
        saves = stops or _is_due(self._done, self.recipe.checkpoint_every)
        if not (saves or measures):
            return
        self._nonfinite.look()
        with clock.paused():
            if saves:
                self._save(run, clock)
            if stops:
                raise KeyboardInterrupt
            if measures:
                self._evaluate_within(run)
                self._show_epoch()

    def _evaluate_within(self, run: StageRun) -> None:
        self._tell(self._done, self._evaluation.within_epoch(run, self.state))

    @property
    def _done(self) -> int:
        """Count the steps of the run."""
        return self.state.step_of_run(self.pipeline.steps_per_epoch)

    def _show_epoch(self) -> None:
        what = f"epoch {self.state.epoch_of_run + 1} of {self.recipe.epochs}"
        self.display.begin(what, self.state.step, self.pipeline.steps_per_epoch)

    def _end_epoch(self, run: StageRun, clock: InputClock) -> None:
        state = self.state
        done = self._done
        row = {"epoch": state.epoch_of_run + 1, "stage": state.stage + 1, **self._of_training(run)}
        row |= {"input_bound": round(clock.share, 4), "seconds": round(clock.waiting + clock.computing, 1)}
        row |= self._evaluation.of_epoch(run, state, row)
        self._unreadable.look(self.pipeline.unreadable_images)
        state.history.add(row)
        state.end_epoch()
        self._tell(done, row)
        self._save(run)
        if self.is_chief:
            state.history.write(self.folder.path)
        self.display.say(epoch_line(row))
        self._interrupts.heed()

    def _of_training(self, run: StageRun) -> dict[str, float]:
        """Return the figures of an epoch's steps; where none was finite they are nan, and it says so."""
        figures = {**run.figures(), **run.state_figures()}
        rows = [row for row in self.state.history.rows if row["stage"] == self.state.stage + 1]
        skipped = figures["skipped_steps"] - sum(row["skipped_steps"] for row in rows)
        if skipped == self.pipeline.steps_per_epoch:
            self.display.say(f"epoch {self.state.epoch_of_run + 1}: none of its {skipped} steps was finite")
            figures["learning_rate"] = math.nan
        return {**figures, "skipped_steps": skipped}

    def _save(self, run: StageRun, clock: InputClock | None = None) -> None:
        """Write a checkpoint, with the time that an epoch has taken so far if it has not ended."""
        if clock is not None:
            self.state.waiting, self.state.computing = clock.waiting, clock.computing
        record = {"state": self.state.to_record(), "data": self.opened.data}
        checkpoints.save(self.folder.state, run.parts, record, write=self.is_chief)

    def _tell(self, step: int, figures: Mapping[str, Any]) -> None:
        for callback in self.callbacks:
            callback.on_figures(step, figures)


def _is_due(done: int, every: int | None) -> bool:
    return every is not None and done % every == 0

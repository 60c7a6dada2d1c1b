"""The loop: stages, epochs, steps; evaluations and checkpoints between them.

A checkpoint is written at the end of each epoch, within epochs where the recipe says so, and before the
evaluation that ends an epoch, so that a run that dies in it has nothing else to do again. All that follows
from a checkpoint is the same whether the run was killed or not: batches, random numbers, schedules and
metrics depend on where the run is and on nothing else. On one device with deterministic operations the
numbers are the same to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras
from fr_models.data.dataset import Dataset
from fr_models.data.input_clock import InputClock
from fr_models.train import checkpoints
from fr_models.train.average import WeightAverage
from fr_models.train.best import Best
from fr_models.train.best_files import write_best
from fr_models.train.build import check_stages
from fr_models.train.callbacks import Callback, TensorBoard, trackers_of
from fr_models.train.distribution import batches_of, is_chief, strategy_of, workers
from fr_models.train.evaluation_sets import evaluations_of
from fr_models.train.history import History
from fr_models.train.images import dataset_of, pipeline_of
from fr_models.train.interrupts import Interrupts
from fr_models.train.network import build_backbone
from fr_models.train.nonfinite import NonFiniteSteps
from fr_models.train.progress import Display
from fr_models.train.recipe import Recipe
from fr_models.train.run_folder import RunFolder, data_record, digest_record
from fr_models.train.snapshot import Snapshot
from fr_models.train.stage_run import StageRun
from fr_models.train.state import State
from fr_models.train.teacher import teacher_of

__all__ = ["Trainer"]

NAMED_IMAGES = 3


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
        self.recipe = recipe
        self.folder = RunFolder(run_folder)
        self.strategy = strategy_of(recipe.distribution)
        self.is_chief = is_chief(self.strategy)
        self.evaluations = evaluations_of(recipe)
        self.dataset = dataset if dataset is not None else dataset_of(recipe)
        self.pipeline = pipeline_of(recipe, self.dataset)
        if self.is_chief:
            for evaluation in self.evaluations:
                evaluation.check(self.pipeline.preprocessing.size)
        self.teacher = teacher_of(recipe, self.dataset)
        self.best = Best(recipe.evaluate, self.evaluations, self.folder.path)
        self.display = Display(quiet=not self.is_chief)
        self.callbacks: list[Callback] = []
        if self.is_chief:
            self.callbacks = [TensorBoard(), *trackers_of(recipe.trackers), *callbacks]
        self.state = State()
        self._data = data_record(self.dataset)
        self._said_unreadable: set[str] = set()
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
            If the run folder holds a run already, another process trains in it, or a stage of the recipe is
            not as expected.
        """
        if self.is_chief:
            self.folder.expect_new()
        backbone = self._built()
        with self._held():
            if self.is_chief:
                skips = self.recipe.data.on_unreadable == "skip"
                self.folder.begin(self.recipe, self._data | digest_record(self.dataset, skips))
            return self._train(backbone, checkpoint=None)

    @classmethod
    def resume(
        cls, run_folder: str | Path, callbacks: Sequence[Callback] = (), dataset: Dataset | None = None
    ) -> History:
        """Go on with a run from its last checkpoint, or from the start if it was killed before the first.

        Parameters
        ----------
        run_folder, callbacks, dataset
            As of `Trainer`; the recipe is the folder's.

        Returns
        -------
        History
            That of the whole run.

        Raises
        ------
        ValueError
            If the folder holds no run, another process trains in it, the checkpoint is lost or does not fit,
            or the images are others.
        """
        trainer = cls(RunFolder(run_folder).read_recipe(), run_folder, callbacks, dataset)
        with trainer._held():
            trainer.folder.expect_images(trainer.dataset)
            checkpoint = trainer._found()
            return trainer._train(trainer._built(), checkpoint)

    def _found(self) -> Path | None:
        """Go to where the last checkpoint is, if there was one yet."""
        checkpoint = self.folder.state
        if not checkpoint.exists():
            self.folder.expect_no_epochs()
            return None
        record = checkpoints.read_record(checkpoint)
        if record["data"] != self._data:
            raise ValueError(
                f"{checkpoint}: trained on other images: {record['data']}, these are {self._data}"
            )
        self.state = State.from_record(record["state"])
        return checkpoint

    def _held(self) -> AbstractContextManager[None]:
        """Keep the folder to this process, if it is the one that writes."""
        return self.folder.held() if self.is_chief else nullcontext()

    def _built(self) -> Any:
        """Build the backbone, and what is wrong with a stage is found before anything is written."""
        keras.utils.set_random_seed(self.recipe.seed)
        with self.strategy.scope():
            backbone = build_backbone(self.recipe)
            check_stages(self.recipe, backbone, len(self.dataset.class_names))
        return backbone

    def _train(self, backbone: Any, checkpoint: Path | None) -> History:
        self.snapshot = Snapshot(backbone, self.pipeline.preprocessing)
        with self.strategy.scope():
            self.average = None if self.recipe.ema is None else WeightAverage(backbone, self.recipe.ema)
        if self.is_chief:
            self._settle_best()
            self.state.history.write(self.folder.path)
        begun: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.on_begin(self.folder.path, self.recipe.to_dict())
                begun.append(callback)
            with Interrupts(heed=workers(self.strategy) == 1) as self._interrupts:
                self._stages(backbone, checkpoint)
        finally:
            self.display.end()
            for callback in begun:
                callback.on_end()
        return self.state.history

    def _settle_best(self) -> None:
        """Let the best model be the one in the folder, which may be newer than the checkpoint."""
        known, self.state.best = self.state.best, self.best.settled(self.display.say)
        if known is not None and not (self.folder.path / "best.keras").exists():
            self.display.say(f"{self.folder.path}: best.keras is gone, the next model takes its place")

    def _stages(self, backbone: Any, checkpoint: Path | None) -> None:
        state, previous = self.state, None
        while True:
            keras.utils.set_random_seed(self.recipe.seed + state.stage + 1)
            run = StageRun(
                self.recipe,
                state.stage,
                backbone,
                len(self.dataset.class_names),
                self.pipeline,
                self.strategy,
                self.teacher,
                previous,
                self.average,
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

    def _epoch(self, run: StageRun) -> None:
        """Train to the end of the epoch from wherever it is."""
        state, clock = self.state, InputClock()
        clock.reset(state.waiting, state.computing)
        if state.step < self.pipeline.steps_per_epoch:
            self._steps(run, clock)
            self._nonfinite.look()
            if self.evaluations:
                self._save(run, clock)
        self._end_epoch(run, clock)

    def _steps(self, run: StageRun, clock: InputClock) -> None:
        state, total = self.state, self.pipeline.steps_per_epoch
        if state.step == 0:
            run.begin_epoch()
        epochs = sum(stage.epochs for stage in self.recipe.stages)
        self.display.begin(f"epoch {state.epoch_of_run + 1} of {epochs}", state.step, total)
        for batch in clock.batches(self._batches()):
            where = f"epoch {state.epoch_of_run + 1}, step {state.step + 1}"
            try:
                report = run.step(batch)
            except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
                raise ValueError(f"{where}: {_reason(error)}") from None
            self._nonfinite.after(where, report)
            state.step += 1
            self.display.advance(state.step, run.figures)
            if state.step < total:
                self._between_steps(run, clock)

    def _batches(self) -> Iterator[Any]:
        """Give what remains of the epoch; an image that cannot be read is an error that names it."""
        state = self.state
        teacher = self.teacher if self.recipe.stage(state.stage).distills else None
        batches = iter(batches_of(self.pipeline, self.strategy, state.epoch_of_run, state.step, teacher))
        for _ in range(state.step, self.pipeline.steps_per_epoch):
            try:
                batch = next(batches)
            except tf.errors.InvalidArgumentError as error:
                raise ValueError(f"data: {_reason(error)}") from None
            yield batch

    def _between_steps(self, run: StageRun, clock: InputClock) -> None:
        """Do within an epoch what the recipe wants after this many steps of the run."""
        done = self.state.step_of_run(self.pipeline.steps_per_epoch)
        if self._interrupts.wanted or _is_due(done, self.recipe.checkpoint_every):
            self._nonfinite.look()
        if _is_due(done, self.recipe.evaluate.every_steps):
            figures = self._evaluate(run)
            self.state.history.add_evaluation({"step": done, **figures})
            self._tell(done, figures)
        if _is_due(done, self.recipe.checkpoint_every) or self._interrupts.wanted:
            self._save(run, clock)
        if self._interrupts.wanted:
            raise KeyboardInterrupt

    def _end_epoch(self, run: StageRun, clock: InputClock) -> None:
        state = self.state
        epoch, done = state.epoch_of_run + 1, state.step_of_run(self.pipeline.steps_per_epoch)
        row = {"epoch": epoch, "stage": state.stage + 1, **run.figures(), **self._of_state(run)}
        row |= {"input_bound": round(clock.share, 4), "seconds": round(clock.waiting + clock.computing, 1)}
        row |= self._evaluate(run, row)
        self._complain(row)
        state.history.add(row)
        state.end_epoch()
        self._tell(done, row)
        self._save(run)
        if self.is_chief:
            state.history.write(self.folder.path)
        self.display.say(_line(row))
        if self._interrupts.wanted:
            raise KeyboardInterrupt

    def _complain(self, row: Mapping[str, Any]) -> None:
        """Say what an epoch lacked: images that can be read, the figure that decides on the best."""
        unreadable = self.pipeline.unreadable_images
        if new := [reason for name, reason in unreadable.items() if name not in self._said_unreadable]:
            self._said_unreadable.update(unreadable)
            named = [*new[:NAMED_IMAGES], *([f"{len(new)} in all"] if len(new) > NAMED_IMAGES else [])]
            self.display.say(f"data: replaced by others of their classes: {'; '.join(named)}")
        if self.is_chief and (reason := self.best.why_none(row)) is not None:
            self.display.say(reason)

    def _of_state(self, run: StageRun) -> dict[str, float]:
        """Return figures that are no means, with the steps left out in this epoch alone."""
        figures = run.state_figures()
        rows = [row for row in self.state.history.rows if row["stage"] == self.state.stage + 1]
        before = sum(row["skipped_steps"] for row in rows)
        return {**figures, "skipped_steps": figures["skipped_steps"] - before}

    def _evaluate(self, run: StageRun, row: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Measure the backbone as it is, and keep it if it is the best."""
        self.snapshot.take(run.backbone_weights())
        if not self.is_chief:
            return {}
        figures: dict[str, float] = {}
        for evaluation in self.evaluations:
            self.display.begin(f"evaluate {evaluation.name}", 0, 0)
            measured = evaluation.measure(self.snapshot, self.display.progress)
            figures |= {f"{evaluation.name}.{name}": value for name, value in measured.items()}
        where = {
            "epoch": self.state.epoch_of_run + 1,
            "step": self.state.step_of_run(self.pipeline.steps_per_epoch),
        }
        better = self.best.better({**(row or {}), **figures}, where, self.state.best)
        if better is not None:
            write_best(self.folder.path, self.snapshot.network.save, self.pipeline.preprocessing, better)
            self.state.best = better
        return figures

    def _save(self, run: StageRun, clock: InputClock | None = None) -> None:
        """Write a checkpoint, with the time that an epoch has taken so far if it has not ended."""
        if clock is not None:
            self.state.waiting, self.state.computing = clock.waiting, clock.computing
        record = {"state": self.state.to_record(), "data": self._data}
        checkpoints.save(self.folder.state, run.parts, record, write=self.is_chief)

    def _tell(self, step: int, figures: Mapping[str, Any]) -> None:
        for callback in self.callbacks:
            callback.on_figures(step, figures)


def _is_due(done: int, every: int | None) -> bool:
    return every is not None and done % every == 0


def _reason(error: tf.errors.OpError) -> str:
    """Return an error of TensorFlow in one line: what was asserted or allocated, if it says so."""
    message = re.sub(r"\{\{[^}]*\}\} ?", "", error.message)
    known = re.search(r"assertion failed: \[(.*?)\](?: \[|$|\n)|(OOM when [^\n]*)", message)
    return " ".join((known[1] or known[2] if known else message).split())


def _line(row: Mapping[str, Any]) -> str:
    """Return what is said of an epoch: its figures, with four digits."""
    figures = {name: value for name, value in row.items() if name not in ("epoch", "stage")}
    shown = [f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, int | float)]
    return f"epoch {row['epoch']} (stage {row['stage']}): {', '.join(shown)}"

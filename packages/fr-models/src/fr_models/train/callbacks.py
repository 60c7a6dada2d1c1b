"""Who else is told what happens in a run: TensorBoard, Weights & Biases, MLflow, or a class of your own.

TensorBoard always is, the others where a recipe's ``trackers`` name them; nothing else uses the network.
A run that was killed tells again what came after its last checkpoint, with the same steps and the same
numbers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import tensorflow as tf
from fr_eval import MissingExtraError
from fr_eval.files import write_text

from fr_models.train._device_errors import located

__all__ = ["Callback", "MLflow", "TensorBoard", "WeightsAndBiases", "told", "trackers_of"]

Figures = Mapping[str, Any]

# What tf.summary.scalar says of a value; that function wants the package tensorboard only to write this.
SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class="DATA_CLASS_SCALAR",
)


class Callback:
    """Told of a run; a child overrides what it wants to know."""

    def on_begin(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Take notice of a run that begins or goes on."""

    def on_figures(self, step: int, figures: Figures) -> None:
        """Take figures found after ``step`` steps of the run: of an epoch, or measured within one."""

    def on_end(self, error: BaseException | None) -> None:
        """Take notice that the run has ended, or was stopped by an error or a signal."""


class TensorBoard(Callback):
    """Writes scalars to the folder ``tensorboard`` of the run."""

    def on_begin(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Open the writer."""
        self._where = str(folder / "tensorboard")
        with located(self._where):
            self._writer = tf.summary.create_file_writer(self._where)

    def on_figures(self, step: int, figures: Figures) -> None:
        """Write them."""
        with located(self._where), self._writer.as_default(step=step):
            for name, value in numbers(figures).items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=SCALAR)
            self._writer.flush()

    def on_end(self, error: BaseException | None) -> None:
        """Close the writer."""
        self._writer.close()


class WeightsAndBiases(Callback):
    """Logs to a run of Weights & Biases, the same one when it goes on: ``wandb_run.txt`` keeps its id.

    Parameters
    ----------
    **settings
        As of ``wandb.init``: ``project``, ``entity``, ``name`` and others; by default the run is named after
        its folder.

    Raises
    ------
    ImportError
        If wandb is not installed.
    """

    def __init__(self, **settings: Any) -> None:
        self._wandb = needed("wandb")
        self._settings = settings

    def on_begin(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Open the run."""
        kept = folder / "wandb_run.txt"
        if not kept.exists():  # drawn: folders of two runs of a project may have one name
            write_text(kept, f"{uuid.uuid4().hex}\n")
        own = {
            "id": kept.read_text(encoding="utf-8").strip(),
            "name": folder.resolve().name,
            "dir": str(folder),
            "resume": "allow",
        }
        self._run = self._wandb.init(**{**own, "config": dict(recipe), **self._settings})

    def on_figures(self, step: int, figures: Figures) -> None:
        """Log them."""
        self._run.log(numbers(figures), step=step)

    def on_end(self, error: BaseException | None) -> None:
        """Close the run, as failed if there was an error."""
        self._run.finish(exit_code=0 if error is None else 1)


class MLflow(Callback):
    """Logs to a run of MLflow, the same one when it goes on: ``mlflow_run.txt`` keeps its id.

    Parameters
    ----------
    **settings
        As of ``mlflow.start_run``: ``experiment_id``, ``run_name`` and others.

    Raises
    ------
    ImportError
        If mlflow is not installed.
    """

    def __init__(self, **settings: Any) -> None:
        self._mlflow = needed("mlflow")
        self._settings = settings

    def on_begin(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Open the run."""
        kept = folder / "mlflow_run.txt"
        if kept.exists():
            self._mlflow.start_run(run_id=kept.read_text(encoding="utf-8").strip())
            return
        run = self._mlflow.start_run(**self._settings)
        write_text(kept, f"{run.info.run_id}\n")
        self._mlflow.log_dict(dict(recipe), "recipe.yaml")

    def on_figures(self, step: int, figures: Figures) -> None:
        """Log them; MLflow's names have no ``@``."""
        self._mlflow.log_metrics({k.replace("@", "_at_"): v for k, v in numbers(figures).items()}, step=step)

    def on_end(self, error: BaseException | None) -> None:
        """Close the run, as failed if there was an error, as killed by a signal."""
        failed = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        self._mlflow.end_run("FINISHED" if error is None else failed)


TRACKERS: dict[str, type[Callback]] = {"wandb": WeightsAndBiases, "mlflow": MLflow}


def trackers_of(names: Iterable[str]) -> list[Callback]:
    """Make the callbacks of a recipe's ``trackers``.

    Raises
    ------
    ImportError
        If a package is missing; the message names the command that installs it.
    """
    return [TRACKERS[name]() for name in names]


@contextmanager
def told(callbacks: Iterable[Callback], folder: Path, recipe: Mapping[str, Any]) -> Iterator[None]:
    """Tell callbacks of a run that begins, and those that were told, however the block ends, of its end."""
    begun: list[Callback] = []
    error: BaseException | None = None
    try:
        for callback in callbacks:
            callback.on_begin(folder, recipe)
            begun.append(callback)
        yield
    except BaseException as caught:
        error = caught
        raise
    finally:
        for callback in begun:
            callback.on_end(error)


def numbers(figures: Figures) -> dict[str, float]:
    """Return the figures that are numbers."""
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}


def needed(package: str) -> Any:
    """Import a package of the extra of its name."""
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package, f"fr-models[{package}]", "tracking") from None

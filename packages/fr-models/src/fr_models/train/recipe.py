"""Recipes: all that a training depends on besides its images, as one YAML file.

A recipe is checked when it is read, and needs no TensorFlow for that. What needs it, arguments of losses and
of the model, is checked when a run begins, as is whether files are there and fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from fr_models._settings import (
    Settings,
    boolean,
    list_of,
    nearest,
    number,
    one_of,
    part,
    some_of,
    text,
    under,
    whole,
    with_key,
)
from fr_models.train import _yaml
from fr_models.train.optimizers import Adam
from fr_models.train.schedules import Constant, Schedule, checked_schedule
from fr_models.train.sections import Data, Evaluation, Model, Teacher
from fr_models.train.stages import Stage

__all__ = ["Data", "Evaluation", "Model", "Recipe", "Stage", "Teacher", "find_recipe", "packaged_recipes"]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
DISTRIBUTIONS = ("none", "mirrored", "multi_worker")
TRACKERS = ("wandb", "mlflow")
MOST_SEED = 2**31 - 1  # NumPy, which Keras seeds too, wants 32 bits; each stage adds 1


@dataclass(frozen=True)
class Recipe(Settings):
    """All that a training depends on besides its images.

    Attributes
    ----------
    model : Model
        The backbone.
    stages : list of Stage
        What is done to it, one after the other.
    data : Data
        What it is trained on.
    evaluate : Evaluation
        What it is tested on.
    teacher : Teacher
        Whom it learns from, in stages with ``distill``.
    learning_rate : float or mapping
        A schedule (`fr_models.train.schedules`) over the epochs of all stages.
    seed : int
        Of weights, order and pixels.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Keras's policy.
    ema : float, optional
        Momentum of an average of the weights over the steps of all stages, which is then evaluated and
        exported.
    clip_norm, clip_value : float, optional
        Largest Euclidean norm of all gradients together, and largest absolute value of each number.
    accumulate : int
        Parts that a batch is computed in, one after the other, in less memory; the update is that of the
        whole batch, except that batch normalisation sees the parts.
    on_nonfinite : {"skip", "stop"}
        What is done at a step whose loss or gradient is not finite; one skipped changes nothing and counts.
    most_nonfinite : int
        So many skipped steps in a row are not followed by another.
    checkpoint_every : int, optional
        Steps after which the full state is written; it always is at ends of epochs.
    distribution : {"none", "mirrored", "multi_worker"}
        tf.distribute's strategy.
    deterministic : bool
        Whether operations give the same bits in every run, which costs time.
    trackers : list of {"wandb", "mlflow"}
        Services that are told of the figures, besides TensorBoard (`fr_models.train.callbacks`); where they
        are, and under which project, is set by their own environment variables.

    Examples
    --------
    >>> recipe = Recipe.from_dict({"model": {"name": "r18"}, "stages": [{"epochs": 2, "loss": "ArcFace"}]})
    >>> recipe.stages[0].loss, Recipe.from_dict(recipe.to_dict()) == recipe
    ({'name': 'ArcFace'}, True)
    """

    model: Annotated[Model, part(Model)]
    stages: Annotated[tuple[Stage, ...], list_of(part(Stage), 1)]
    data: Annotated[Data, part(Data)] = field(default=Data())
    evaluate: Annotated[Evaluation, part(Evaluation)] = field(default=Evaluation())
    teacher: Annotated[Teacher | None, part(Teacher)] = None
    learning_rate: Annotated[Schedule, checked_schedule] = field(default=Constant())
    seed: Annotated[int, whole(0, MOST_SEED)] = 0
    precision: Annotated[str, one_of(*PRECISIONS)] = "float32"
    ema: Annotated[float | None, number(0, 1, below=True)] = None
    clip_norm: Annotated[float | None, number(0, above=True)] = None
    clip_value: Annotated[float | None, number(0, above=True)] = None
    accumulate: Annotated[int, whole(1)] = 1
    on_nonfinite: Annotated[str, one_of("skip", "stop")] = "skip"
    most_nonfinite: Annotated[int, whole(1)] = 25
    checkpoint_every: Annotated[int | None, whole(1)] = None
    distribution: Annotated[str, one_of(*DISTRIBUTIONS)] = "none"
    deterministic: Annotated[bool, boolean] = False
    trackers: Annotated[tuple[str, ...], some_of(*TRACKERS)] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stages[0].loss is None:
            raise ValueError("stages.0.loss: missing; later stages without one go on with that before")
        for place in range(len(self.stages)):
            with_key(f"stages.{place}", self._checked_stage, place)
        if self.teacher is not None and not any(self.stage(n).distills for n in range(len(self.stages))):
            raise ValueError("teacher: no stage learns from it, expected one with distill")
        if self.data.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate: expected a divisor of data.batch_size, {self.data.batch_size}, "
                f"got {self.accumulate}"
            )

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Read a YAML file.

        Parameters
        ----------
        path : str or Path
            The file. Its key ``base``, if there is one, names a recipe that it changes: another file beside
            it, or one that comes with this package. Keys below keys are changed one by one, lists whole.
        overrides : sequence of str
            Settings in place of the file's, each as ``key.path=value``, with a YAML value: ``seed=1``,
            ``data.batch_size=64``, ``stages.0.epochs=2``.

        Raises
        ------
        ValueError
            If the file is no recipe; the message names it, the key, the value and what was expected.
        """
        path = Path(path)
        settings = _read(path)
        for override in overrides:
            settings = _overridden(settings, override)
        try:
            return cls.from_dict(settings)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def stage(self, number: int) -> Stage:
        """Return a stage with the loss and the optimizer that it goes on with."""
        stage = self.stages[number]
        before = self.stages[: number + 1]
        loss = next(one.loss for one in reversed(before) if one.loss is not None)
        optimizer = next((one.optimizer for one in reversed(before) if one.optimizer is not None), Adam())
        return replace(stage, loss=loss, optimizer=optimizer)

    def _checked_stage(self, number: int) -> None:
        """Expect a stage that goes together with what it goes on with, and with the recipe's pixels."""
        stage = self.stage(number)
        if stage.partial_fc is not None and stage.partial_fc < 1:
            for name, value in {
                "optimizer.sam": stage.optimizer.sam,
                "data.augmentation.mixup": self.data.mixup,
            }.items():
                if value:
                    raise ValueError(f"partial_fc: a head that draws classes has no {name}, got {value}")
        if number and self.stage(number - 1).has_classes and stage.has_classes:
            before = self.stage(number - 1).sub_centers
            if before > 1 and stage.sub_centers not in (1, before):
                raise ValueError(
                    f"sub_centers: expected 1 or {before}, as in the stage before, got {stage.sub_centers}"
                )

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def first_epoch(self, number: int) -> int:
        """Count the epochs that the recipe's learning rate knows before a stage."""
        stages = self.stages[:number]
        return (
            0
            if self.stages[number].bottleneck_only
            else sum(s.epochs for s in stages if not s.bottleneck_only)
        )

    def with_images(self, path: str | Path) -> Self:
        """Return the recipe for images at another place."""
        with under("data"):
            return replace(self, data=replace(self.data, path=str(path)))

    def to_yaml(self) -> str:
        """Return what `load` reads: every setting, also those that were left at their defaults."""
        return _yaml.write(self.to_dict())


def packaged_recipes() -> dict[str, Path]:
    """Recipes that come with this package, by name."""
    folder = Path(__file__).parents[1] / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(name: str | Path) -> Path:
    """Return the file of a recipe, by path or by the bare name of one that comes with this package.

    Raises
    ------
    ValueError
        If there is none. A path with a folder or a suffix is never taken for a name.
    """
    path, packaged = Path(name), packaged_recipes()
    if path.is_file():
        return path
    if str(name) in packaged:
        return packaged[str(name)]
    if path.stem != str(name):
        raise ValueError(f"{name}: no such file; fr-train recipes lists those that go by their names alone")
    raise ValueError(f"{name}: no such file, and no such recipe in fr-models: {nearest(name, packaged)}")


def _read(path: Path, deriving: tuple[Path, ...] = ()) -> Any:
    """Read a file, over its bases."""
    settings = _yaml.read(path)
    if not isinstance(settings, Mapping) or "base" not in settings:
        return settings
    if path.resolve() in deriving:
        raise ValueError(f"{path}: base: expected another recipe, got one that begins with this")
    base = _read(
        with_key(f"{path}: base", partial(_base, path), settings["base"]), (*deriving, path.resolve())
    )
    return _over(base, {key: value for key, value in settings.items() if key != "base"})


def _base(path: Path, value: Any) -> Path:
    """Return the file of the recipe that ``path`` changes: another beside it, or a packaged one."""
    name, packaged = text(value), packaged_recipes()
    beside = path.parent / (name if name.endswith(".yaml") else f"{name}.yaml")
    if beside.is_file() and not beside.samefile(path):
        return beside
    if name in packaged:
        return packaged[name]
    raise ValueError(
        f"expected another recipe beside it, or one of fr-models, got {name!r}: {nearest(name, packaged)}"
    )


def _over(base: Any, changes: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    changed = {key: _over(base[key], value) if key in base else value for key, value in changes.items()}
    return {**base, **changed}


def _overridden(settings: Any, override: str) -> Any:
    """Return settings with the value of ``key.path=value``."""
    keys, equals, content = override.partition("=")
    if not equals or not keys:
        raise ValueError(f"{override}: expected key.path=value")
    return _with(settings, keys.split("."), _yaml.parse(content, override), override)


def _with(settings: Any, keys: list[str], value: Any, override: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(settings, list):
        if not key.isdigit() or int(key) >= len(settings):
            raise ValueError(f"{override}: expected a number below {len(settings)} in place of {key!r}")
        changed = list(settings)
        changed[int(key)] = _with(changed[int(key)], rest, value, override)
        return changed
    if settings is not None and not isinstance(settings, Mapping):
        if rest or not isinstance(settings, str):
            raise ValueError(f"{override}: there is nothing below {key!r}, which holds {settings!r}")
        settings = {"name": settings}  # what `name` stands for alone
    return {**(settings or {}), key: _with((settings or {}).get(key), rest, value, override)}
